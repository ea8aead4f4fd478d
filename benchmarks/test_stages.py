"""Every stage by pytest-benchmark: `make bench`. What is absent is skipped, with the reason."""

from dataclasses import asdict

import pytest

from benchmarks.energy import find_meter, joules_per_call
from benchmarks.errors import AbsentError
from benchmarks.processes import cold_start
from benchmarks.stages import Case, all_cases
from benchmarks.timing import CPU_CLOCK, timed

_CPU_RUNS = 15
_SLOW_TO_PREPARE = ("generator 64", "generator 256")  # exported first, with random weights


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_stage(benchmark, absent, case: Case):
    if benchmark.disabled and (case.threads > 1 or case.items > 1 or case.stage in _SLOW_TO_PREPARE):
        pytest.skip("timed by make bench alone")
    try:
        call = case.prepare()
    except AbsentError as error:
        absent[case.name] = str(error)
        pytest.skip(f"absent: {error}")
    benchmark.extra_info.update(
        stage=case.stage, backend=case.backend, precision=case.precision, threads=case.threads, items=case.items
    )
    benchmark(call)
    if case.threads == 1 and not benchmark.disabled:
        benchmark.extra_info["cpu_ms"] = 1000.0 * min(timed(call, CPU_CLOCK) for _ in range(_CPU_RUNS))
    meter = find_meter()
    if meter is not None and case.threads == 1 and not benchmark.disabled:
        benchmark.extra_info.update(joules=joules_per_call(meter, call), meter=meter.name)


def test_cold_start(benchmark, recording):
    benchmark.extra_info.update(stage="whole path, cold", backend="onnxruntime", precision="int8w", threads=1, items=1)
    starts = []
    benchmark.pedantic(lambda: starts.append(cold_start(recording)), rounds=7, warmup_rounds=1)
    benchmark.extra_info["processes"] = [asdict(start) for start in starts[-7:]]
    assert all(start.rss_mb > 0 for start in starts)
