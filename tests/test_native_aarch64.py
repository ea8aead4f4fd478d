"""s2i_run for aarch64 draws what Python draws, under qemu; function only, no timing under emulation means anything."""

import json
import os
import subprocess
from pathlib import Path

import native_program as native
import numpy as np
import pytest
import soundfile
import tiny_bundle as tiny
from PIL import Image

import edge_s2i

VARIABLE = "EDGE_S2I_AARCH64_SYSROOT"
SHIPPED = Path(edge_s2i.__file__).parent / "weights" / "default"
EXAMPLES = Path(edge_s2i.__file__).parent / "examples"
COMPILER = "aarch64-linux-gnu-gcc"


@pytest.fixture(scope="module")
def root() -> Path:
    """What firmware_bridge/runner/tools/aarch64_root.sh prepared."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"{VARIABLE} names no folder; firmware_bridge/runner/tools/aarch64_root.sh prepares one")
    native.needs("qemu-aarch64-static")
    return Path(named)


def emulated(root: Path, *arguments: object) -> subprocess.CompletedProcess:
    program = native.program("aarch64", compiler=COMPILER)
    command = ("qemu-aarch64-static", "-cpu", "cortex-a72", "-L", root, program, "--ort", root / "ort", *arguments)
    return subprocess.run([str(word) for word in command], capture_output=True, check=False)


def compared(root: Path, bundle: Path, wav: Path, out: Path) -> tuple[dict, float]:
    """The answer under qemu, and the PSNR in dB of its picture against Python's."""
    expected = edge_s2i.load(bundle)(wav, seed=2, draw_anyway=True)
    result = emulated(root, "--bundle", bundle, wav, "-o", out, "--seed", 2, "--anyway", "--json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["understood"] == expected.understood
    assert answer["confidence"] == pytest.approx(expected.confidence, abs=2e-3)
    with Image.open(out) as picture:
        error = np.mean((np.asarray(picture).astype(float) - expected.arrays[0]) ** 2)
    return answer, float("inf") if error == 0 else 10 * np.log10(255.0**2 / error)


def test_it_is_built():
    assert native.program("aarch64", compiler=COMPILER).exists()


def test_tiny_bundle(root, tiny_bundle, word_file, tmp_path):
    answer, psnr = compared(root, tiny_bundle, word_file, tmp_path / "o.png")
    assert answer["understood"]
    assert psnr >= 40.0
    (tmp_path / "noise.wav").write_bytes(b"RIFF")
    refused = emulated(root, "--bundle", tiny_bundle, tmp_path / "noise.wav", "-o", tmp_path / "o.png")
    assert (refused.returncode, refused.stderr.count(b"\n")) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["en-penguin", "fr-mug", "en-frog"])
def test_recordings(root, tmp_path, name):
    if not SHIPPED.exists():
        pytest.skip("this source tree carries no default bundle")
    samples, rate = soundfile.read(EXAMPLES / f"{name}.ogg", dtype="float32")
    soundfile.write(tmp_path / "in.wav", samples, rate, subtype="FLOAT")
    _, psnr = compared(root, SHIPPED, tmp_path / "in.wav", tmp_path / "o.png")
    assert psnr >= 40.0


def test_unknown_word_is_not_understood_there_either(root, tiny_bundle, tmp_path):
    soundfile.write(tmp_path / "in.wav", tiny.word(40), 16_000)
    result = emulated(root, "--bundle", tiny_bundle, tmp_path / "in.wav", "-o", tmp_path / "o.png")
    expected = edge_s2i.load(tiny_bundle)(tmp_path / "in.wav")
    assert result.returncode == 0
    assert (b"not understood" in result.stdout) == (not expected.understood)
