"""`edge-s2i flash`: a bundle as one image for a board's flash, or as a C array."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_s2i.errors import OutputError


def flash(
    bundle: Annotated[
        Path | None, typer.Argument(help="Bundle folder or zip; the one that was installed if not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The image, to write into a partition.")] = None,
    c_array: Annotated[Path | None, typer.Option(help="The image as C source, to compile in.")] = None,
    name: Annotated[str, typer.Option(help="The array's name in C.")] = "s2i_model",
) -> None:
    """Make a model image that a board, or s2i_run, reads in place.

    firmware_bridge/flash/FORMAT.md says what its bytes mean; s2i_flash.c beside it is the reader.
    """
    from edge_s2i.bundle import read_bundle
    from edge_s2i.runtime.picture_file import write_whole
    from firmware_bridge.flash import bundle_image, read_image
    from firmware_bridge.flash import c_array as to_c

    if out is None and c_array is None:
        raise OutputError("no place for the image is given; name one by -o, or by --c-array for C source")
    for path in (out, c_array):
        if path is not None and path.is_dir():
            raise OutputError(f"{path} is a folder; give a file")
    image = bundle_image(read_bundle(bundle))
    written = []
    if c_array is not None:
        written.append((c_array, to_c(image, name).encode()))
    if out is not None:
        written.append((out, image))
    for path, content in written:
        write_whole(path, content)
    for entry in read_image(image).values():
        print(f"{entry.offset:>10} {len(entry.content):>10} {entry.name}")
    print(f"{len(image)} bytes in {', '.join(str(path) for path, _ in reversed(written))}")
