"""The unit file that ships: what it promises, and that systemd understands it."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edge_s2i.device
from edge_s2i.cli.main import app

FOLDER = Path(edge_s2i.device.__file__).parent
UNIT = FOLDER / "edge-s2i-live.service"


class Unit(configparser.RawConfigParser):
    def optionxform(self, option):
        return option


@pytest.fixture(scope="module")
def service():
    unit = Unit(delimiters="=", strict=True)
    unit.read(UNIT)
    return unit["Service"]


def test_it_restarts_is_watched_and_bounded(service):
    assert service["Type"] == "notify"
    assert service["Restart"] == "always"
    assert int(service["WatchdogSec"]) >= 3 * 1  # the loop comes round several times a second
    assert re.fullmatch(r"\d+M", service["MemoryMax"])
    assert 150 <= int(service["MemoryMax"][:-1]) <= 512
    assert set(service["SupplementaryGroups"].split()) == {"audio", "video"}
    assert service["PrivateNetwork"] == "yes"


def test_what_it_starts_is_a_command_that_there_is(service, capsys):
    program, *arguments = service["ExecStart"].split()
    assert Path(program).name == "edge-s2i"
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert arguments[0] in known
    options = subprocess.run(
        [sys.executable, "-m", "edge_s2i.cli.main", "live", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(option in options for option in arguments if option.startswith("--"))


def test_systemd_understands_it(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "edge-s2i"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/edge-s2i/bin/edge-s2i", str(program)))
    result = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    complaints = [line for line in result.stderr.splitlines() if UNIT.name in line]
    assert complaints == []
    assert result.returncode == 0, result.stderr


def test_the_guide_names_files_that_are_there():
    guide = (FOLDER / "INSTALL.md").read_text(encoding="utf-8")
    for name in re.findall(r"[\w-]+\.(?:service|sh)\b", guide):
        assert (FOLDER / name).exists(), name
    assert (FOLDER / "prepare-aarch64-root.sh").stat().st_mode & 0o111
