"""The model image: writing and reading it; FORMAT.md draws its bytes and s2i_flash.c is the reader in C.

A header with magic, version, lengths and CRC-32, a table of entries by name, and the contents, each at a multiple
of 16 bytes so that a board can use it where it lies.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from edge_s2i.bundle import MANIFEST_NAME, Bundle
from edge_s2i.errors import BundleError

MAGIC = b"S2IFLASH"
VERSION = 1
HEADER_BYTES = 64
ENTRY_BYTES = 64
ALIGNMENT = 16
MAX_ENTRIES = 64
MAX_NAME_BYTES = 43  # and a zero
MAX_IMAGE_BYTES = (1 << 32) - ALIGNMENT

# Little-endian. The header's CRC-32, of all its bytes before it, is at the same place in every version.
_HEADER = struct.Struct("<8sHHIII36s")  # magic, version, header bytes, entries, image bytes, the table's CRC-32, 0
_ENTRY = struct.Struct("<44sIII8s")  # name, offset, bytes, CRC-32, 0
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Entry:
    """One content of an image."""

    name: str
    offset: int  # from the image's start, a multiple of ALIGNMENT
    content: bytes


def bundle_image(bundle: Bundle) -> bytes:
    """The image of a verified bundle: its files, and its manifest as `Manifest.to_json` gives it, without spaces."""
    text = json.dumps(bundle.manifest.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return pack_image({MANIFEST_NAME: text.encode(), **bundle.files})


def pack_image(contents: Mapping[str, bytes]) -> bytes:
    """Packs contents by name; the same contents give the same bytes. BundleError for what does not fit the format."""
    if len(contents) > MAX_ENTRIES:
        raise BundleError(f"{len(contents)} files are too many for a flash image; it holds {MAX_ENTRIES}")
    names = sorted((_checked_name(name), name) for name in contents)
    place = HEADER_BYTES + ENTRY_BYTES * len(names)
    table, body = bytearray(), bytearray()
    for encoded, name in names:
        content = bytes(contents[name])
        table += _ENTRY.pack(encoded, place + len(body), len(content), zlib.crc32(content), b"")
        body += content + bytes(-len(content) % ALIGNMENT)
        if place + len(body) > MAX_IMAGE_BYTES:
            raise BundleError(f"the contents have more than {MAX_IMAGE_BYTES} bytes; a flash image holds no more")
    header = _HEADER.pack(MAGIC, VERSION, HEADER_BYTES, len(names), place + len(body), zlib.crc32(table), b"")
    return header + _CRC.pack(zlib.crc32(header)) + bytes(table) + bytes(body)


def read_image(image: bytes) -> dict[str, Entry]:
    """The entries of an image by name, checked to the last bit; what follows the image is ignored, as in a partition.

    Raises BundleError for anything but a whole image of this version.
    """
    if image[: len(MAGIC)] != MAGIC:
        raise BundleError("this is not a model image: its first bytes are not S2IFLASH")
    if len(image) < HEADER_BYTES:
        raise BundleError(f"the model image is cut off: {len(image)} bytes are less than its header")
    magic_to_reserved = image[: HEADER_BYTES - _CRC.size]
    if _CRC.unpack_from(image, HEADER_BYTES - _CRC.size)[0] != zlib.crc32(magic_to_reserved):
        raise BundleError("the model image is damaged: its header's CRC-32 is another; write it again")
    _, version, header_bytes, count, length, table_crc, reserved = _HEADER.unpack(magic_to_reserved)
    if version != VERSION:
        raise BundleError(f"the model image has version {version}; this version reads {VERSION}")
    body = HEADER_BYTES + ENTRY_BYTES * count
    if header_bytes != HEADER_BYTES or any(reserved) or count > MAX_ENTRIES or body > length:
        raise BundleError("the model image is damaged: its header's numbers do not fit each other; write it again")
    if length > len(image):
        raise BundleError(f"the model image is cut off: {len(image)} of {length} bytes are there")
    if zlib.crc32(image[HEADER_BYTES:body]) != table_crc:
        raise BundleError("the model image is damaged: its table's CRC-32 is another; write it again")
    return _read_entries(image[:length], count, body)


def _read_entries(image: bytes, count: int, place: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    previous = b""
    for index in range(count):
        padded, offset, length, crc, reserved = _ENTRY.unpack_from(image, HEADER_BYTES + ENTRY_BYTES * index)
        encoded, _, rest = padded.partition(b"\0")
        end = offset + length + -length % ALIGNMENT
        if not encoded > previous or len(encoded) > MAX_NAME_BYTES or any(reserved) or offset != place or any(rest):
            raise BundleError(f"the model image is damaged: entry {index} of its table is wrong; write it again")
        if end > len(image):
            raise BundleError(f"the model image is damaged: entry {index} ends after it; write it again")
        content = image[offset : offset + length]
        if zlib.crc32(content) != crc or any(image[offset + length : end]):
            raise BundleError(f"the model image is damaged: the CRC-32 of entry {index} is another; write it again")
        try:
            name = encoded.decode()
        except UnicodeDecodeError as error:
            raise BundleError(f"the model image is damaged: the name of entry {index} is not UTF-8") from error
        entries[name] = Entry(name, offset, content)
        previous, place = encoded, end
    if place != len(image):
        raise BundleError(f"the model image is damaged: {len(image) - place} bytes follow its last entry")
    return entries


def _checked_name(name: str) -> bytes:
    encoded = name.encode()
    if not 1 <= len(encoded) <= MAX_NAME_BYTES or b"\0" in encoded:
        raise BundleError(f"the file name {name!r} does not fit a flash image; give 1 to {MAX_NAME_BYTES} bytes")
    return encoded
