"""Temperature, throttling and memory, from files and a program laid out as boards have them."""

import os
from pathlib import Path

import pytest

from edge_s2i.device.board import Board, BoardState, resident_megabytes, throttled_between


def make(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def vcgencmd(tmp_path: Path, answer: str) -> tuple[str, ...]:
    program = tmp_path / "vcgencmd"
    program.write_text(f'#!/bin/sh\n[ "$1" = get_throttled ] && echo "{answer}"\n')
    program.chmod(0o755)
    return (str(program),)


def test_a_board_that_tells_nothing(tmp_path):
    assert Board(tmp_path, None).read() == BoardState(None, None, (), None)
    assert Board(tmp_path, ("/nowhere/vcgencmd",)).read().throttling is None


def test_the_warmest_zone_that_makes_sense(tmp_path):
    zones = {"0": "41000\n", "1": "58250\n", "2": "-256000\n", "3": "nonsense", "4": "0"}
    sysfs = make(tmp_path, {f"class/thermal/thermal_zone{name}/temp": value for name, value in zones.items()})
    assert Board(sysfs, None).read().celsius == 58.25


@pytest.mark.parametrize(
    ("answer", "now", "since"),
    [
        ("throttled=0x0", (), ()),
        ("throttled=0x50005", ("under-voltage", "throttled"), ("under-voltage", "throttled")),
        ("throttled=0xa0000", (), ("frequency capped", "soft temperature limit")),
        ("error=1", None, ()),
    ],
)
def test_a_raspberry_pis_bits(tmp_path, answer, now, since):
    state = Board(tmp_path, vcgencmd(tmp_path, answer)).read()
    assert state.throttling == now
    assert state.throttled_since_boot == since


def test_cooling_devices_of_processors_but_not_fans(tmp_path):
    files = {
        "class/thermal/cooling_device0/type": "pwm-fan",
        "class/thermal/cooling_device0/cur_state": "3",
        "class/thermal/cooling_device1/type": "cpufreq-cpu0",
        "class/thermal/cooling_device1/cur_state": "0",
    }
    assert Board(make(tmp_path, files), None).read().throttling == ()
    make(tmp_path, {"class/thermal/cooling_device1/cur_state": "2"})
    assert Board(tmp_path, None).read().throttling == ("cpufreq-cpu0",)


def test_an_x86_cores_count(tmp_path):
    name = "devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    sysfs = make(tmp_path, {name.format(0): "4", name.format(1): "1"})
    assert Board(sysfs, None).read().throttle_count == 5


def state(now=(), since=(), count=None) -> BoardState:
    return BoardState(50.0, now, since, count)


def test_a_run_throttled_if_any_reading_says_so():
    assert throttled_between(state(), [state(), state()]) == ()
    assert throttled_between(state(), [state(("throttled",)), state()]) == ("throttled",)
    assert throttled_between(state(("under-voltage",)), [state()]) == ("under-voltage",)


def test_dips_between_readings_are_remembered_by_the_firmware_and_older_ones_do_not_count():
    old = state(since=("throttled",))
    assert throttled_between(old, [old]) == ()
    assert throttled_between(old, [state(since=("throttled", "under-voltage"))]) == ("under-voltage",)
    assert throttled_between(state(count=5), [state(count=5)]) == ()
    assert throttled_between(state(count=5), [state(count=6)]) == ("a core's own thermal limit",)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system has no /proc")
def test_memory_of_this_process():
    now, most = resident_megabytes()
    assert 5 < now <= most * 1.001
    assert os.sysconf("SC_PAGE_SIZE") > 0


def test_memory_where_the_system_does_not_tell(tmp_path):
    assert resident_megabytes(tmp_path / "status") is None
    (tmp_path / "status").write_text("VmRSS:\t  1000 kB\nVmHWM:\t  2000 kB\n")
    assert resident_megabytes(tmp_path / "status") == (1.024, 2.048)
    (tmp_path / "status").write_text("Name: x\n")
    assert resident_megabytes(tmp_path / "status") is None
