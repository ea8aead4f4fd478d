"""The typed messages: frozen dataclasses that check themselves, and their layout on the wire.

A message is fixed fields, low byte first and without padding, and for some a tail of text or bytes that ends
with the payload. Bytes after the fixed fields of a message without a tail are ignored: a later minor version may
add fields there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from edge_s2i.errors import LinkError
from firmware_bridge.link import spec
from firmware_bridge.link.checksums import crc32
from firmware_bridge.link.spec import Type

_RANGES = {"B": (0, 0xFF), "H": (0, 0xFFFF), "I": (0, 0xFFFFFFFF), "h": (-0x8000, 0x7FFF)}


def _number(code: str, default: int | None = None, least: int | None = None, most: int | None = None) -> Any:
    low, high = _RANGES[code]
    metadata = {"code": code, "least": low if least is None else least, "most": high if most is None else most}
    return field(metadata=metadata) if default is None else field(default=default, metadata=metadata)


def _text(most: int) -> Any:
    return field(default="", metadata={"tail": "text", "most": most})


def _bytes(most: int) -> Any:
    return field(default=b"", metadata={"tail": "bytes", "most": most})


@dataclass(frozen=True)
class Message:
    """Base of all messages."""

    TYPE: ClassVar[Type]

    def __post_init__(self) -> None:
        for item in fields(self):
            value, most = getattr(self, item.name), item.metadata["most"]
            if "code" in item.metadata:
                if not item.metadata["least"] <= value <= most:
                    raise LinkError(
                        f"{self.TYPE.name}: {item.name} is {value}; it must be {item.metadata['least']} to {most}"
                    )
            elif len(value.encode() if isinstance(value, str) else value) > most:
                raise LinkError(f"{self.TYPE.name}: {item.name} is too long; it must be at most {most} bytes")

    def encode(self) -> bytes:
        """The payload."""
        numbers = [int(getattr(self, item.name)) for item in fields(self) if "code" in item.metadata]
        tail = b""
        for item in fields(self):
            if "tail" in item.metadata:
                value = getattr(self, item.name)
                tail = value.encode() if isinstance(value, str) else bytes(value)
        return fixed_layout(type(self)).pack(*numbers) + tail


@dataclass(frozen=True)
class Hello(Message):
    """A board introduces itself, again and again until somebody answers."""

    TYPE = Type.HELLO
    boot_nonce: int = _number("I")  # another after every boot
    schema: int = _number("I")
    audio_formats: int = _number("B")  # AudioFormat, all that it can send
    picture_formats: int = _number("B")  # PictureFormat, all that it can show; 0: no panel
    panel_width: int = _number("H", most=spec.MAX_SIDE)
    panel_height: int = _number("H", most=spec.MAX_SIDE)
    pixel_order: int = _number("B", most=1)
    tile_side: int = _number("B")
    max_payload: int = _number("H", least=spec.MIN_PAYLOAD, most=spec.MAX_PAYLOAD)
    credits: int = _number("H", least=spec.MIN_PAYLOAD)  # encoded bytes that it can hold unread
    flags: int = _number("B", 0)
    name: str = _text(spec.MAX_NAME)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.picture_formats & spec.PictureFormat.TILES and self.tile_side not in spec.TILE_SIDES:
            raise LinkError(f"HELLO: tile_side is {self.tile_side}; it must be one of {spec.TILE_SIDES}")


@dataclass(frozen=True)
class HelloAck(Message):
    """The host takes the board on and opens a session."""

    TYPE = Type.HELLO_ACK
    boot_nonce: int = _number("I")  # the HELLO's: another board's or boot's answer is not mine
    schema: int = _number("I")
    host_nonce: int = _number("I")
    session: int = _number("B", least=1)
    audio_format: int = _number("B")  # the one to send; 0: none
    audio_samples: int = _number("H", most=spec.MAX_AUDIO_SAMPLES)  # a frame
    max_payload: int = _number("H", least=spec.MIN_PAYLOAD, most=spec.MAX_PAYLOAD)


@dataclass(frozen=True)
class Refuse(Message):
    """A peer will not talk, and says why in words."""

    TYPE = Type.REFUSE
    reason: int = _number("B")
    version: int = _number("B")  # what the refusing side speaks
    text: str = _text(spec.MAX_TEXT)


@dataclass(frozen=True)
class HelloRequest(Message):
    """A host that has just come asks for a HELLO; a session that the board thinks open is over."""

    TYPE = Type.HELLO_REQUEST
    host_nonce: int = _number("I")


@dataclass(frozen=True)
class Ping(Message):
    """Are you there?"""

    TYPE = Type.PING
    token: int = _number("I")


@dataclass(frozen=True)
class Pong(Message):
    """Yes."""

    TYPE = Type.PONG
    token: int = _number("I")


@dataclass(frozen=True)
class Ack(Message):
    """An EVENT or ANSWER has arrived."""

    TYPE = Type.ACK
    type: int = _number("B")
    id: int = _number("H")


@dataclass(frozen=True)
class Audio(Message):
    """Samples of one utterance; ADPCM carries the decoder's state, so that every frame stands alone."""

    TYPE = Type.AUDIO
    utterance: int = _number("H")
    sample_index: int = _number("I")  # of the first sample, counted from the utterance's start
    count: int = _number("H", least=1, most=spec.MAX_AUDIO_SAMPLES)
    format: int = _number("B")
    step_index: int = _number("B", 0)  # ADPCM, 0 to 88
    predictor: int = _number("h", 0)  # ADPCM
    content: bytes = _bytes(2 * spec.MAX_AUDIO_SAMPLES)

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted = {spec.AudioFormat.S16LE: 2 * self.count, spec.AudioFormat.IMA_ADPCM: (self.count + 1) // 2}
        if wanted.get(spec.AudioFormat(self.format)) != len(self.content):
            raise LinkError(f"AUDIO: {len(self.content)} bytes are not {self.count} samples of format {self.format}")
        if self.step_index > 88:
            raise LinkError(f"AUDIO: step_index is {self.step_index}; it must be 0 to 88")


@dataclass(frozen=True)
class Event(Message):
    """A button or a voice; sent until it is acknowledged."""

    TYPE = Type.EVENT
    id: int = _number("H")
    kind: int = _number("B")
    utterance: int = _number("H")
    sample_index: int = _number("I")  # at an end: how many samples the utterance has


@dataclass(frozen=True)
class Answer(Message):
    """What came of an utterance; sent until it is acknowledged."""

    TYPE = Type.ANSWER
    id: int = _number("H")
    utterance: int = _number("H")
    flags: int = _number("B")
    confidence: int = _number("B")  # of 255
    text: str = _text(spec.MAX_TEXT)


@dataclass(frozen=True)
class Status(Message):
    """How a board is; all counters are since boot."""

    TYPE = Type.STATUS
    uptime_ms: int = _number("I")
    frames_received: int = _number("I")
    frames_sent: int = _number("I")
    checksum_errors: int = _number("I")
    framing_errors: int = _number("I")  # stuffing, lengths, sizes
    frames_lost: int = _number("I")  # holes in the peer's sequence numbers
    frames_dropped: int = _number("I")  # could not be sent: the line was full
    samples_dropped: int = _number("I")
    receive_high_water: int = _number("H")  # bytes
    send_high_water: int = _number("H")  # bytes
    heap_free: int = _number("I")  # bytes; 0xFFFFFFFF: no heap, or not known
    temperature: int = _number("h", spec.UNKNOWN_TEMPERATURE)  # hundredths of a degree Celsius


@dataclass(frozen=True)
class Log(Message):
    """A line for whoever is watching."""

    TYPE = Type.LOG
    level: int = _number("B")  # 10 debug, 20 information, 30 warning, 40 error
    text: str = _text(spec.MAX_TEXT)


@dataclass(frozen=True)
class PictureBegin(Message):
    """A picture is about to come; what an earlier one still lacks is dropped."""

    TYPE = Type.PICTURE_BEGIN
    picture: int = _number("H")
    utterance: int = _number("H")
    flags: int = _number("B")
    format: int = _number("B")
    width: int = _number("H", least=1, most=spec.MAX_SIDE)
    height: int = _number("H", least=1, most=spec.MAX_SIDE)
    tile_side: int = _number("B")
    size: int = _number("I")  # bytes of the whole picture: 2 * width * height, or of the JPEG file
    checksum: int = _number("I")  # CRC-32 of those bytes, pixels in the panel's order
    units: int = _number("H", least=1, most=spec.MAX_UNITS)
    dirty: bytes = _bytes(spec.MAX_UNITS // 8)  # bit n, lowest first: unit n will come

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.dirty) != (self.units + 7) // 8:
            raise LinkError(f"PICTURE_BEGIN: {len(self.dirty)} bytes of map are not those of {self.units} units")


@dataclass(frozen=True)
class PictureData(Message):
    """Some units of a picture; see tiles.py for what they look like."""

    TYPE = Type.PICTURE_DATA
    picture: int = _number("H")
    content: bytes = _bytes(spec.MAX_PAYLOAD - 2)


@dataclass(frozen=True)
class PictureAck(Message):
    """What of a picture has arrived: the whole map each time, so that no acknowledgement is missed."""

    TYPE = Type.PICTURE_ACK
    picture: int = _number("H")
    state: int = _number("B")
    sequence: int = _number("H")  # of the newest picture frame that arrived
    panel_checksum: int = _number("I", 0)  # of the panel's memory, once whole and if it can be read
    received: bytes = _bytes(spec.MAX_UNITS // 8)  # bit n: unit n is there; the dirty map's size, or empty


@dataclass(frozen=True)
class PictureCancel(Message):
    """The rest of a picture will not come."""

    TYPE = Type.PICTURE_CANCEL
    picture: int = _number("H")


MESSAGES: dict[int, type[Message]] = {
    kind.TYPE: kind
    for kind in (
        Hello,
        HelloAck,
        Refuse,
        HelloRequest,
        Ping,
        Pong,
        Ack,
        Audio,
        Event,
        Answer,
        Status,
        Log,
        PictureBegin,
        PictureData,
        PictureAck,
        PictureCancel,
    )
}


def fixed_layout(kind: type[Message]) -> struct.Struct:
    """The fixed fields of a message."""
    return _LAYOUTS[kind]


def _layout(kind: type[Message]) -> struct.Struct:
    return struct.Struct("<" + "".join(item.metadata["code"] for item in fields(kind) if "code" in item.metadata))


_LAYOUTS = {kind: _layout(kind) for kind in MESSAGES.values()}


def decode_message(frame_type: int, payload: bytes) -> Message | None:
    """The message of a frame; None for a type that this version does not know.

    Raises LinkError where the payload cannot be one of its type.
    """
    kind = MESSAGES.get(frame_type)
    if kind is None:
        return None
    layout = fixed_layout(kind)
    if len(payload) < layout.size:
        raise LinkError(f"{kind.TYPE.name}: {len(payload)} bytes, and {layout.size} are needed")
    numbers = iter(layout.unpack_from(payload))
    values: dict[str, Any] = {}
    for item in fields(kind):
        if "code" in item.metadata:
            values[item.name] = next(numbers)
        else:
            tail = payload[layout.size :]
            if len(tail) > item.metadata["most"]:
                raise LinkError(f"{kind.TYPE.name}: {item.name} has {len(tail)} bytes, over {item.metadata['most']}")
            values[item.name] = tail.decode(errors="ignore") if item.metadata["tail"] == "text" else tail
    return kind(**values)


def schema_text() -> str:
    """Every message's layout in words, one a line; its CRC-32 is the schema hash that both sides compare."""
    lines = []
    for number, kind in sorted(MESSAGES.items()):
        parts = [f"{item.name}:{item.metadata.get('code', item.metadata.get('tail'))}" for item in fields(kind)]
        lines.append(f"{number:02x} {kind.TYPE.name} {' '.join(parts)}\n")
    return "".join(lines)


def schema_hash() -> int:
    """CRC-32 of `schema_text`."""
    return crc32(schema_text().encode())
