"""Pictures as tiles: which of them differ from what the panel shows, and each as few bytes as it can be.

A tile's record is its index (2 bytes), a TileEncoding (1 byte) and pixels. A pixel is two bytes in the panel's
order. RAW: all pixels, row by row. SOLID: one pixel. RLE: control bytes; 0 to 127 are followed by that many plus one
pixels, 128 to 255 by one pixel that stands for the byte less 126.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_s2i.errors import LinkError
from firmware_bridge.link.checksums import crc32
from firmware_bridge.link.spec import (
    MAX_SIDE,
    MAX_UNITS,
    RLE_MAX_LITERALS,
    RLE_MAX_REPEATS,
    TILE_SIDES,
    TileEncoding,
)

RECORD_HEAD = 3  # bytes of index and encoding
PIXEL_BYTES = 2


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut: row by row from the top left; tiles at the right and bottom edge are cut off there."""

    width: int
    height: int
    side: int = 8

    def __post_init__(self) -> None:
        if self.side not in TILE_SIDES or not 1 <= self.width <= MAX_SIDE or not 1 <= self.height <= MAX_SIDE:
            raise LinkError(
                f"{self.width} x {self.height} pixels in tiles of {self.side} are impossible; "
                f"sides are 1 to {MAX_SIDE} pixels, tiles {' or '.join(map(str, TILE_SIDES))}"
            )
        if self.count > MAX_UNITS:
            raise LinkError(
                f"{self.width} x {self.height} pixels are {self.count} tiles of {self.side}; "
                f"at most {MAX_UNITS} fit a map: take larger tiles"
            )

    @property
    def columns(self) -> int:
        """Tiles side by side."""
        return -(-self.width // self.side)

    @property
    def count(self) -> int:
        """Tiles of a picture."""
        return self.columns * -(-self.height // self.side)

    def box(self, index: int) -> tuple[slice, slice]:
        """Rows and columns of a tile's pixels."""
        row, column = divmod(index, self.columns)
        top, left = row * self.side, column * self.side
        return slice(top, min(top + self.side, self.height)), slice(left, min(left + self.side, self.width))

    def pixels(self, index: int) -> int:
        """How many pixels a tile has."""
        rows, columns = self.box(index)
        return (rows.stop - rows.start) * (columns.stop - columns.start)


def changed_tiles(tiling: Tiling, picture: np.ndarray, shown: np.ndarray | None) -> np.ndarray:
    """(tiles,) bool: where `picture` differs from `shown`, both (H, W) 16-bit; everywhere if nothing is shown."""
    if shown is None:
        return np.ones(tiling.count, bool)
    different = picture != shown
    return np.array([different[tiling.box(index)].any() for index in range(tiling.count)])


def encode_tile(index: int, pixels: np.ndarray) -> bytes:
    """The shortest record of a tile; `pixels` are its 16-bit values, already in the panel's byte order."""
    flat = np.ascontiguousarray(pixels).ravel()
    head = index.to_bytes(2, "little")
    raw = flat.tobytes()
    if (flat == flat[0]).all():
        return head + bytes([TileEncoding.SOLID]) + raw[:PIXEL_BYTES]
    packed = _run_lengths(flat, raw)
    if len(packed) < len(raw):
        return head + bytes([TileEncoding.RLE]) + packed
    return head + bytes([TileEncoding.RAW]) + raw


def _run_lengths(flat: np.ndarray, raw: bytes) -> bytes:
    # A run of two inside literals saves nothing, so only three or more end them.
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.append(starts, len(flat)))
    out = bytearray()
    literals: list[int] = []  # places of pixels that wait

    def flush() -> None:
        for first in range(0, len(literals), RLE_MAX_LITERALS):
            part = literals[first : first + RLE_MAX_LITERALS]
            out.append(len(part) - 1)
            out.extend(raw[PIXEL_BYTES * part[0] : PIXEL_BYTES * (part[-1] + 1)])
        literals.clear()

    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if length < 2 or (length == 2 and literals):
            literals.extend(range(start, start + length))
            continue
        flush()
        left = length
        while left:
            repeats = min(left, RLE_MAX_REPEATS)
            if repeats == 1:
                literals.append(start + length - 1)
            else:
                out.append(repeats + 126)
                out.extend(raw[PIXEL_BYTES * start : PIXEL_BYTES * (start + 1)])
            left -= repeats
    flush()
    return bytes(out)


def decode_records(tiling: Tiling, content: bytes) -> list[tuple[int, bytes]]:
    """The tiles of a PICTURE_DATA, as index and raw pixels; LinkError where a record is impossible."""
    tiles, at = [], 0
    while at < len(content):
        if len(content) - at < RECORD_HEAD:
            raise LinkError("a tile's record is cut short")
        index, encoding = int.from_bytes(content[at : at + 2], "little"), content[at + 2]
        at += RECORD_HEAD
        if index >= tiling.count:
            raise LinkError(f"tile {index} is outside the picture's {tiling.count}")
        wanted = PIXEL_BYTES * tiling.pixels(index)
        if encoding == TileEncoding.RAW:
            pixels, at = content[at : at + wanted], at + wanted
        elif encoding == TileEncoding.SOLID:
            pixels, at = content[at : at + PIXEL_BYTES] * tiling.pixels(index), at + PIXEL_BYTES
        elif encoding == TileEncoding.RLE:
            pixels, at = _expand(content, at, wanted)
        else:
            raise LinkError(f"tile encoding {encoding} is unknown")
        if len(pixels) != wanted:
            raise LinkError(f"tile {index} has {len(pixels)} bytes of pixels; {wanted} are right")
        tiles.append((index, pixels))
    return tiles


def _expand(content: bytes, at: int, wanted: int) -> tuple[bytes, int]:
    out = bytearray()
    while len(out) < wanted and at < len(content):
        control = content[at]
        if control < RLE_MAX_LITERALS:
            length, times = PIXEL_BYTES * (control + 1), 1
        else:
            length, times = PIXEL_BYTES, control - 126
        piece = content[at + 1 : at + 1 + length]
        if len(piece) != length:
            raise LinkError("a tile's run is cut short")
        out += piece * times
        at += 1 + length
    return bytes(out), at


def picture_checksum(content: bytes) -> int:
    """CRC-32 of a whole picture's bytes, as PICTURE_BEGIN announces it."""
    return crc32(content)


def pack_map(bits: np.ndarray) -> bytes:
    """(units,) bool to bytes, the lowest bit first."""
    return np.packbits(bits, bitorder="little").tobytes()


def unpack_map(content: bytes, units: int) -> np.ndarray:
    """The inverse of `pack_map`; LinkError where the size is another."""
    if len(content) != (units + 7) // 8:
        raise LinkError(f"{len(content)} bytes of map are not those of {units} units")
    return np.unpackbits(np.frombuffer(content, np.uint8), count=units, bitorder="little").astype(bool)
