"""The two checksums of the link, by the standard library's C; spec.py says which polynomials these are."""

from __future__ import annotations

import binascii
import zlib

from firmware_bridge.link.spec import CRC16_BYTES, CRC16_START, CRC32_BYTES, PICTURE_TYPES


def crc16(content: bytes) -> int:
    """CRC-16/IBM-3740: 0x29B1 of b"123456789"."""
    return binascii.crc_hqx(content, CRC16_START)


def crc32(content: bytes) -> int:
    """CRC-32/ISO-HDLC: 0xCBF43926 of b"123456789"."""
    return zlib.crc32(content)


def checksum_bytes(frame_type: int) -> int:
    """How long the checksum of a frame of this type is: pictures carry CRC-32, all else CRC-16."""
    return CRC32_BYTES if frame_type & 0xF0 == PICTURE_TYPES else CRC16_BYTES


def checksum(frame_type: int, content: bytes) -> bytes:
    """The checksum of a frame's header and payload, as it stands on the wire, low byte first."""
    if frame_type & 0xF0 == PICTURE_TYPES:
        return crc32(content).to_bytes(CRC32_BYTES, "little")
    return crc16(content).to_bytes(CRC16_BYTES, "little")
