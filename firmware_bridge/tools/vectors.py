"""Makes the test vectors that every implementation of the link must agree with.

python -m firmware_bridge.tools.vectors
"""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from firmware_bridge.link import cobs, messages
from firmware_bridge.link.adpcm import AdpcmState, encode_adpcm
from firmware_bridge.link.checksums import crc16, crc32
from firmware_bridge.link.frame import Frame, encode_frame
from firmware_bridge.link.messages import Message, schema_hash
from firmware_bridge.link.spec import VERSION, AudioFormat, Type
from firmware_bridge.link.tiles import Tiling, encode_tile, pack_map

VECTORS = Path(__file__).parents[1] / "vectors" / "link.json"


def main() -> None:
    """Writes the file."""
    VECTORS.parent.mkdir(exist_ok=True)
    partial = VECTORS.with_name(VECTORS.name + ".partial")
    partial.write_text(vectors_text(), encoding="utf-8")
    os.replace(partial, VECTORS)
    print(f"wrote {VECTORS}")


def vectors_text() -> str:
    """The file's text: one vector a line."""
    parts = []
    for name, entries in vectors().items():
        lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
        parts.append(f'"{name}": [\n{lines}\n]')
    head = f'"version": {VERSION},\n"schema": {schema_hash()},\n'
    return "{\n" + head + ",\n".join(parts) + "\n}\n"


def vectors() -> dict[str, list[dict[str, Any]]]:
    """All vectors; bytes are hexadecimal."""
    generator = np.random.default_rng(2024)
    return {
        "checksums": [_checksum(content) for content in (b"", b"123456789", bytes(range(256)))],
        "cobs": [{"plain": content.hex(), "stuffed": cobs.encode(content).hex()} for content in _cobs_inputs()],
        "adpcm": [_adpcm(samples, state) for samples, state in _speech(generator)],
        "tiles": _tiles(generator),
        "messages": [_message(message, at) for at, message in enumerate(_messages(generator))],
    }


def _checksum(content: bytes) -> dict[str, Any]:
    return {"content": content.hex(), "crc16": crc16(content), "crc32": crc32(content)}


def _cobs_inputs() -> list[bytes]:
    full = bytes(range(1, 255))
    return [
        b"",
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"\0a",
        b"a\0b",
        full[:253],
        full,
        full + b"\0",
        full + b"x",
        full + full,
        b"\0" + full,
        full + b"\0" + full + b"y",
        bytes(300),
    ]


def _speech(generator: np.random.Generator) -> list[tuple[np.ndarray, AdpcmState]]:
    time = np.arange(160) / 16_000
    voiced = (8000 * np.sin(2 * np.pi * 220 * time) * np.hanning(160)).astype(np.int16)
    noise = generator.integers(-32768, 32768, 81).astype(np.int16)
    square = np.where(np.arange(64) % 16 < 8, 32767, -32768).astype(np.int16)
    return [
        (voiced, AdpcmState()),
        (noise, AdpcmState(-120, 40)),
        (square, AdpcmState(32767, 88)),
        (np.array([5], np.int16), AdpcmState(-32768, 0)),
    ]


def _adpcm(samples: np.ndarray, state: AdpcmState) -> dict[str, Any]:
    codes, after = encode_adpcm(samples, state)
    return {
        "samples": samples.tolist(),
        "predictor": state.predictor,
        "step_index": state.step_index,
        "codes": codes.hex(),
        "predictor_after": after.predictor,
        "step_index_after": after.step_index,
    }


def _tiles(generator: np.random.Generator) -> list[dict[str, Any]]:
    entries = []
    for width, height, side in ((16, 16, 8), (20, 11, 8), (32, 16, 16)):
        tiling = Tiling(width, height, side)
        noise = generator.integers(0, 65536, (height, width)).astype("<u2")
        few = generator.choice(np.array([0x001F, 0xF800, 0xFFFF], "<u2"), (height, width), p=(0.1, 0.2, 0.7))
        flat = np.full((height, width), 0x1234, "<u2")
        stripes = np.repeat(np.arange(height, dtype="<u2"), width).reshape(height, width)
        for picture in (noise, few, flat, stripes):
            records = [encode_tile(index, picture[tiling.box(index)]).hex() for index in range(tiling.count)]
            content = picture.tobytes()
            entries.append(
                {
                    "width": width,
                    "height": height,
                    "side": side,
                    "picture": content.hex(),
                    "crc32": crc32(content),
                    "records": records,
                }
            )
    return entries


def _messages(generator: np.random.Generator) -> list[Message]:
    speech = (3000 * np.sin(np.arange(40) / 3)).astype(np.int16)
    codes, _ = encode_adpcm(speech, AdpcmState(100, 10))
    map_bytes = pack_map(generator.random(256) < 0.3)
    records = encode_tile(3, generator.integers(0, 65536, (8, 8)).astype("<u2")) + encode_tile(
        4, np.zeros((8, 8), "<u2")
    )
    return [
        messages.Hello(0xDEADBEEF, schema_hash(), 3, 1, 128, 128, 0, 8, 1024, 4096, 1, "pico"),
        messages.Hello(1, schema_hash(), 1, 0, 0, 0, 1, 0, 192, 192, 0, ""),
        messages.HelloAck(0xDEADBEEF, schema_hash(), 0x01020304, 7, 2, 320, 2048),
        messages.Refuse(1, VERSION, "this board speaks version 1 of the link"),
        messages.HelloRequest(0x01020304),
        messages.Ping(0),
        messages.Ping(0xFFFFFFFF),
        messages.Pong(0x00FF00FF),
        messages.Ack(Type.EVENT, 65535),
        messages.Audio(1, 640, 40, AudioFormat.S16LE, 0, 0, speech.astype("<i2").tobytes()),
        messages.Audio(1, 0xFFFFFFFF, 40, AudioFormat.IMA_ADPCM, 10, 100, codes),
        messages.Audio(2, 0, 1, AudioFormat.IMA_ADPCM, 88, -32768, b"\x07"),
        messages.Event(0, 1, 1, 0),
        messages.Event(1, 2, 1, 17280),
        messages.Answer(3, 1, 1, 231, "dog"),
        messages.Answer(4, 2, 0, 12, "nicht verstanden: zu leise, größer sprechen"),
        messages.Status(60_000, 1, 2, 3, 4, 5, 6, 7, 512, 256, 81_920, 4150),
        messages.Status(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFFFFFFFF),
        messages.Log(30, "the ring was full"),
        messages.PictureBegin(1, 1, 1, 1, 128, 128, 8, 32768, 0xCBF43926, 256, map_bytes),
        messages.PictureData(1, records),
        messages.PictureData(0, b""),
        messages.PictureAck(1, 1, 513, 0, map_bytes),
        messages.PictureAck(1, 2, 514, 0xCBF43926, b""),
        messages.PictureCancel(1),
    ]


def _message(message: Message, at: int) -> dict[str, Any]:
    payload = message.encode()
    frame = Frame(message.TYPE, payload, sequence=(0x00FF * at) & 0xFFFF, session=at % 5, flags=at % 2)
    values = {}
    for item in fields(message):
        value = getattr(message, item.name)
        values[item.name] = value.hex() if isinstance(value, bytes) else value if isinstance(value, str) else int(value)
    return {
        "type": int(message.TYPE),
        "name": message.TYPE.name,
        "fields": values,
        "payload": payload.hex(),
        "sequence": frame.sequence,
        "session": frame.session,
        "flags": frame.flags,
        "wire": encode_frame(frame).hex(),
    }


if __name__ == "__main__":
    main()
