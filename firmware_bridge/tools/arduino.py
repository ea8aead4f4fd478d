"""Lays the C library out as Arduino wants it: everything below `src`.

python -m firmware_bridge.tools.arduino OUT   # then move OUT into the Arduino libraries folder
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from edge_s2i.errors import OutputError
from firmware_bridge.tools.c_spec import C_FOLDER


def lay_out(out: Path) -> None:
    """Writes the library's folder, whole or not at all; OutputError where it cannot be."""
    if out.exists():
        raise OutputError(f"{out} exists; give a new name")
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(C_FOLDER / "src", partial / "src")
        shutil.copytree(C_FOLDER / "include" / "s2i_link", partial / "src" / "s2i_link")
        shutil.copy(C_FOLDER / "library.properties", partial)
        partial.rename(out)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise OutputError(f"{out} cannot be written: {error.strerror or error}") from error


def main(arguments: list[str] | None = None) -> int:
    """Writes the folder; 2 where it cannot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    options = parser.parse_args(arguments)
    try:
        lay_out(options.out)
    except OutputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
