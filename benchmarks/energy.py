"""Energy, where the board tells: RAPL counters on x86, INA3221 rails on a Jetson."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

POWERCAP = Path("/sys/class/powercap")
HWMON = Path("/sys/class/hwmon")
_SAMPLE_SECONDS = 0.01  # an INA3221 converts in a few milliseconds


class EnergyMeter(Protocol):
    """Joules between start and stop."""

    name: str

    def start(self) -> None: ...

    def stop(self) -> float: ...


class Rapl:
    """Intel's and AMD's package counters: microjoules that wrap around."""

    name = "RAPL"

    def __init__(self, root: Path = POWERCAP) -> None:
        """root: the powercap folder. Raises OSError where no package counter can be read (root alone may, mostly)."""
        # intel-rapl:0 is a package; intel-rapl:0:1 is a part of one and must not count twice.
        self._zones = [zone for zone in sorted(root.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        if not self._zones:
            raise FileNotFoundError(f"no RAPL counter in {root}")
        self._before = self._read()

    def start(self) -> None:
        """Remembers the counters."""
        self._before = self._read()

    def stop(self) -> float:
        """Joules of all packages since start; right as long as no counter wrapped twice (minutes)."""
        joules = 0.0
        for zone, before, after in zip(self._zones, self._before, self._read(), strict=True):
            limit = int((zone / "max_energy_range_uj").read_text()) if after < before else 0
            joules += (after - before + limit) / 1e6
        return joules

    def _read(self) -> list[int]:
        return [int((zone / "energy_uj").read_text()) for zone in self._zones]


class Ina3221:
    """A Jetson's rail monitor: millivolts and milliamperes of the board's input, summed up over time."""

    name = "INA3221"

    def __init__(self, root: Path = HWMON) -> None:
        """root: the hwmon folder. Raises OSError where there is no INA3221."""
        self._rail = _input_rail(root)
        self._joules = 0.0
        self._running = threading.Event()
        self._thread: threading.Thread | None = None
        self._watts()

    def start(self) -> None:
        """Samples from here on."""
        self._joules = 0.0
        self._running.set()
        self._thread = threading.Thread(target=self._sample, args=(perf_counter(),), daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Joules since start."""
        self._running.clear()
        if self._thread is not None:
            self._thread.join()
        return self._joules

    def _sample(self, before: float) -> None:
        pause, last = threading.Event(), False
        while not last:  # once more when stopped: what went by since the last sample counts too
            last = not self._running.is_set()
            if not last:
                pause.wait(_SAMPLE_SECONDS)
            now = perf_counter()
            self._joules += self._watts() * (now - before)
            before = now

    def _watts(self) -> float:
        folder, number = self._rail
        volts, amperes = (int((folder / f"{kind}{number}_input").read_text()) / 1000.0 for kind in ("in", "curr"))
        return volts * amperes


def _input_rail(root: Path) -> tuple[Path, int]:
    for folder in sorted(root.glob("hwmon*")):
        try:
            if (folder / "name").read_text().strip() != "ina3221":
                continue
        except OSError:
            continue
        labels = {path: path.read_text().strip() for path in sorted(folder.glob("in*_label"))}
        for path, label in labels.items():
            if label in ("VDD_IN", "POM_5V_IN"):  # Orin, Nano
                return folder, int(path.name.removeprefix("in").removesuffix("_label"))
    raise FileNotFoundError(f"no INA3221 with an input rail in {root}")


def find_meter(powercap: Path = POWERCAP, hwmon: Path = HWMON) -> EnergyMeter | None:
    """The board's meter; None where it has none that this user may read."""
    for build in (lambda: Ina3221(hwmon), lambda: Rapl(powercap)):
        try:
            return build()  # type: ignore[no-untyped-call]
        except (OSError, ValueError):
            continue
    return None


def joules_per_call(meter: EnergyMeter, call: Callable[[], Any], seconds: float = 2.0) -> float:
    """Joules of the whole package or board for one call, mean over `seconds` of calls; idle power is in it."""
    count, start = 0, perf_counter()
    meter.start()
    while count == 0 or perf_counter() - start < seconds:
        call()
        count += 1
    return meter.stop() / count
