"""The numbers of the link protocol, version 1, said once.

PROTOCOL.md explains them; `firmware_bridge/tools/c_spec.py` writes them into the C library's `spec.h`, and a test
fails where the two differ.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

MAJOR = 1
MINOR = 0
VERSION = MAJOR << 4 | MINOR  # first byte of every header

# Framing
DELIMITER = 0x00  # ends a frame; COBS keeps it out of every other byte
HEADER_BYTES = 8  # version, type, flags, session, sequence (2), payload length (2)
MAX_PAYLOAD = 2048  # bytes; a peer may announce less, never more
MIN_PAYLOAD = 192  # the least that a peer may announce: one raw 8 x 8 tile, and every control message
CRC16_POLYNOMIAL = 0x1021  # CRC-16/IBM-3740 ("CCITT-FALSE"), most significant bit first, no final inversion
CRC16_START = 0xFFFF
CRC32_POLYNOMIAL = 0xEDB88320  # CRC-32/ISO-HDLC (zlib's), reflected; start and final inversion 0xFFFFFFFF
CRC16_BYTES = 2
CRC32_BYTES = 4
PICTURE_TYPES = 0x30  # types 0x30 to 0x3F carry CRC-32, all others CRC-16

# Audio
SAMPLE_RATE = 16_000  # Hz
MAX_AUDIO_SAMPLES = 960  # a frame: 60 ms, which as s16le is 1,920 bytes

# Pictures
MAX_SIDE = 1024  # pixels of a panel
MAX_UNITS = 1024  # tiles of a picture, or chunks of a JPEG file: 128 bytes of map
CHUNK_BYTES = 128  # of a JPEG file, but for its last chunk
TILE_SIDES = (8, 16)  # pixels; tiles at the right and bottom edge are cut off there
RLE_MAX_LITERALS = 128  # pixels: control byte 0 to 127 is one less
RLE_MAX_REPEATS = 129  # pixels: control byte 128 to 255 is a repeat of (byte - 126)

# Text
MAX_NAME = 32  # bytes of UTF-8: a board's name
MAX_TEXT = 96  # bytes of UTF-8: a log line, a refusal, an answer

# Time, in milliseconds
HELLO_INTERVAL = 500  # between a device's HELLOs while nobody answers
REFUSED_INTERVAL = 5_000  # after a refusal
PING_INTERVAL = 1_000  # between a host's PINGs
SILENCE_LIMIT = 5_000  # without a good frame of the peer: the session is over
CONTROL_RETRY = 100  # between retries of an EVENT or ANSWER that nobody acknowledged
CONTROL_TRIES = 30
ACK_DELAY = 8  # a receiver of picture data acknowledges within this

UNKNOWN_TEMPERATURE = -32768


class Type(IntEnum):
    """Frame types. Those below 0x10 keep their layout in every major version."""

    HELLO = 0x01
    HELLO_ACK = 0x02
    REFUSE = 0x03
    HELLO_REQUEST = 0x04
    PING = 0x05
    PONG = 0x06
    ACK = 0x07
    AUDIO = 0x10
    EVENT = 0x11
    ANSWER = 0x12
    STATUS = 0x20
    LOG = 0x21
    PICTURE_BEGIN = 0x30
    PICTURE_DATA = 0x31
    PICTURE_ACK = 0x32
    PICTURE_CANCEL = 0x33


OUTSIDE_SESSIONS = (Type.HELLO, Type.HELLO_ACK, Type.REFUSE, Type.HELLO_REQUEST)  # their header says session 0


class Flag(IntFlag):
    """Header flags; a receiver ignores those it does not know."""

    RETRY = 0x01  # sent before, under another sequence number


class AudioFormat(IntFlag):
    """How AUDIO carries samples."""

    S16LE = 0x01
    IMA_ADPCM = 0x02


class PictureFormat(IntFlag):
    """How pictures travel."""

    TILES = 0x01  # RGB565
    JPEG = 0x02  # a file in chunks, for a board with a decoder of its own


class PixelOrder(IntEnum):
    """Byte order of an RGB565 pixel in a tile, and in the checksum of a whole picture."""

    BIG = 0
    LITTLE = 1


class TileEncoding(IntEnum):
    """The byte after a tile's index."""

    RAW = 0
    SOLID = 1
    RLE = 2


class EventKind(IntEnum):
    """What happened on the board."""

    TALK_BEGIN = 1  # push-to-talk pressed
    TALK_END = 2
    VOICE_BEGIN = 3  # voice activity
    VOICE_END = 4
    CANCEL = 5  # the user takes the utterance back


class PictureState(IntEnum):
    """What a receiver says of a picture."""

    UNKNOWN = 0  # never begun: send PICTURE_BEGIN again
    RECEIVING = 1
    WHOLE = 2
    CANCELLED = 3
    DIFFERS = 4  # every unit arrived, and the panel's memory is not the picture announced
    REFUSED = 5  # of a size or format that the panel does not take


class Refusal(IntEnum):
    """Why a peer will not talk."""

    VERSION = 1
    SCHEMA = 2
    BUSY = 3
    UNUSABLE = 4


class AnswerFlag(IntFlag):
    """Of an ANSWER."""

    UNDERSTOOD = 0x01
    FAILED = 0x02  # the speech could not be used


class PictureFlag(IntFlag):
    """Of a PICTURE_BEGIN."""

    FINAL = 0x01


class HelloFlag(IntFlag):
    """Of a HELLO."""

    READABLE_PANEL = 0x01  # the panel's memory can be read: its checksum is in PICTURE_ACK
