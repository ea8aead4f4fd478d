"""What the C library costs: text, data, bss, context and worst stack, for each compiler and processor.

python -m firmware_bridge.tools.c_sizes            # a table of every compiler that is installed
python -m firmware_bridge.tools.c_sizes --json

The stack is gcc's own account (-fcallgraph-info=su) along the deepest path of calls from any public function; what
a callback needs comes on top. No function may call itself.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_s2i.errors import RequestError
from firmware_bridge.tools.c_library import compile_c, sources

# Budgets on Cortex-M4F at -Os, without JPEG.
MAX_TEXT = 8192  # bytes, of a board's side and all that it can reach
MAX_RAM = 2048  # bytes of context, without the caller's buffers
MAX_STACK = 768  # bytes

HOST_ONLY = ("host.c", "picture_out.c")
INDIRECT = "__indirect_call"


@dataclass(frozen=True)
class Target:
    """A compiler and what it compiles for."""

    name: str
    compiler: str
    flags: tuple[str, ...]


TARGETS = (
    Target("x86-64", "gcc", ()),
    Target("x86-64, clang", "clang", ()),
    Target("aarch64", "aarch64-linux-gnu-gcc", ()),
    Target("Cortex-M0+", "arm-none-eabi-gcc", ("-mcpu=cortex-m0plus", "-mthumb")),
    Target("Cortex-M4F", "arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")),
)


@dataclass(frozen=True)
class Cost:
    """Bytes."""

    target: str
    compiler: str
    board_text: int  # a board's side: all sources but the host's, and of the messages those that it reaches
    whole_text: int  # every function of the library
    data: int
    bss: int
    board_context: int
    host_context: int
    worst_stack: int | None  # None where the compiler gives no account
    deepest: str


def measure(target: Target) -> Cost:
    """Compiles and counts; RequestError where the compiler is missing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        is_gcc = "gcc" in target.compiler
        flags = [*target.flags, "-Os", "-ffunction-sections", "-fdata-sections", "-c"]
        flags += ["-fcallgraph-info=su"] if is_gcc else []
        objects = []
        for source in sources():
            objects.append(folder / f"{source.stem}.o")
            compile_c(target.compiler, [*flags, f"-I{source.parent}"], [source], objects[-1])
        # clang has no binutils of its own here; gcc's read its objects.
        prefix = target.compiler.removesuffix("gcc") if is_gcc else ""
        sections = [item for path in objects for item in _sections(f"{prefix}size", path)]
        board = _reachable(folder) if is_gcc else None
        whole = sum(size for _, section, size in sections if section.startswith((".text", ".rodata")))
        board_text = sum(
            size
            for stem, section, size in sections
            if section.startswith((".text", ".rodata"))
            and f"{stem}.c" not in HOST_ONLY
            and (board is None or stem != "messages" or section.removeprefix(".text.") in board)
        )
        depth, path = _deepest(folder) if is_gcc else (None, "")
        contexts = _contexts(target, folder)
        return Cost(
            target.name,
            target.compiler,
            board_text,
            whole,
            sum(size for _, section, size in sections if section.startswith(".data")),
            sum(size for _, section, size in sections if section.startswith(".bss")),
            *contexts,
            depth,
            path,
        )


def _sections(program: str, path: Path) -> list[tuple[str, str, int]]:
    text = subprocess.run([program, "-A", str(path)], capture_output=True, text=True, check=True).stdout
    return [(path.stem, match[1], int(match[2])) for match in re.finditer(r"^(\.\S+)\s+(\d+)\s", text, re.M)]


def _graph(folder: Path, skip: tuple[str, ...] = ()) -> tuple[dict[str, int], dict[str, set[str]]]:
    """Stack bytes of every function, and whom it calls."""
    stack: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    for path in sorted(folder.glob("*.ci")):
        if f"{path.stem}.c" in skip:
            continue
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r'node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes \((\w+)', text):
            if match[3] != "static":
                raise RequestError(f"{match[1]} has a stack frame without a fixed size")
            stack[match[1]] = int(match[2])
        for match in re.finditer(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(match[1], set()).add(match[2])
    return stack, calls


def _reachable(folder: Path) -> set[str]:
    """Functions that a board's side can reach, by their plain names."""
    _, calls = _graph(folder, HOST_ONLY)
    waiting = [name for name in calls if name.startswith(("s2i_device_", "s2i_picture_in_"))]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += calls.get(name, ())
    return {name.rpartition(":")[2] for name in found}


def _deepest(folder: Path) -> tuple[int, str]:
    stack, calls = _graph(folder)
    known: dict[str, tuple[int, str]] = {}

    def depth(name: str, above: tuple[str, ...]) -> tuple[int, str]:
        if name in above:
            raise RequestError(f"{name} calls itself")
        if name not in known:
            below = [depth(called, (*above, name)) for called in calls.get(name, ()) if called != INDIRECT]
            most, path = max(below, default=(0, ""))
            own = stack.get(name, 0)
            short = name.rpartition(":")[2]
            known[name] = (own + most, f"{short} > {path}" if path else short)
        return known[name]

    return max(depth(name, ()) for name in stack)


def _contexts(target: Target, folder: Path) -> tuple[int, int]:
    """sizeof of both contexts, read from an object's sections so that nothing must run."""
    source = folder / "contexts.c"
    source.write_text(
        '#include "s2i_link/device.h"\n#include "s2i_link/host.h"\n'
        "char board_context[sizeof(s2i_device)] = {1};\nchar host_context[sizeof(s2i_host)] = {1};\n",
        encoding="utf-8",
    )
    out = folder / "contexts.o"
    compile_c(target.compiler, [*target.flags, "-Os", "-fdata-sections", "-c"], [source], out)
    prefix = target.compiler.removesuffix("gcc") if "gcc" in target.compiler else ""
    sizes = {section: size for _, section, size in _sections(f"{prefix}size", out)}
    return sizes[".data.board_context"], sizes[".data.host_context"]


def main(arguments: list[str] | None = None) -> int:
    """Prints the costs; 1 where the Cortex-M4F is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args(arguments)
    over = False
    for target in TARGETS:
        if shutil.which(target.compiler) is None:
            print(f"{target.name}: {target.compiler} is not installed", file=sys.stderr)
            continue
        cost = measure(target)
        if target.name == "Cortex-M4F":
            over = cost.board_text > MAX_TEXT or cost.board_context > MAX_RAM or (cost.worst_stack or 0) > MAX_STACK
        if options.json:
            print(json.dumps(asdict(cost)))
        else:
            stack = "not told" if cost.worst_stack is None else f"{cost.worst_stack} in {cost.deepest}"
            print(
                f"{cost.target:14} text {cost.board_text:5} (all {cost.whole_text:5}), data {cost.data}, "
                f"bss {cost.bss}, context {cost.board_context} (host {cost.host_context}), worst stack {stack}"
            )
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
