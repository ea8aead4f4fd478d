"""What a benchmark says of its machine, and energy meters that are not here."""

from pathlib import Path
from time import perf_counter, sleep

import pytest

from benchmarks import energy
from benchmarks.machine import Machine, describe


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def a_pi(tmp_path: Path) -> Machine:
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd asimddp\nModel\t: Raspberry Pi 4 Model B\n")
    write(tmp_path / "proc/meminfo", "MemTotal:        3884000 kB\n")
    write(tmp_path / "cpus/cpu0/cpufreq/cpuinfo_max_freq", "1800000\n")
    write(tmp_path / "cpus/cpu0/cpufreq/scaling_governor", "ondemand\n")
    return describe(tmp_path / "proc", tmp_path / "cpus")


def test_machine_tells_processor_features_and_governor(tmp_path):
    machine = a_pi(tmp_path)
    assert machine.cpu == "Raspberry Pi 4 Model B"
    assert machine.features == ("asimddp", "asimd")
    assert (machine.governor, machine.mhz_max, machine.memory_mb) == ("ondemand", 1800, 3792)
    for word in ("Raspberry Pi 4", "asimddp", "ondemand", "1800 MHz", "numpy"):
        assert word in machine.label


def test_machine_survives_json_and_a_system_that_tells_nothing(tmp_path):
    machine = describe(tmp_path, tmp_path)
    assert machine.governor == "unknown"
    assert machine.mhz_max is None
    assert Machine.from_json(machine.to_json()) == machine


def test_key_names_what_ratios_depend_on(tmp_path):
    machine = a_pi(tmp_path)
    assert "asimddp" in machine.key
    assert "onnxruntime-" in machine.key
    assert machine.cpu not in machine.key


def a_package(root: Path, microjoules: int) -> None:
    write(root / "intel-rapl:0/energy_uj", f"{microjoules}\n")
    write(root / "intel-rapl:0/max_energy_range_uj", "1000000\n")


def test_rapl_counts_packages_and_wraps_around(tmp_path):
    a_package(tmp_path, 900_000)
    write(tmp_path / "intel-rapl:0:0/energy_uj", "5\n")  # a part of the package
    meter = energy.Rapl(tmp_path)
    meter.start()
    a_package(tmp_path, 400_000)
    assert meter.stop() == pytest.approx(0.5)


def a_jetson(root: Path) -> None:
    folder = root / "hwmon3"
    write(folder / "name", "ina3221\n")
    for number, label in ((1, "VDD_CPU"), (2, "VDD_IN")):
        write(folder / f"in{number}_label", f"{label}\n")
        write(folder / f"in{number}_input", f"{number * 5000}\n")
        write(folder / f"curr{number}_input", "500\n")


def test_ina3221_sums_the_input_rail_over_time(tmp_path):
    write(tmp_path / "hwmon0/name", "cpu_thermal\n")
    a_jetson(tmp_path)
    meter = energy.Ina3221(tmp_path)
    start = perf_counter()
    meter.start()
    sleep(0.1)
    joules = meter.stop()
    assert joules == pytest.approx(5.0 * (perf_counter() - start), rel=0.2)  # 10 V x 0.5 A


def test_joules_are_of_one_call(tmp_path):
    class Meter:
        name = "ten joules"

        def start(self) -> None:
            calls.clear()

        def stop(self) -> float:
            return 10.0

    calls: list[int] = []
    joules = energy.joules_per_call(Meter(), lambda: calls.append(0), seconds=0.01)
    assert joules == pytest.approx(10.0 / len(calls))
    assert energy.joules_per_call(Meter(), lambda: calls.append(0), seconds=0.0) == 10.0, "one call at least"


def test_meter_is_whichever_is_there(tmp_path):
    assert energy.find_meter(tmp_path / "none", tmp_path / "none") is None
    a_package(tmp_path / "powercap", 1)
    a_jetson(tmp_path / "hwmon")
    rapl, ina = (energy.find_meter(tmp_path / "powercap", tmp_path / name) for name in ("none", "hwmon"))
    assert rapl is not None
    assert ina is not None
    assert (rapl.name, ina.name) == ("RAPL", "INA3221")
