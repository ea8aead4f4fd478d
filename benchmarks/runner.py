"""The C parts, built for this machine: the native runner as a process, and the link's loops as a library."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import soundfile

from benchmarks.errors import AbsentError
from benchmarks.speech import utterance
from benchmarks.timing import Call
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.bundle import default_bundle_path

ROOT = Path(__file__).resolve().parents[1]
LINK_FRAMES = 100  # that one call encodes or decodes


def cold_process() -> Call:
    """The C runner from its start to a picture on disk, ONNX Runtime by its C API, one thread."""
    program, library = _built_runner(), _onnxruntime_library()
    if not default_bundle_path().exists():
        raise AbsentError("no default bundle: this tree has no weights")
    folder = _kept_folder()
    recording, out = folder / "utterance.wav", folder / "out.png"
    soundfile.write(recording, utterance(), SAMPLE_RATE, subtype="PCM_16")
    command = [str(program), "--bundle", str(default_bundle_path()), "--ort", str(library), "--threads", "1"]
    command += ["--anyway", "--json", str(recording), "-o", str(out)]

    def run() -> dict:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if result.returncode != 0:
            raise AbsentError(f"the C runner fails: {result.stderr.strip()[:200]}")
        return json.loads(result.stdout)

    run()
    return run


def link_encode() -> Call:
    """LINK_FRAMES frames of 32 ms of sound by the C link."""
    library = ctypes.CDLL(str(build_link(ROOT, _kept_folder())))
    library.bench_encode.restype = ctypes.c_size_t
    return lambda: library.bench_encode(LINK_FRAMES)


def link_decode() -> Call:
    """The same frames, decoded byte by byte as a UART gives them."""
    library = ctypes.CDLL(str(build_link(ROOT, _kept_folder())))
    if library.bench_decode(3) != 3:
        raise AbsentError("the C link does not decode what it encodes")
    return lambda: library.bench_decode(LINK_FRAMES)


def build_link(root: Path, folder: Path) -> Path:
    """The link library of a source tree with the loops of link_loops.c; AbsentError where it is not there."""
    source = root / "firmware_bridge" / "c"
    if not (source / "src" / "frame.c").exists():
        raise AbsentError("firmware_bridge/c is not there")
    out = folder / "link_loops.so"
    inputs = [*sorted((source / "src").glob("*.c")), Path(__file__).parent / "link_loops.c"]
    command = [_compiler(), "-std=c99", "-O2", "-fPIC", "-shared", f"-I{source / 'include'}", *map(str, inputs)]
    result = subprocess.run([*command, "-o", str(out)], capture_output=True, text=True, timeout=120, check=False)
    if result.returncode != 0:
        raise AbsentError(f"the C link does not build: {result.stderr.strip().splitlines()[0]}")
    return out


@cache
def _built_runner() -> Path:
    source = ROOT / "firmware_bridge" / "runner"
    make = shutil.which("make")
    if not (source / "Makefile").exists():
        raise AbsentError("firmware_bridge/runner is not there")
    if make is None:
        raise AbsentError("make is not installed")
    folder = _kept_folder() / "build"
    command = [make, "--no-print-directory", "-C", str(source), f"BUILD={folder}", f"CC={_compiler()}"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    program = folder / "s2i_run"
    if result.returncode != 0 or not program.exists():
        lines = result.stderr.strip().splitlines() or ["no program appeared"]
        raise AbsentError(f"the C runner does not build: {lines[-1]}")
    return program


def _onnxruntime_library() -> Path:
    found = find_spec("onnxruntime")
    if found is None or found.origin is None:
        raise AbsentError("onnxruntime is not installed")
    libraries = sorted((Path(found.origin).parent / "capi").glob("libonnxruntime.so*"))
    if not libraries:
        raise AbsentError("onnxruntime's wheel holds no library for C here")
    return libraries[-1]


def _compiler() -> str:
    found = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if found is None:
        raise AbsentError("a C compiler is not installed")
    return found


_KEPT: list[tempfile.TemporaryDirectory] = []  # removed when the process ends


def _kept_folder() -> Path:
    if not _KEPT:
        _KEPT.append(tempfile.TemporaryDirectory())
    return Path(_KEPT[0].name)
