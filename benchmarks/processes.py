"""What only a fresh process shows: import and load time, the first picture, resident memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter

from benchmarks.errors import BenchmarkError

_PROGRAM = """
import json, sys
from time import perf_counter, process_time
start = perf_counter()
import edge_s2i
import edge_s2i.runtime.speech_to_picture
imported = perf_counter()
draw = edge_s2i.load(threads=int(sys.argv[2]))
loaded = perf_counter()
drawing = draw(sys.argv[1], draw_anyway=True)
drawing.pictures[0].tobytes()
drawn = perf_counter()
spent = process_time()
try:  # not getrusage: its peak begins with that of the process that forked this one
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    now, peak = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
except OSError:
    import resource
    now = peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024 ** 2)
print(json.dumps({"import_ms": (imported - start) * 1e3, "load_ms": (loaded - imported) * 1e3,
                  "first_picture_ms": (drawn - loaded) * 1e3, "rss_mb": now, "peak_rss_mb": peak,
                  "cpu_ms": spent * 1e3}))
"""


@dataclass(frozen=True)
class ColdStart:
    """One fresh process from its start to its first picture; medians of several where so said."""

    process_ms: float  # wall time of the whole process, the interpreter's own start and end too
    import_ms: float
    load_ms: float
    first_picture_ms: float
    rss_mb: float  # resident, after the first picture
    peak_rss_mb: float
    cpu_ms: float | None = None  # processor time of the process up to the picture: what a busy machine does not stretch


def cold_start(recording: str, threads: int = 1) -> ColdStart:
    """Starts a process that draws `recording` once. Raises BenchmarkError where it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    start = perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM, recording, str(threads)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    wall = (perf_counter() - start) * 1000.0
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise BenchmarkError(f"a fresh process could not draw {recording}: {lines[-1]}")
    return ColdStart(process_ms=wall, **json.loads(result.stdout))


def cold_starts(recording: str, count: int = 7, threads: int = 1) -> ColdStart:
    """Medians of `count` fresh processes; the first, which fills the file cache, is one more and not counted."""
    cold_start(recording, threads)
    starts = [cold_start(recording, threads) for _ in range(count)]
    return median_start([asdict(start) for start in starts])


def median_start(starts: Sequence[Mapping[str, float]]) -> ColdStart:
    """Each field's median over several starts."""
    names = [name for name in starts[0] if all(start.get(name) is not None for start in starts)]
    return ColdStart(**{name: median(start[name] for start in starts) for name in names})
