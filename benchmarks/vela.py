"""Arm's Vela compiler: cycles that an Ethos-U NPU would take for a .tflite graph. Its own estimates, not readings."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import AbsentError

ACCELERATORS = ("ethos-u55-128", "ethos-u65-256")


@dataclass(frozen=True)
class VelaEstimate:
    """What Vela's summary says of one graph."""

    accelerator: str
    cycles: float
    milliseconds: float
    on_npu: str  # operators on the NPU of all, as Vela counts them


def estimate(model: bytes, accelerator: str) -> VelaEstimate:
    """Compiles a .tflite file; AbsentError where Vela is not installed or cannot take the graph."""
    program = _program()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "graph.tflite"
        source.write_bytes(model)
        command = [program, str(source), "--accelerator-config", accelerator, "--output-dir", folder]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        summaries = sorted(Path(folder).glob("*_summary_*.csv"))
        if result.returncode != 0 or not summaries:
            lines = (result.stderr or result.stdout).strip().splitlines() or ["no summary"]
            raise AbsentError(f"Vela cannot compile it: {lines[-1]}")
        return read_summary(summaries[0].read_text(encoding="utf-8"), accelerator, result.stdout)


def read_summary(text: str, accelerator: str, output: str = "") -> VelaEstimate:
    """From the CSV that Vela writes: inference_time in seconds, cycles_total; `output` is what it printed."""
    rows = list(csv.DictReader(text.splitlines()))
    if not rows or "inference_time" not in rows[0]:
        raise AbsentError("Vela's summary has no inference_time: another version than 3 to 5")
    row = rows[0]
    counted = next((line.partition("=")[2].strip() for line in output.splitlines() if line.startswith("NPU op")), "")
    return VelaEstimate(
        accelerator=accelerator,
        cycles=float(row.get("cycles_total") or 0.0),
        milliseconds=float(row["inference_time"]) * 1000.0,
        on_npu=counted or "not said",
    )


def _program() -> str:
    beside = Path(sys.executable).parent / "vela"
    program = str(beside) if beside.exists() else shutil.which("vela")
    if program is None:
        raise AbsentError("ethos-u-vela is not installed")
    return program
