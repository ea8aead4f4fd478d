"""Where a measurement was taken; figures without this say little."""

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np


def describe_machine(threads: int | None = None) -> dict[str, Any]:
    """Processor, cores, system, versions, and the threads asked for (None: the engines' choice)."""
    return {
        "cpu": _processor(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []  # not Linux: the platform module's word must do
    pairs = (line.partition(":") for line in lines)
    named = {key.strip(): value.strip() for key, colon, value in pairs if colon}
    # x86 says "model name" for each core; a Raspberry Pi says "Model" once.
    return named.get("model name") or named.get("Model") or platform.processor() or platform.machine()
