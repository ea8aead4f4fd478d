"""Instructions of the hot loops, counted by valgrind: the same again and again, however busy the machine is."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.errors import AbsentError, BenchmarkError
from benchmarks.machine import Machine
from benchmarks.runner import build_link

HERE = Path(__file__).resolve().parent


def valgrind_version() -> str:
    """Its version; AbsentError where it, its headers or a C compiler are missing."""
    valgrind, compiler = shutil.which("valgrind"), shutil.which("gcc") or shutil.which("cc")
    if valgrind is None or compiler is None:
        raise AbsentError(f"{'valgrind' if valgrind is None else 'a C compiler'} is not installed")
    answer = subprocess.run([valgrind, "--version"], capture_output=True, text=True, timeout=30, check=False)
    return answer.stdout.strip() or "valgrind"


def toolchain_key(machine: Machine) -> str:
    """What counts depend on: valgrind shows a processor of its own, so the machine's vector width is not in it."""
    versions = machine.versions
    python, numpy, engine = (versions.get(name, "none") for name in ("python", "numpy", "onnxruntime"))
    return f"{machine.architecture} python-{python} numpy-{numpy} onnxruntime-{engine} {valgrind_version()}"


def count_instructions(root: Path, recording: Path, timeout: float = 1800.0) -> dict[str, int]:
    """Instructions of one run of each hot loop of the source tree `root`; takes 40 s of processor time.

    timeout: in seconds. Raises AbsentError without valgrind and BenchmarkError where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        marks, out = Path(folder) / "marks.so", Path(folder) / "out"
        _build_marks(marks)
        command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        command += [sys.executable, str(HERE / "callgrind_loops.py"), str(marks), str(recording.resolve())]
        with contextlib.suppress(AbsentError):
            command.append(str(build_link(root, Path(folder))))
        environment = {
            **os.environ,
            "PYTHONPATH": str(root),
            "PYTHONHASHSEED": "0",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        environment.pop("EDGE_S2I_BUNDLE", None)
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, check=False, env=environment, cwd=folder
            )
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(f"callgrind did not end within {timeout:.0f} s; try on a quieter machine") from error
        counts = least_counts(path.read_text(errors="replace") for path in Path(folder).glob("out.*"))
    if result.returncode != 0 or not counts:
        lines = result.stderr.strip().splitlines() or ["no counts"]
        raise BenchmarkError(f"callgrind did not count: {lines[-1]}")
    return counts


def _build_marks(target: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise AbsentError("a C compiler is not installed")
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(target), str(HERE / "callgrind_marks.c")]
    if subprocess.run(command, capture_output=True, timeout=120, check=False).returncode != 0:
        raise AbsentError("valgrind's headers are not installed")


def least_counts(dumps: Iterable[str]) -> dict[str, int]:
    """Least instructions by mark, of several dumps; what ends a program has no mark."""
    found: dict[str, int] = {}
    for text in dumps:
        name, count = _counts(text)
        if name:
            found[name] = min(count, found.get(name, count))
    return dict(sorted(found.items()))


def _counts(text: str) -> tuple[str, int]:
    """Name of the mark and instructions between the marks, from one dump."""
    name = re.search(r"^desc: Trigger: Client Request: (.+)$", text, re.MULTILINE)
    total = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    return (name.group(1) if name else "", int(total.group(1)) if total else 0)
