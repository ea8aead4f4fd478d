"""Frames: a header, a payload and a checksum, stuffed and ended by a zero byte."""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields

from edge_s2i.errors import LinkError
from firmware_bridge.link import cobs
from firmware_bridge.link.checksums import checksum, checksum_bytes
from firmware_bridge.link.spec import CRC16_BYTES, CRC32_BYTES, DELIMITER, HEADER_BYTES, MAX_PAYLOAD, VERSION

_HEADER = struct.Struct("<BBBBHH")


@dataclass(frozen=True)
class Frame:
    """One frame, as header and payload."""

    type: int
    payload: bytes = b""
    sequence: int = 0
    session: int = 0
    flags: int = 0
    version: int = VERSION

    def __post_init__(self) -> None:
        for name in ("type", "session", "flags", "version"):
            if not 0 <= getattr(self, name) <= 0xFF:
                raise LinkError(f"a frame's {name} is {getattr(self, name)}; it must fit one byte")
        if not 0 <= self.sequence <= 0xFFFF:
            raise LinkError(f"a frame's sequence is {self.sequence}; it must fit two bytes")
        if len(self.payload) > MAX_PAYLOAD:
            raise LinkError(f"a frame's payload has {len(self.payload)} bytes; at most {MAX_PAYLOAD} fit")

    @property
    def major(self) -> int:
        """The major version that it was written in."""
        return self.version >> 4


def encode_frame(frame: Frame) -> bytes:
    """The bytes on the wire, the delimiter at the end included."""
    head = _HEADER.pack(frame.version, frame.type, frame.flags, frame.session, frame.sequence, len(frame.payload))
    content = head + frame.payload
    return cobs.encode(content + checksum(frame.type, content)) + bytes([DELIMITER])


def encoded_length(payload: int) -> int:
    """The most bytes that a frame with so long a payload takes on the wire."""
    return cobs.encoded_limit(HEADER_BYTES + payload + CRC32_BYTES) + 1


@dataclass
class DecoderCounters:
    """What a decoder has seen since it was made."""

    bytes: int = 0
    frames: int = 0
    stuffing_errors: int = 0  # not COBS, or shorter than a header
    checksum_errors: int = 0
    length_errors: int = 0  # the checksum is right, the length in the header is not
    oversize: int = 0

    @property
    def errors(self) -> int:
        """Everything that was not a frame."""
        return sum(getattr(self, item.name) for item in fields(self)) - self.bytes - self.frames


class FrameDecoder:
    """Takes bytes as they come and gives the frames in them; what is not a frame is counted and skipped.

    It never holds more than one frame of `max_payload` bytes.
    """

    def __init__(self, max_payload: int = MAX_PAYLOAD) -> None:
        self.counters = DecoderCounters()
        self.max_payload = max_payload
        self._limit = encoded_length(max_payload) - 1
        self._buffer = bytearray()
        self._skipping = False  # the frame at hand is too long already

    def feed(self, content: bytes) -> list[Frame]:
        """The frames that `content` completes, in order."""
        frames = []
        self.counters.bytes += len(content)
        pieces = content.split(b"\0")
        for piece in pieces[:-1]:
            self._take(piece)
            frame = self._complete()
            if frame is not None:
                frames.append(frame)
        self._take(pieces[-1])
        return frames

    def reset(self) -> None:
        """Forgets the frame at hand, as after a line was unplugged; the counters go on."""
        self._buffer.clear()
        self._skipping = False

    def _take(self, piece: bytes) -> None:
        if not self._skipping:
            self._buffer += piece[: self._limit + 1 - len(self._buffer)]
            self._skipping = len(self._buffer) > self._limit

    def _complete(self) -> Frame | None:
        stuffed, skipped = bytes(self._buffer), self._skipping
        self.reset()
        if skipped:
            self.counters.oversize += 1
            return None
        return self._decode(stuffed) if stuffed else None  # zeros in a row are no error: a sender may flush with them

    def _decode(self, stuffed: bytes) -> Frame | None:
        content = cobs.decode(stuffed)
        if content is None or len(content) < HEADER_BYTES + CRC16_BYTES:
            self.counters.stuffing_errors += 1
            return None
        version, frame_type, flags, session, sequence, length = _HEADER.unpack_from(content)
        end = len(content) - checksum_bytes(frame_type)
        if end < HEADER_BYTES or checksum(frame_type, content[:end]) != content[end:]:
            self.counters.checksum_errors += 1
            return None
        if length != end - HEADER_BYTES:
            self.counters.length_errors += 1
            return None
        if length > self.max_payload:
            self.counters.oversize += 1
            return None
        self.counters.frames += 1
        return Frame(frame_type, content[HEADER_BYTES:end], sequence, session, flags, version)
