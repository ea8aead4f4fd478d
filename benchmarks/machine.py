"""Where a measurement was taken: processor, its features, its governor, versions. No figure is shown without it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

# The instructions that decide which kernels an engine picks, widest first; of `flags` on x86, `Features` on Arm.
FEATURES = (
    "amx_int8",
    "avx512_bf16",
    "avx512_vnni",
    "avx512f",
    "avx_vnni",
    "avx2",
    "fma",
    "sse4_1",
    "i8mm",
    "bf16",
    "asimddp",
    "asimdhp",
    "asimd",
    "neon",
)
PACKAGES = (
    "edge-s2i",
    "numpy",
    "onnxruntime",
    "ai-edge-litert",
    "tflite-runtime",
    "torch",
    "soundfile",
    "soxr",
    "pillow",
)


@dataclass(frozen=True)
class Machine:
    """A labelled machine; `load` and `throttled` say what else went on while it was measured."""

    cpu: str
    architecture: str
    system: str
    cores: int
    memory_mb: int
    features: tuple[str, ...]
    governor: str  # "unknown" where the system does not say
    mhz_max: int | None
    load: float | None  # mean of runnable processes over a minute, when the measurement began
    throttled: str | None  # a Raspberry Pi's word; 0x0 is none
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "features": list(self.features), "versions": dict(self.versions)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Machine:
        """Inverse of to_json."""
        return cls(**{**content, "features": tuple(content["features"]), "versions": dict(content["versions"])})

    @property
    def label(self) -> str:
        """One line for the head of a table."""
        speed = "" if self.mhz_max is None else f", up to {self.mhz_max} MHz"
        parts = [
            f"{self.cpu}, {self.cores} cores ({self.architecture}){speed}, {self.memory_mb / 1024:.0f} GB",
            f"features {' '.join(self.features) or 'unknown'}",
            f"governor {self.governor}",
        ]
        if self.load is not None:
            parts.append(f"load {self.load:.1f} at the start")
        if self.throttled not in (None, "0x0"):
            parts.append(f"THROTTLED {self.throttled}")
        parts.append(", ".join(f"{name} {version}" for name, version in self.versions.items()))
        return "; ".join(parts)

    @property
    def key(self) -> str:
        """What instruction counts and ratios depend on: architecture, vector width, versions of the engines."""
        width = next((feature for feature in FEATURES if feature in self.features), "scalar")
        names = ("python", "numpy", "onnxruntime")
        versions = " ".join(f"{name}-{_minor(self.versions.get(name, 'none'))}" for name in names)
        return f"{self.architecture} {width} {versions}"


def describe(proc: Path = Path("/proc"), cpus: Path = Path("/sys/devices/system/cpu")) -> Machine:
    """The machine this runs on; `proc` and `cpus` are where Linux tells about it."""
    info = _pairs(proc / "cpuinfo")
    flags = set((info.get("flags") or info.get("Features") or "").split())
    scaling = cpus / "cpu0" / "cpufreq"
    mhz = _line(scaling / "cpuinfo_max_freq")
    memory = _pairs(proc / "meminfo").get("MemTotal", "0 kB").split()[0]
    return Machine(
        # x86 says "model name" for each core; a Raspberry Pi says "Model" once.
        cpu=info.get("model name") or info.get("Model") or platform.processor() or platform.machine(),
        architecture=platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        cores=os.cpu_count() or 1,
        memory_mb=int(memory) // 1024,
        features=tuple(feature for feature in FEATURES if feature in flags),
        governor=_line(scaling / "scaling_governor") or "unknown",
        mhz_max=int(mhz) // 1000 if mhz and mhz.isdigit() else None,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        throttled=_throttled(),
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Python's version and those of the installed packages that figures depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _pairs(path: Path) -> dict[str, str]:
    """The first value of each key in a file of "key : value" lines; empty where there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


def _line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _throttled() -> str | None:
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        answer = subprocess.run([program, "get_throttled"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip().partition("=")[2] or None


if __name__ == "__main__":
    sys.stdout.write(describe().label + "\n")
