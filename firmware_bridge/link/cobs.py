"""Consistent Overhead Byte Stuffing (Cheshire and Baker 1999): any bytes without a zero, one byte in 254 longer."""

from __future__ import annotations

_FULL = 254  # bytes that a block can hold; its code 255 stands for no zero after them


def encode(content: bytes) -> bytes:
    """`content` without zero bytes and without the delimiter; at most `len(content) // 254 + 1` longer."""
    out = bytearray()
    blocks = content.split(b"\0")
    for number, block in enumerate(blocks):
        start = 0
        while len(block) - start >= _FULL:
            out.append(_FULL + 1)
            out += block[start : start + _FULL]
            start += _FULL
        if start and start == len(block) and number == len(blocks) - 1:
            break  # the last block is full: no zero follows it, and the end says so
        out.append(len(block) - start + 1)
        out += block[start:]
    return bytes(out)


def decode(stuffed: bytes) -> bytes | None:
    """The inverse of `encode`; None for bytes that no encoder wrote: empty, with a zero, or cut short."""
    if not stuffed or 0 in stuffed:
        return None
    out = bytearray()
    at, end = 0, len(stuffed)
    while at < end:
        code = stuffed[at]
        if at + code > end:
            return None
        out += stuffed[at + 1 : at + code]
        at += code
        if code <= _FULL and at < end:
            out.append(0)
    return bytes(out)


def encoded_limit(length: int) -> int:
    """The most bytes that `length` bytes encode to."""
    return length + length // _FULL + 1
