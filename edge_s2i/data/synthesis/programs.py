"""Finding installed programs and asking for their versions."""

import re
import shutil
import subprocess

from edge_s2i.errors import DataError


def find_program(name: str) -> str:
    """Full path of an installed program; DataError where it is absent."""
    path = shutil.which(name)
    if path is None:
        raise DataError(f"{name} is not installed; install it, or build without synthesis (--no-synthesis)")
    return path


def program_version(command: list[str]) -> str | None:
    """The first thing like "1.51" that `command` prints, or None if its program is not installed."""
    path = shutil.which(command[0])
    if path is None:
        return None
    done = subprocess.run([path, *command[1:]], check=False, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+(?:\.\d+)*", done.stdout + done.stderr)
    return found[0] if found else "unknown"
