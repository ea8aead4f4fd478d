"""How the board is: temperature, throttling and memory, from what Linux and the Raspberry Pi's firmware tell."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Bits of `vcgencmd get_throttled`, as Raspberry Pi's documentation names them: now, and 16 higher since the boot.
_PI_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_SINCE_BOOT = 16


@dataclass(frozen=True)
class BoardState:
    """One reading; None is what this board does not tell."""

    celsius: float | None  # of the warmest zone
    throttling: tuple[str, ...] | None  # what slows the board down at this moment
    throttled_since_boot: tuple[str, ...]  # on a Raspberry Pi
    throttle_count: int | None  # times that an x86 core slowed down since the boot


@dataclass(frozen=True)
class Board:
    """Where a board's readings are; other places for a test."""

    sysfs: Path = Path("/sys")
    vcgencmd: Sequence[str] | None = field(default_factory=lambda: _find("vcgencmd"))

    def read(self) -> BoardState:
        """The board's state now; never fails, a reading that cannot be had is None."""
        bits = self._pi_bits()
        cooling = self._cooling()
        now: tuple[str, ...] | None = cooling
        if bits is not None:
            now = tuple(name for bit, name in _PI_BITS.items() if bits >> bit & 1) + (cooling or ())
        return BoardState(
            celsius=self._celsius(),
            throttling=now,
            throttled_since_boot=tuple(n for bit, n in _PI_BITS.items() if (bits or 0) >> (bit + _SINCE_BOOT) & 1),
            throttle_count=self._throttle_count(),
        )

    def _celsius(self) -> float | None:
        readings = [_number(path) for path in self.sysfs.glob("class/thermal/thermal_zone*/temp")]
        # Unconnected sensors read nonsense, such as -256 or 0.
        known = [reading / 1000.0 for reading in readings if reading is not None and 0 < reading < 150_000]
        return max(known, default=None)

    def _pi_bits(self) -> int | None:
        if not self.vcgencmd:
            return None
        try:
            result = subprocess.run(
                [*self.vcgencmd, "get_throttled"], capture_output=True, text=True, timeout=2.0, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = re.search(r"throttled=0x([0-9a-fA-F]+)", result.stdout)
        return int(found[1], 16) if found else None

    def _cooling(self) -> tuple[str, ...] | None:
        """Devices that slow a processor down to cool it, in use now: Jetson's and other boards' (not fans)."""
        states = []
        for folder in sorted(self.sysfs.glob("class/thermal/cooling_device*")):
            try:
                kind = (folder / "type").read_text().strip()
            except OSError:
                continue
            state = _number(folder / "cur_state")
            if state is not None and re.search(r"cpu|gpu|processor|throttle", kind, re.IGNORECASE):
                states.append((kind, state))
        return tuple(kind for kind, state in states if state > 0) if states else None

    def _throttle_count(self) -> int | None:
        counts = [
            _number(path) for path in self.sysfs.glob("devices/system/cpu/cpu*/thermal_throttle/core_throttle_count")
        ]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None


def throttled_between(first: BoardState, others: Sequence[BoardState]) -> tuple[str, ...]:
    """What slowed the board down between the first reading and the others, each named once."""
    found: dict[str, None] = {}
    for state in (first, *others):
        found.update(dict.fromkeys(state.throttling or ()))
        if (state.throttle_count or 0) > (first.throttle_count or 0):
            found["a core's own thermal limit"] = None
        # Short dips fall between two readings, but the firmware remembers them.
        found.update(dict.fromkeys(n for n in state.throttled_since_boot if n not in first.throttled_since_boot))
    return tuple(found)


def resident_megabytes(status: Path = Path("/proc/self/status")) -> tuple[float, float] | None:
    """Resident memory of this process in MB (1e6 bytes), now and at most; None where the system does not tell."""
    try:
        text = status.read_text()
    except OSError:
        return None
    sizes = [re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE) for name in ("VmRSS", "VmHWM")]
    if sizes[0] is None or sizes[1] is None:
        return None
    return int(sizes[0][1]) * 1024 / 1e6, int(sizes[1][1]) * 1024 / 1e6


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _find(program: str) -> tuple[str, ...] | None:
    path = shutil.which(program)
    return (path,) if path else None
