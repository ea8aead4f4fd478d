"""Size of the C sources: bytes of text and data, and the deepest stack frame, by each compiler that is here."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import AbsentError

FOLDERS = ("firmware_bridge/c", "firmware_bridge/runner", "firmware_bridge/flash")


@dataclass(frozen=True)
class Compiler:
    """A C compiler that tells stack use, and the flags of a small build."""

    name: str
    program: str
    size: str
    flags: tuple[str, ...] = ()

    def version(self) -> str:
        """What it says of itself, in one line; AbsentError where it is not installed."""
        if shutil.which(self.program) is None or shutil.which(self.size) is None:
            raise AbsentError(f"{self.program} is not installed")
        answer = subprocess.run([self.program, "-dumpfullversion"], capture_output=True, text=True, check=False)
        return f"{self.name} {answer.stdout.strip()}"


COMPILERS = (
    Compiler("gcc", "gcc", "size"),
    Compiler("cortex-m4", "arm-none-eabi-gcc", "arm-none-eabi-size", ("-mcpu=cortex-m4", "-mthumb")),
)


def count_c_code(root: Path, compiler: Compiler) -> dict[str, int]:
    """Text and data bytes and the deepest frame of every C source of the tree that is no test, tool or fuzzer.

    A source that this compiler has no headers for is left out. AbsentError where there is no C code.
    """
    sources = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*.c")) if _is_product(path)]
    if not sources:
        raise AbsentError("there is no C code")
    headers = [path for folder in FOLDERS for path in (root / folder).rglob("*.h")]
    # A header is named by itself or, in a library's include folder, behind its folder's name.
    includes = sorted({str(place) for path in headers for place in (path.parent, path.parent.parent)})
    flags = ["-std=c99", "-Os", "-ffunction-sections", "-fstack-usage", *compiler.flags, *(f"-I{p}" for p in includes)]
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for source in sources:
            target = Path(folder) / "unit.o"
            command = [compiler.program, *flags, "-c", str(source), "-o", str(target)]
            if subprocess.run(command, capture_output=True, timeout=120, check=False).returncode != 0:
                continue
            name = source.relative_to(root).as_posix()
            text, data, bss = _sections(compiler, target)
            counts[f"{name} text"] = text
            counts[f"{name} data"] = data + bss
            counts[f"{name} stack"] = _deepest(target.with_suffix(".su"))
    if not counts:
        raise AbsentError(f"{compiler.name} compiles none of the C sources")
    return counts


def _is_product(path: Path) -> bool:
    return not {"test", "tests", "tools", "fuzz", "examples", "example", "build"} & set(path.parts)


def _sections(compiler: Compiler, target: Path) -> tuple[int, int, int]:
    answer = subprocess.run([compiler.size, str(target)], capture_output=True, text=True, check=True)
    text, data, bss = (int(value) for value in answer.stdout.splitlines()[1].split()[:3])
    return text, data, bss


def _deepest(usage: Path) -> int:
    """Bytes of the largest frame in a .su file: file:line:column:function, bytes, static or dynamic."""
    if not usage.exists():
        return 0
    return max((int(line.split("\t")[1]) for line in usage.read_text().splitlines() if "\t" in line), default=0)
