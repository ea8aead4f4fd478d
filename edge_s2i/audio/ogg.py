"""Telling a truncated Ogg file from a whole one, which libsndfile calls 0 samples long, or just shorter."""

from typing import BinaryIO

_CAPTURE = b"OggS"
_HEADER_BYTES = 27  # capture pattern to segment count, RFC 3533 section 6
_TAIL_BYTES = 2 * 65_307  # the longest page is 65,307 bytes, so the last one starts within this tail


def is_truncated_ogg(file: BinaryIO) -> bool:
    """Whether `file`, opened for reading in binary and seekable, is Ogg and ends inside a page or a packet.

    A missing end-of-stream flag alone is no sign: some recorders never set it. A file cut exactly between two
    pages, at the end of a packet, therefore counts as whole. The file's position is restored.
    """
    start = file.tell()
    try:
        if file.read(len(_CAPTURE)) != _CAPTURE:
            return False
        file.seek(0, 2)
        file.seek(max(start, file.tell() - _TAIL_BYTES))
        tail = file.read()
    finally:
        file.seek(start)
    page = tail[tail.rfind(_CAPTURE) :]
    if len(page) < _HEADER_BYTES:
        return True
    segments = page[26]
    lacing = page[_HEADER_BYTES : _HEADER_BYTES + segments]
    ends_inside_page = len(lacing) < segments or len(page) < _HEADER_BYTES + segments + sum(lacing)
    # A last lacing value of 255 says that the packet goes on in a page that is not there.
    return ends_inside_page or (segments > 0 and lacing[-1] == 255)
