"""The C parts: the native runner and the link protocol, timed through the programs that they build."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.errors import AbsentError
from benchmarks.timing import Call

ROOT = Path(__file__).resolve().parents[1]
RUNNER = ROOT / "firmware_bridge" / "runner"
LINK = ROOT / "firmware_bridge" / "c"


def whole_path() -> Call:
    """One utterance to one picture by the C runner; AbsentError where it is not built."""
    raise AbsentError("firmware_bridge/runner is not there" if not RUNNER.is_dir() else "the C runner is not built")


def graph(name: str) -> Call:
    """One graph by the C runner."""
    return whole_path()


def link_encode() -> Call:
    """A frame of 32 ms of sound by the C link."""
    raise AbsentError("firmware_bridge/c is not there" if not LINK.is_dir() else "the C link is not built")


def link_decode() -> Call:
    """The same frame, decoded."""
    return link_encode()


def compiler() -> str | None:
    """A C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def run(program: list[str], timeout: float = 60.0) -> str:
    """Output of a program; AbsentError where it does not run."""
    try:
        return subprocess.run(program, capture_output=True, text=True, timeout=timeout, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise AbsentError(f"{program[0]} does not run: {error}") from error
