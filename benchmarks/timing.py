"""Time taken fairly: interleaved, so that what disturbs one disturbs the other; minima and percentiles, never means."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Any

Call = Callable[[], Any]
Clock = Callable[[], float]

# Of a call that runs in this thread alone, the processor's time: on a busy machine a third of the clock's is waiting.
CPU_CLOCK: Clock = thread_time


@dataclass(frozen=True)
class Percentiles:
    """Of a sample of times, in milliseconds."""

    count: int
    least: float
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Percentiles:
        """From times in seconds; at least one."""
        ordered = sorted(value * 1000.0 for value in seconds)
        return cls(len(ordered), ordered[0], *(percentile(ordered, share) for share in (0.50, 0.95, 0.99)))


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest-rank percentile of an ascending sequence: the least value that `share` of all do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def interleave(
    calls: Mapping[str, Call], rounds: int, repeats: int = 1, clock: Clock = perf_counter
) -> dict[str, list[float]]:
    """Seconds of each call, `rounds` of them: A-B-A-B, every second round backwards.

    repeats: how often a call runs in its turn; the turn counts as its fastest run.
    Each call runs once before the clock does.
    """
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        order = list(calls.items())
        for name, call in order if number % 2 == 0 else reversed(order):
            times[name].append(min(timed(call, clock) for _ in range(repeats)))
    return times


def timed(call: Call, clock: Clock = perf_counter) -> float:
    """Seconds of one call."""
    start = clock()
    call()
    return clock() - start


def ratio(times: Sequence[float], reference: Sequence[float]) -> float:
    """How many times as long as the reference, of interleaved samples.

    The smaller of two estimates that noise spoils in different ways: minimum by minimum (spoilt where one of the two
    never had a quiet moment) and the median of neighbours (spoilt by what lasts shorter than a pair). A real slowdown
    shows in both.
    """
    pairs = sorted(first / second for first, second in zip(times, reference, strict=True))
    return min(min(times) / min(reference), percentile(pairs, 0.5))
