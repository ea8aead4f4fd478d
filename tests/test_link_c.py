"""The C library agrees with Python, byte for byte, on the vectors and on random inputs."""

import ctypes
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import firmware_bridge
from firmware_bridge.link.adpcm import AdpcmState, encode_adpcm
from firmware_bridge.link.frame import Frame, FrameDecoder, encode_frame
from firmware_bridge.link.messages import MESSAGES
from firmware_bridge.link.spec import VERSION
from firmware_bridge.link.tiles import Tiling, encode_tile
from firmware_bridge.tools import c_library as c
from firmware_bridge.tools.c_spec import generated

VECTORS = json.loads((Path(firmware_bridge.__file__).parent / "vectors" / "link.json").read_text(encoding="utf-8"))


def test_the_c_specification_is_what_python_says():
    for path, text in generated().items():
        assert path.read_text(encoding="utf-8") == text, "run python -m firmware_bridge.tools.c_spec"


@pytest.fixture(scope="module", params=["gcc", "clang"])
def library(request, tmp_path_factory):
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return c.shared_library(tmp_path_factory.mktemp("link"), request.param)


class Decoder:
    """The C decoder behind FrameDecoder's interface."""

    def __init__(self, library, max_payload=2048):
        self.library, self.state = library, c.CDecoder()
        self.buffer = ctypes.create_string_buffer(12 + max_payload)
        library.s2i_decoder_init(ctypes.byref(self.state), self.buffer, ctypes.c_size_t(12 + max_payload))

    def feed(self, content):
        frames, frame, push = [], c.CFrame(), self.library.s2i_decoder_push
        state, out = ctypes.byref(self.state), ctypes.byref(frame)
        for byte in content:
            if push(state, byte, out):
                head = frame.header
                payload = ctypes.string_at(frame.payload, frame.length)
                frames.append(Frame(head.type, payload, head.sequence, head.session, head.flags, head.version))
        return frames


def encode(library, frame):
    out = ctypes.create_string_buffer(len(frame.payload) + 64)
    head = c.CHeader(frame.version, frame.type, frame.flags, frame.session, frame.sequence)
    length = library.s2i_frame_encode(
        out, ctypes.c_size_t(len(out)), ctypes.byref(head), frame.payload, ctypes.c_size_t(len(frame.payload))
    )
    return out.raw[:length]


def test_checksums(library):
    for vector in VECTORS["checksums"]:
        content = bytes.fromhex(vector["content"])
        assert library.s2i_crc16(content, ctypes.c_size_t(len(content))) == vector["crc16"]
        assert library.s2i_crc32(0, content, ctypes.c_size_t(len(content))) == vector["crc32"]


def test_cobs(library):
    for vector in VECTORS["cobs"]:
        plain, stuffed = bytes.fromhex(vector["plain"]), bytes.fromhex(vector["stuffed"])
        out = ctypes.create_string_buffer(len(stuffed) + 1)
        length = library.s2i_cobs_encode(out, plain, len(plain))
        assert out.raw[:length] == stuffed
        assert library.s2i_cobs_decode(out, len(plain), stuffed, len(stuffed)) == len(plain)
        assert out.raw[: len(plain)] == plain
        if plain:
            assert library.s2i_cobs_decode(out, len(plain) - 1, stuffed, len(stuffed)) == 0


def test_adpcm(library):
    for vector in VECTORS["adpcm"]:
        samples = np.array(vector["samples"], np.int16)
        codes = ctypes.create_string_buffer((len(samples) + 1) // 2)
        state = c.CAdpcm(vector["predictor"], vector["step_index"])
        count = ctypes.c_size_t(len(samples))
        library.s2i_adpcm_encode(ctypes.byref(state), samples.ctypes.data_as(ctypes.c_void_p), count, codes)
        assert codes.raw.hex() == vector["codes"]
        assert (state.predictor, state.step_index) == (vector["predictor_after"], vector["step_index_after"])
        back = np.zeros(len(samples), np.int16)
        state = c.CAdpcm(vector["predictor"], vector["step_index"])
        assert library.s2i_adpcm_decode(ctypes.byref(state), codes, count, back.ctypes.data_as(ctypes.c_void_p))
        assert (state.predictor, state.step_index) == (vector["predictor_after"], vector["step_index_after"])
    assert not library.s2i_adpcm_decode(ctypes.byref(c.CAdpcm(0, 89)), codes, ctypes.c_size_t(1), back.ctypes)


def c_record(library, tiling, index, content):
    out, scratch = ctypes.create_string_buffer(600), ctypes.create_string_buffer(512)
    size = ctypes.c_size_t(len(out))
    shape = c.CTiling(tiling.width, tiling.height, tiling.side)
    length = library.s2i_tile_encode(ctypes.byref(shape), index, content, scratch, out, size)
    return out.raw[:length]


def test_tiles(library):
    for vector in VECTORS["tiles"]:
        shape = c.CTiling(vector["width"], vector["height"], vector["side"])
        tiling = Tiling(vector["width"], vector["height"], vector["side"])
        content = bytes.fromhex(vector["picture"])
        picture = np.frombuffer(content, "<u2").reshape(tiling.height, tiling.width)
        for index, record in enumerate(map(bytes.fromhex, vector["records"])):
            assert c_record(library, tiling, index, content) == record
            scratch, found = ctypes.create_string_buffer(512), c.CRecord()
            length = ctypes.c_size_t(len(record))
            used = library.s2i_tile_decode(
                ctypes.byref(shape), record, length, scratch, ctypes.c_size_t(512), ctypes.byref(found)
            )
            pixels = ctypes.string_at(found.pixels, 2 * found.box.width * found.box.height)
            assert (used, found.index) == (len(record), index)
            assert pixels == picture[tiling.box(index)].tobytes()


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["name"])
def test_messages(library, vector):
    wire, payload = bytes.fromhex(vector["wire"]), bytes.fromhex(vector["payload"])
    frame = Decoder(library).feed(wire)[0]
    assert frame.payload == payload
    assert (frame.type, frame.version, frame.sequence) == (vector["type"], VERSION, vector["sequence"])
    assert encode(library, frame) == wire
    name, structure = vector["name"].lower(), c.message_structure(MESSAGES[vector["type"]])()
    decode, back = (getattr(library, f"s2i_{name}_{way}") for way in ("decode", "encode"))
    assert decode(ctypes.byref(structure), payload, ctypes.c_size_t(len(payload)))
    for field, value in vector["fields"].items():
        if isinstance(value, int):
            assert getattr(structure, field) == value
        else:
            tail = ctypes.string_at(getattr(structure, field), getattr(structure, f"{field}_length"))
            assert tail == (value.encode() if tail.hex() != value else bytes.fromhex(value))
    out = ctypes.create_string_buffer(4096)
    length = back(ctypes.byref(structure), out, ctypes.c_size_t(4096))
    assert out.raw[:length] == payload
    assert back(ctypes.byref(structure), out, ctypes.c_size_t(len(payload) - 1)) == 0


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["name"])
def test_every_single_bit_flip_is_detected(library, vector):
    wire = bytes.fromhex(vector["wire"])
    for bit in range(8 * len(wire)):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << bit % 8
        assert Decoder(library).feed(bytes(damaged) + b"\0") == [], f"bit {bit} went unnoticed"


def test_decoders_agree_on_damaged_streams(library):
    generator = np.random.default_rng(5)
    ours, theirs = FrameDecoder(300), Decoder(library, 300)
    good = 0
    for _ in range(400):
        payload = generator.integers(0, int(generator.choice([2, 256])), int(generator.integers(0, 330)))
        frame = Frame(int(generator.integers(0, 256)), payload.astype(np.uint8).tobytes(), int(generator.integers(99)))
        wire = bytearray(encode_frame(frame))
        assert encode(library, frame) == bytes(wire)
        for _ in range(int(generator.integers(0, 3))):
            wire[int(generator.integers(len(wire)))] = int(generator.integers(256))
        frames = ours.feed(bytes(wire))
        assert theirs.feed(bytes(wire)) == frames
        good += len(frames)
    assert 100 < good < 300
    assert theirs.state.frames == ours.counters.frames == good


def test_encoders_agree_on_random_inputs(library):
    generator = np.random.default_rng(6)
    for _ in range(60):
        width, height, side = (
            int(generator.integers(1, 40)),
            int(generator.integers(1, 40)),
            (8, 16)[generator.integers(2)],
        )
        tiling = Tiling(width, height, int(side))
        picture = generator.integers(0, int(generator.choice([1, 2, 3, 60000])), (height, width)).astype("<u2")
        for index in range(tiling.count):
            assert c_record(library, tiling, index, picture.tobytes()) == encode_tile(index, picture[tiling.box(index)])
        samples = generator.integers(-32768, 32768, int(generator.integers(1, 99))).astype(np.int16)
        start = AdpcmState(int(generator.integers(-32768, 32768)), int(generator.integers(0, 89)))
        codes = ctypes.create_string_buffer((len(samples) + 1) // 2)
        state = c.CAdpcm(start.predictor, start.step_index)
        count = ctypes.c_size_t(len(samples))
        library.s2i_adpcm_encode(ctypes.byref(state), samples.ctypes.data_as(ctypes.c_void_p), count, codes)
        expected, after = encode_adpcm(samples, start)
        assert (codes.raw, state.predictor, state.step_index) == (expected, after.predictor, after.step_index)
