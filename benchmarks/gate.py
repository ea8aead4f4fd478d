"""The gate's arithmetic: what was measured against the baseline or the other tree, and how much more is too much."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError

FORMAT = 1
BASELINE = Path(__file__).resolve().parent / "baseline.json"

# How much more than the baseline passes, as a share. Counts of things pass only as they are.
BYTES = 0.01  # another compressor's zip differs by less
WHEEL = 0.02
INSTRUCTIONS = 0.03  # hashes and addresses move a few loops; an engine's own threads and caches do not
C_CODE = 0.02
LATENCY = 0.3  # a ratio moves by up to a tenth on a busy machine, and half as slow again must be seen


@dataclass(frozen=True)
class Baseline:
    """What passes. Everything but `counts` is by the toolchain or machine that it was taken with."""

    counts: Mapping[str, int] = field(default_factory=dict)
    instructions: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    c_code: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    ratios: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One comparison. `limit` is the greatest value that passes."""

    name: str
    before: float
    now: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether it is no more than the limit."""
        return self.now <= self.limit

    @property
    def change(self) -> float:
        """As a share of what it was; 0 where both are 0."""
        if self.before == 0:
            return 0.0 if self.now == 0 else float("inf")
        return self.now / self.before - 1.0


def read_baseline(path: Path = BASELINE) -> Baseline:
    """BenchmarkError where the file is missing, damaged or of another format."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} cannot be read: {error}; write it with: make bench-baseline") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise BenchmarkError(f"{path} is not a baseline of format {FORMAT}; write it with: make bench-baseline")
    try:
        return Baseline(**content)
    except TypeError as error:
        raise BenchmarkError(f"{path} has other fields than a baseline: {error}") from error


def write_baseline(baseline: Baseline, path: Path = BASELINE) -> None:
    """The file appears whole or not at all."""
    content: dict[str, Any] = {"format": FORMAT, **asdict(baseline)}
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    partial.replace(path)


def compare_counts(before: Mapping[str, int], now: Mapping[str, int]) -> list[Finding]:
    """Of every count in either; one that the baseline does not know passes at 0 only."""
    return [
        Finding(name, before.get(name, 0), now.get(name, 0), before.get(name, 0) * (1.0 + tolerance_of(name)))
        for name in sorted({*before, *now})
    ]


def tolerance_of(count: str) -> float:
    """Share by which a count may grow: files by a little, everything else not at all."""
    if count == "wheel bytes":
        return WHEEL
    return BYTES if count.endswith(" bytes") else 0.0


def compare(before: Mapping[str, float], now: Mapping[str, float], tolerance: float) -> list[Finding]:
    """Of what both know; `tolerance` is the share by which each may grow."""
    return [
        Finding(name, before[name], value, before[name] * (1.0 + tolerance))
        for name, value in now.items()
        if name in before
    ]
