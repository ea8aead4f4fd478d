"""The result file: one machine's readings, checked field by field when it is read or written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from benchmarks.errors import BenchmarkError
from benchmarks.machine import Machine
from benchmarks.processes import ColdStart
from benchmarks.timing import Percentiles

FORMAT = 1
FOLDER = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Reading:
    """Times of one stage. `items` is what one call does: utterances, pictures, frames."""

    stage: str
    backend: str
    precision: str
    threads: int
    items: int
    milliseconds: Percentiles  # of one call, by the clock
    cpu_ms: float | None = None  # least processor time of one call on one thread: what a busy machine does not stretch
    joules: float | None = None  # of one call, idle power included

    def __post_init__(self) -> None:
        _require(self.threads >= 1 and self.items >= 1, f"{self.stage}: threads and items are 1 or more")
        times = self.milliseconds
        ordered = 0 < times.least <= times.p50 <= times.p95 <= times.p99
        _require(times.count >= 1 and ordered, f"{self.stage}: times are positive and ascend from least to p99")

    @property
    def per_second(self) -> float:
        """Items a second at the median."""
        return self.items * 1000.0 / self.milliseconds.p50


@dataclass(frozen=True)
class Result:
    """Everything that one run of `make bench` measured."""

    machine: Machine
    taken: str  # ISO date
    bundle: str
    readings: tuple[Reading, ...]
    cold_start: ColdStart | None = None
    absent: Mapping[str, str] = field(default_factory=dict)  # case to reason

    def __post_init__(self) -> None:
        _require(re.fullmatch(r"\d{4}-\d\d-\d\d", self.taken) is not None, f"taken is a date, not {self.taken!r}")
        _require(bool(self.readings), "readings must not be empty")

    def find(self, stage: str, **wanted: Any) -> Reading | None:
        """The reading of least median among those of `stage` whose fields are as wanted."""
        found = [
            reading
            for reading in self.readings
            if reading.stage == stage and all(getattr(reading, name) == value for name, value in wanted.items())
        ]
        return min(found, key=lambda reading: reading.milliseconds.p50, default=None)

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        content = asdict(self)
        return {"format": FORMAT, **content, "machine": self.machine.to_json(), "absent": dict(self.absent)}


def read_result(path: Path) -> Result:
    """A checked result; BenchmarkError says which field of which file is wrong."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise BenchmarkError(f"{path} is not JSON: {error}") from error
    try:
        return result_from_json(content)
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error


def result_from_json(content: Any) -> Result:
    """Inverse of Result.to_json; BenchmarkError names the first field that is missing, unknown or of another type."""
    _require(isinstance(content, dict), "a result is a JSON object")
    _require(content.get("format") == FORMAT, f"format is {content.get('format')!r}; this version reads {FORMAT}")
    return _build(Result, {key: value for key, value in content.items() if key != "format"}, "result")


def write_result(path: Path, result: Result) -> None:
    """Writes the file whole or not at all, after reading it back as a check."""
    content = json.loads(json.dumps(result.to_json(), allow_nan=False))
    result_from_json(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def all_results(folder: Path = FOLDER) -> dict[str, Result]:
    """Every contributed result by file name; BenchmarkError for one that does not keep to the schema."""
    return {path.stem: read_result(path) for path in sorted(folder.glob("*.json"))}


def _build(kind: Any, value: Any, place: str) -> Any:
    """`value` of JSON types as the dataclass or type `kind`, checked all the way down."""
    origin, parameters = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        inner = next(item for item in parameters if item is not type(None))
        return None if value is None else _build(inner, value, place)
    if hasattr(kind, "__dataclass_fields__"):
        return _build_dataclass(kind, value, place)
    if origin is tuple:
        _require(isinstance(value, list), f"{place} must be a list")
        return tuple(_build(parameters[0], item, f"{place}[{index}]") for index, item in enumerate(value))
    if origin is not None:  # Mapping[str, str]
        _require(isinstance(value, dict), f"{place} must be an object")
        return {key: _build(parameters[1], item, f"{place}.{key}") for key, item in value.items()}
    wanted = (int, float) if kind is float else kind
    right = isinstance(value, wanted) and not isinstance(value, bool)
    _require(right, f"{place} must be {kind.__name__}; it is {value!r}")
    _require(kind is not float or math.isfinite(value), f"{place} must be finite; it is {value!r}")
    return kind(value)


def _build_dataclass(kind: Any, value: Any, place: str) -> Any:
    _require(isinstance(value, dict), f"{place} must be an object")
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}
    unknown = sorted(set(value) - set(known))
    _require(not unknown, f"{place} has unknown fields {', '.join(unknown)}")
    needed = [n for n, item in known.items() if item.default is MISSING and item.default_factory is MISSING]
    missing = sorted(set(needed) - set(value))
    _require(not missing, f"{place} lacks {', '.join(missing)}")
    return kind(**{name: _build(hints[name], content, f"{place}.{name}") for name, content in value.items()})


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise BenchmarkError(message)
