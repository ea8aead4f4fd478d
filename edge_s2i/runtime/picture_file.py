"""Writing pictures and other results: a file appears whole or not at all."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path

from PIL import Image

from edge_s2i.errors import OutputError

FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}


def save_picture(picture: Image.Image, path: Path, *, durable: bool = True) -> None:
    """Writes `picture` to `path`, whose suffix names the format; OutputError if it cannot be written.

    durable: it survives a power cut as soon as this returns, which takes an SD card a while.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise OutputError(f"{path} has the suffix {path.suffix!r}; pictures are written as {', '.join(FORMATS)}")
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({} if kind == "PNG" else {"quality": 92}))
    write_whole(path, buffer.getvalue(), durable=durable)


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes `content` beside `path` and renames it; OutputError, and nothing left, where that fails."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):  # where the folder cannot be written to at all, there is nothing to remove
            partial.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
