"""`edge-s2i doctor`: what is installed, what works, and what to install for the rest."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from edge_s2i.cli.extras import EXTRAS, install_command
from edge_s2i.errors import EdgeS2IError

_OLDEST_PYTHON = (3, 11)

# Import name to distribution name; those of the extras are in edge_s2i.cli.extras.
_BASE = {"numpy": "numpy", "soundfile": "soundfile", "soxr": "soxr", "PIL": "pillow", "rich": "rich"}
_VOICES = {"espeak-ng": "espeak-ng", "flite": "flite", "festival": "festival"}  # program to system package


@dataclass(frozen=True)
class Check:
    """One finding."""

    area: str
    name: str
    state: str  # "ok", "absent" (optional), or "broken" (drawing cannot work)
    detail: str
    remedy: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as one JSON array.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure for a second which engine and threads are fastest; keep that.")
    ] = False,
) -> None:
    """Check this installation: Python, packages, engines, weights; says what to install for the rest.

    The exit code is 0 where drawing works, 2 where it does not.
    """
    checks = list(examine(measure))
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=2, ensure_ascii=False))
    else:
        _show(checks)
    if any(check.state == "broken" for check in checks):
        raise typer.Exit(2)


def examine(measure: bool = False) -> Iterator[Check]:
    """Yields every finding; engines are tried by running a graph, the bundle by its hashes.

    measure: time engines and threads now, for a second, and keep the choice.
    """
    version = platform.python_version()
    if sys.version_info >= _OLDEST_PYTHON:
        yield Check("device", "python", "ok", f"{version}, {platform.machine()}, {platform.system()}")
    else:
        yield Check("device", "python", "broken", version, "install Python 3.11 or newer")
    for module, distribution in _BASE.items():
        yield _package("device", module, distribution, f"pip install {distribution}", "broken")
    yield from _engines()
    yield _default_bundle()
    yield from _tuning(measure)
    yield _voice_detector()
    for extra, packages in EXTRAS.items():
        remedy = f"in the source folder: {install_command(extra)}"
        for module, distribution in packages.items():
            yield _package(extra, module, distribution, remedy, "absent")
    for program, package in _VOICES.items():
        path = shutil.which(program)
        if path:
            yield Check("voices", program, "ok", path)
        else:
            yield Check("voices", program, "absent", "", f"system package {package}; only for building data")


def _package(area: str, module: str, distribution: str, remedy: str, missing: str) -> Check:
    if find_spec(module) is None:
        return Check(area, distribution, missing, "not installed", remedy)
    try:
        return Check(area, distribution, "ok", metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return Check(area, distribution, "ok", "installed without metadata")


def _engines() -> Iterator[Check]:
    from edge_s2i.runtime.probe_graphs import probe

    failures = []
    for backend, distributions in {
        "onnx": ("onnxruntime",),
        "litert": ("ai-edge-litert", "tflite-runtime"),
    }.items():
        try:
            probe(backend)
        except EdgeS2IError as error:
            failures.append((backend, str(error)))
        else:
            yield Check("device", f"engine {backend}", "ok", f"{_installed(distributions)}, ran a graph")
            yield from _libraries(backend)
    for backend, reason in failures:
        # One working engine is enough.
        state = "broken" if len(failures) == 2 else "absent"
        what, _, remedy = reason.rpartition("; ")
        yield Check("device", f"engine {backend}", state, what, remedy)


def _libraries(backend: str) -> Iterator[Check]:
    """The engine's shared library, which a program without Python loads: s2i_run takes it by --ort or --litert."""
    module, pattern = {
        "onnx": ("onnxruntime", "capi/libonnxruntime.so*"),
        "litert": ("ai_edge_litert", "libLiteRt.so*"),
    }[backend]
    for folder in getattr(sys.modules.get(module), "__path__", []):  # imported by the probe, if it is what ran
        for path in sorted(Path(folder).glob(pattern))[:1]:
            yield Check("device", f"library {backend}", "ok", str(path))


def _installed(distributions: tuple[str, ...]) -> str:
    for distribution in distributions:
        try:
            return f"{distribution} {metadata.version(distribution)}"
        except metadata.PackageNotFoundError:
            continue
    return distributions[0]


def _default_bundle() -> Check:
    from edge_s2i.bundle import read_bundle

    try:
        bundle = read_bundle()
    except EdgeS2IError as error:
        what, _, remedy = str(error).rpartition("; ")
        return Check("device", "default bundle", "broken", what, remedy)
    return Check("device", "default bundle", "ok", f"{bundle.manifest.name}, {bundle.bytes / 1e6:.2f} MB, hashes right")


def _tuning(measure: bool) -> Iterator[Check]:
    from edge_s2i.bundle import read_bundle
    from edge_s2i.runtime.tuning import cache_path, keep_tuning, measure_tuning, read_tuning

    name = "engine and threads"
    try:
        bundle = read_bundle()
        tuning = read_tuning(bundle)
        if measure:
            tuning = measure_tuning(bundle)
            keep_tuning(bundle, tuning)
    except EdgeS2IError:
        return  # engines and bundle have said so themselves
    if tuning is None:
        remedy = "edge-s2i doctor --measure, or the first start of `live` or `web`"
        yield Check("device", name, "absent", f"not measured yet; the engine chooses (kept in {cache_path()})", remedy)
    else:
        yield Check("device", name, "ok", f"{tuning.explain()}; measured on {tuning.machine}, kept in {cache_path()}")


def _voice_detector() -> Check:
    import numpy as np

    from edge_s2i.runtime.voice_activity import WINDOW, open_voice_detector

    try:
        silence = open_voice_detector("silero").probability(np.zeros(WINDOW, np.float32))
    except EdgeS2IError as error:
        what, _, remedy = str(error).rpartition("; ")
        return Check("device", "voice detector", "absent", what, remedy)
    return Check("device", "voice detector", "ok", f"Silero, hears a voice in silence with probability {silence:.2f}")


def _show(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.markup import escape  # or '.[train]' would be a style
    from rich.table import Table

    colours = {"ok": "green", "absent": "yellow", "broken": "red"}
    table = Table("for", "what", "state", "found", "to install")
    table.columns[1].overflow = "fold"  # lite0 and lite1 differ at the end
    previous = ""
    for check in checks:
        if check.area != previous and previous:
            table.add_section()
        area = check.area if check.area != previous else ""
        previous = check.area
        colour = colours[check.state]
        table.add_row(area, check.name, f"[{colour}]{check.state}[/]", escape(check.detail), escape(check.remedy))
    console = Console()
    console.print(table)
    broken = [check for check in checks if check.state == "broken"]
    if broken:
        console.print(f"Drawing does not work here: {', '.join(check.name for check in broken)}.")
    else:
        console.print("Drawing works here.")
