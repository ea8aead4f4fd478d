"""The installed wheel on another processor: aarch64, under qemu-user, in a folder that was prepared for it.

edge_s2i/device/prepare-aarch64-root.sh ROOT makes the folder; EDGE_S2I_AARCH64_ROOT=ROOT runs these. Function only:
no time under emulation means anything.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edge_s2i
from edge_s2i.bundle import default_bundle_path

VARIABLE = "EDGE_S2I_AARCH64_ROOT"
QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
EXAMPLES = Path(edge_s2i.__file__).parent / "examples"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no prepared folder"),
    pytest.mark.skipif(QEMU is None, reason="qemu-aarch64 is not installed (system package qemu-user-static)"),
]


@pytest.fixture
def aarch64(tmp_path):
    """Runs Python there, with arguments, and returns what it printed."""
    root = Path(os.environ[VARIABLE]).resolve()
    python = sorted((root / "usr" / "bin").glob("python3.[0-9]*"))[0]

    def run(*arguments: str) -> str:
        command = [str(QEMU), "-cpu", "cortex-a72", "-L", str(root), str(python), *arguments]
        environment = {
            "PYTHONPATH": str(root / "site"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(tmp_path),
            "EDGE_S2I_CACHE": str(tmp_path / "cache"),
            "COLUMNS": "200",
        }
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=400, env=environment, cwd=tmp_path
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def test_it_is_the_wheel_and_another_processor(aarch64):
    program = "import platform, edge_s2i; print(platform.machine(), edge_s2i.__version__, edge_s2i.__file__)"
    machine, version, where = aarch64("-c", program).split()
    assert machine == "aarch64"
    assert version == edge_s2i.__version__
    assert where.startswith(str(Path(os.environ[VARIABLE]).resolve() / "site"))


def test_it_draws_the_picture_that_this_machine_draws(aarch64, tmp_path):
    recording = EXAMPLES / "en-elephant.ogg"
    main = ("-m", "edge_s2i.cli.main")
    answer = json.loads(
        aarch64(*main, "draw", str(recording), "-o", str(tmp_path / "out.png"), "--seed", "7", "--json")
    )
    assert answer["understood"]
    here = edge_s2i.load(default_bundle_path())(recording, seed=7)
    assert answer["confidence"] == pytest.approx(here.confidence, abs=0.01)
    with Image.open(tmp_path / "out.png") as picture:
        difference = np.asarray(picture).astype(float) - here.arrays[0]
    assert 10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-9)) > 40


def test_it_listens(aarch64, tmp_path):
    arguments = ("--from", str(EXAMPLES / "es-banana.ogg"), "--json", "--threads", "1", "--display", "folder:out")
    lines = aarch64("-m", "edge_s2i.cli.main", "live", *arguments).splitlines()
    events = [json.loads(line) for line in lines]
    names = [event["event"] for event in events]
    assert names[0] == "SpeechStarted"
    assert "PartialPicture" in names
    assert names[-2:] == ["FinalPicture", "summary"]
    assert events[-2]["understood"]
    assert (tmp_path / "out" / "00001.png").exists()


def test_doctor_is_content(aarch64):
    findings = {item["name"]: item for item in json.loads(aarch64("-m", "edge_s2i.cli.main", "doctor", "--json"))}
    for name in ("python", "engine onnx", "default bundle", "voice detector"):
        assert findings[name]["state"] == "ok", findings[name]
    assert "aarch64" in findings["python"]["detail"]
