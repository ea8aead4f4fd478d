"""`python -m benchmarks.report`: pytest-benchmark's JSON becomes a result file, a Markdown table and a plot."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError, run_command
from benchmarks.machine import Machine
from benchmarks.processes import median_start
from benchmarks.results import FOLDER, Reading, Result, read_result, write_result
from benchmarks.timing import Percentiles
from edge_s2i.errors import BundleError


def result_of(raw: Mapping[str, Any]) -> Result:
    """A Result from what `pytest --benchmark-json` wrote here; BenchmarkError for another suite's."""
    if "edge_s2i_machine" not in raw:
        raise BenchmarkError("this JSON is not of `make bench`: it names no machine")
    readings, cold = [], None
    for item in raw["benchmarks"]:
        info = item["extra_info"]
        readings.append(
            Reading(
                **{key: info[key] for key in ("stage", "backend", "precision", "threads", "items")},
                milliseconds=Percentiles.of(item["stats"]["data"]),
                cpu_ms=info.get("cpu_ms"),
                joules=info.get("joules"),
            )
        )
        if "processes" in info:
            cold = median_start(info["processes"])
    return Result(
        machine=Machine.from_json(raw["edge_s2i_machine"]),
        taken=raw["datetime"][:10],
        bundle=_bundle_name(),
        readings=tuple(readings),
        cold_start=cold,
        absent=raw.get("edge_s2i_absent", {}),
    )


def markdown(result: Result) -> str:
    """The table, labelled."""
    lines = [
        f"# What each stage costs, {result.taken}",
        "",
        f"{result.machine.label}. Bundle {result.bundle}; 1.5 s of speech, one picture a call unless said. cpu: "
        "least processor time of a call, without what it waited for others on a busy machine.",
        "",
        "| stage | backend | precision | threads | items | p50 ms | p95 | p99 | least | cpu | items/s | mJ |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for reading in result.readings:
        times = reading.milliseconds
        cpu = "" if reading.cpu_ms is None else f"{reading.cpu_ms:.3g}"
        joules = "" if reading.joules is None else f"{reading.joules * 1000:.1f}"
        lines.append(
            f"| {reading.stage} | {reading.backend} | {reading.precision} | {reading.threads} | {reading.items} "
            f"| {times.p50:.3g} | {times.p95:.3g} | {times.p99:.3g} | {times.least:.3g} | {cpu} "
            f"| {reading.per_second:.4g} | {joules} |"
        )
    if result.cold_start is not None:
        cold = result.cold_start
        cpu = "" if cold.cpu_ms is None else f", {cold.cpu_ms:.0f} of processor time"
        lines += [
            "",
            f"A fresh process (median of 7): {cold.process_ms:.0f} ms from its start to its end{cpu}, of which imports "
            f"{cold.import_ms:.0f}, load {cold.load_ms:.0f}, first picture {cold.first_picture_ms:.0f}; resident "
            f"{cold.rss_mb:.0f} MB, at most {cold.peak_rss_mb:.0f}.",
        ]
    if not any(reading.joules is not None for reading in result.readings):
        lines += ["", "Energy: this machine exposes no counter."]
    if result.absent:
        reasons = Counter(result.absent.values())
        lines += ["", "Absent:", ""]
        lines += [f"* {reason} ({count} {'case' if count == 1 else 'cases'})" for reason, count in reasons.items()]
    return "\n".join(lines) + "\n"


def plot(result: Result, path: Path) -> None:
    """Median, p95 and least processor time of every single-item stage, as bars on a logarithmic axis."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    readings = [reading for reading in result.readings if reading.items == 1][::-1]
    figure = Figure(figsize=(10, 1.5 + 0.28 * len(readings)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    labels = [f"{item.stage} · {item.backend} {item.precision} x{item.threads}" for item in readings]
    middle = [reading.milliseconds.p50 for reading in readings]
    tail = [max(0.0, reading.milliseconds.p95 - reading.milliseconds.p50) for reading in readings]
    axes.barh(labels, middle, color="#4477aa", xerr=[[0.0] * len(tail), tail], error_kw={"ecolor": "#999999"})
    known = [(label, item.cpu_ms) for label, item in zip(labels, readings, strict=True) if item.cpu_ms is not None]
    axes.plot([value for _, value in known], [label for label, _ in known], "D", color="#cc3311", markersize=4)
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds of one call: median, whisker to p95, red the least processor time")
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(axis="y", labelsize=8)
    label = result.machine.label.split("; ")
    figure.suptitle("\n".join([label[0], "; ".join(label[1:-1]), label[-1], result.taken]), fontsize=7)
    partial = path.with_name(path.name + ".partial")
    figure.savefig(partial, format="png", dpi=110)
    partial.replace(path)


def file_name(result: Result) -> str:
    """Of a contributed result: the processor, the cores and the day."""
    words = re.sub(r"[^a-z0-9]+", "-", result.machine.cpu.lower()).strip("-")
    return f"{words or 'machine'}-{result.machine.cores}-cores-{result.taken}"


def _bundle_name() -> str:
    from edge_s2i.bundle import read_bundle

    try:
        manifest = read_bundle().manifest
    except BundleError:
        return "none"
    return f"{manifest.name} of {manifest.created}"


def _load(path: Path) -> Result:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path} cannot be read as JSON: {error}; run make bench first") from error
    return result_of(content) if "benchmarks" in content else read_result(path)


def main(arguments: list[str] | None = None) -> int:
    """Writes NAME.json, NAME.md and NAME.png beside each other, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=main.__doc__)
    parser.add_argument("source", type=Path, help="JSON of pytest-benchmark, or a result file")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--out", type=Path, help="result file to write, NAME.json")
    place.add_argument("--contribute", action="store_true", help=f"write {FOLDER.name}/ named after the machine, alone")
    parser.add_argument("--no-plot", action="store_true", help="leave the plot out: no matplotlib needed")
    given = parser.parse_args(arguments)
    result = _load(given.source)
    table = markdown(result)
    if given.contribute:
        path = FOLDER / f"{file_name(result)}.json"
        write_result(path, result)
        print(f"{table}\nwrote {path}: to contribute it, commit it and open a pull request")
        return 0
    write_result(given.out, result)
    partial = given.out.with_suffix(".md.partial")
    partial.write_text(table, encoding="utf-8")
    partial.replace(given.out.with_suffix(".md"))
    if not given.no_plot:
        plot(result, given.out.with_suffix(".png"))
    print(table, end="")
    return 0


if __name__ == "__main__":
    run_command("benchmarks.report", main)
