"""Which engine and how many threads are fastest here: measured once, in about a second, and kept.

Guessing is wrong often enough to measure: int8 weights are faster on one board and slower on the next, and a second
thread costs more than it gives where cores are shared. `edge-s2i live` and `web` measure at their first start; `load`
only looks at what was kept, and without it leaves the choice to the engine as ever.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, time

import numpy as np

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.bundle import Bundle
from edge_s2i.errors import BackendError, EdgeS2IError, OutputError
from edge_s2i.runtime.picture_file import write_whole
from edge_s2i.runtime.speech_to_picture import SpeechToPicture, open_speech_to_picture

CACHE_VARIABLE = "EDGE_S2I_CACHE"
_NAME = "tuning.json"
_FORMAT = 1
_BUDGET_SECONDS = 1.0  # for all candidates together, loading not counted
_FRAMES = 148  # an utterance of 1.5 s
_MARGIN = 1.1  # what is this much faster is worth another thread
_MOST_THREADS = 4  # more were never faster for graphs this small
_MOST_ENTRIES = 16


@dataclass(frozen=True)
class Candidate:
    """One way to run a bundle, and how long an utterance of 1.5 s and its picture took."""

    backend: str
    threads: int
    milliseconds: float  # the least of its runs; a busy machine only adds
    runs: int


@dataclass(frozen=True)
class Tuning:
    """What was chosen for a bundle on this machine, and from what."""

    backend: str
    threads: int
    measured: tuple[Candidate, ...]
    failures: Mapping[str, str]  # backend to why it cannot run this bundle
    machine: str
    when: float  # s since 1970

    def explain(self) -> str:
        """One line: what was chosen and what the others took."""
        others = ", ".join(
            f"{item.backend} on {item.threads}: {item.milliseconds:.1f} ms"
            for item in sorted(self.measured, key=lambda item: item.milliseconds)
        )
        plural = "" if self.threads == 1 else "s"
        return f"{self.backend} on {self.threads} thread{plural}, for 1.5 s of speech and a picture ({others})"


def tuned(bundle: Bundle, *, measure: bool, backend: str | None = None) -> Tuning | None:
    """What was kept for this bundle on this machine; else, with `measure`, what is measured now and kept.

    backend: measure among this one's thread counts alone, and keep nothing.
    """
    if backend is None:
        kept = read_tuning(bundle)
        if kept is not None or not measure:
            return kept
    elif not measure:
        return None
    tuning = measure_tuning(bundle, backends=(backend,) if backend else ("onnx", "litert"))
    if backend is None:
        keep_tuning(bundle, tuning)
    return tuning


def measure_tuning(
    bundle: Bundle,
    *,
    backends: tuple[str, ...] = ("onnx", "litert"),
    cores: int | None = None,
    clock: Callable[[], float] = perf_counter,
) -> Tuning:
    """Times every engine that can run the bundle on 1, 2 and 4 threads as far as there are cores, interleaved.

    The fewest threads win that are within a tenth of the fastest. BackendError where no engine runs the bundle.
    """
    cores = usable_cores() if cores is None else cores
    counts = [count for count in (1, 2, _MOST_THREADS) if count <= max(1, cores)]
    loaded: dict[tuple[str, int], SpeechToPicture] = {}
    failures: dict[str, str] = {}
    for backend in backends:
        for threads in counts:
            try:
                loaded[backend, threads] = open_speech_to_picture(bundle, backend=backend, threads=threads)
                loaded[backend, threads].warm_up()
            except EdgeS2IError as error:
                loaded.pop((backend, threads), None)
                failures[backend] = str(error)
                break
    if not loaded:
        raise BackendError("; ".join(failures.values()) or "no engine can run this bundle")
    # Noise, because some engines take a shortcut for zeros.
    features = np.random.default_rng(0).standard_normal((MEL_BANDS, _FRAMES)).astype(np.float32)
    times: dict[tuple[str, int], list[float]] = {key: [] for key in loaded}
    begin = clock()
    while True:
        for key, draw in loaded.items():
            start = clock()
            draw.paint(draw.embed(features))
            times[key].append((clock() - start) * 1000.0)
        rounds = len(times[next(iter(times))])
        if clock() - begin > _BUDGET_SECONDS or rounds >= 50:
            break
    measured = tuple(
        Candidate(backend, threads, round(min(values), 3), len(values)) for (backend, threads), values in times.items()
    )
    best = min(item.milliseconds for item in measured)
    chosen = min(
        (item for item in measured if item.milliseconds <= best * _MARGIN),
        key=lambda item: (item.threads, item.milliseconds),
    )
    return Tuning(chosen.backend, chosen.threads, measured, failures, machine(), time())


def read_tuning(bundle: Bundle) -> Tuning | None:
    """What was kept for this bundle, on this machine with these engines; None for nothing that can be used."""
    entries = _read(cache_path())
    content = entries.get(_key(bundle)) if entries else None  # the key takes ten times as long as looking for a cache
    if not isinstance(content, dict):
        return None
    try:
        measured = tuple(Candidate(**item) for item in content["measured"])
        tuning = Tuning(**(content | {"measured": measured}))
        usable = tuning.backend in ("onnx", "litert") and 1 <= int(tuning.threads) <= 256
    except (TypeError, KeyError, ValueError):
        return None
    return tuning if usable else None


def keep_tuning(bundle: Bundle, tuning: Tuning) -> bool:
    """Keeps a choice for the next start; False where the cache cannot be written, which is no error."""
    entries = _read(cache_path())
    entries.pop(_key(bundle), None)
    entries[_key(bundle)] = asdict(tuning)
    newest = dict(list(entries.items())[-_MOST_ENTRIES:])
    try:
        write_whole(cache_path(), json.dumps({"format": _FORMAT, "entries": newest}, indent=1).encode())
    except OutputError:
        return False
    return True


def cache_path() -> Path:
    """Where choices are kept: in EDGE_S2I_CACHE, else in XDG_CACHE_HOME or ~/.cache."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named) / _NAME
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "edge-s2i" / _NAME
    except RuntimeError:  # a service's user may have no home
        return Path(".edge-s2i-cache") / _NAME


def machine() -> str:
    """This machine in a line: architecture, cores that may be used, and the processor's name where it is known."""
    name = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    except (OSError, StopIteration):
        pass
    return f"{platform.machine()}, {usable_cores()} cores, {name or 'unknown processor'}"


def usable_cores() -> int:
    """Cores that this process may use, not those that the machine has."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _key(bundle: Bundle) -> str:
    """Changes with whatever makes a choice stale: the graphs, the machine, the engines."""
    graphs = "".join(info.sha256 for name, info in sorted(bundle.manifest.files.items()) if name != "concepts.npy")
    from importlib import metadata

    engines = []
    for name in ("onnxruntime", "ai-edge-litert", "tflite-runtime"):
        try:
            engines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return hashlib.sha256("\n".join([graphs, machine(), *engines]).encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return {}
    entries = content.get("entries")
    return entries if isinstance(entries, dict) else {}
