"""The C library under the sanitizers: its two sides talk, each hears what nobody should say, fuzz targets hold."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import firmware_bridge
from firmware_bridge.tools.c_library import compile_c, sources
from firmware_bridge.tools.c_spec import C_FOLDER
from firmware_bridge.tools.fuzz import TARGETS

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
SANITIZE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DS2I_LINK_JPEG=1"]


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """The library, compiled once with the sanitizers."""
    folder = tmp_path_factory.mktemp("objects")
    for source in sources():
        compile_c("gcc", [*SANITIZE, "-c", f"-I{C_FOLDER}/src"], [source], folder / f"{source.stem}.o")
    return sorted(folder.glob("*.o"))


@pytest.fixture(scope="module")
def pair(objects, tmp_path_factory):
    program = tmp_path_factory.mktemp("pair") / "pair"
    compile_c("gcc", SANITIZE, [C_FOLDER / "tests" / "pair.c", *objects], program)
    return program


def test_a_clean_line_brings_everything_at_once(pair):
    result = subprocess.run([pair, "0", "1"], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    took, down, samples = map(int, re.findall(r"(\d+) (?:ms|bytes|of)", result.stdout))
    assert took <= 500
    assert down < 36_000
    assert samples == 4800


@pytest.mark.parametrize("seed", range(4))
def test_one_percent_of_corrupted_bytes_changes_no_picture(pair, seed):
    result = subprocess.run([pair, "10000", str(seed)], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("jpeg", [0, 1])
def test_what_nobody_should_say_does_no_harm(jpeg, tmp_path):
    flags = [*SANITIZE[:-1], f"-DS2I_LINK_JPEG={jpeg}", f"-I{C_FOLDER}/src"]
    compile_c("gcc", flags, [C_FOLDER / "tests" / "conduct.c", *sources()], tmp_path / "conduct")
    result = subprocess.run([tmp_path / "conduct"], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_fuzz_targets_hold_on_the_vectors(target, objects, tmp_path):
    program = tmp_path / target
    inputs = [C_FOLDER / "fuzz" / "standalone.c", C_FOLDER / "fuzz" / f"fuzz_{target}.c", *objects]
    compile_c("gcc", SANITIZE, inputs, program)
    vectors = json.loads((Path(firmware_bridge.__file__).parent / "vectors" / "link.json").read_text(encoding="utf-8"))
    names = []
    for number, vector in enumerate(vectors["messages"]):
        kind, payload = vector["type"], bytes.fromhex(vector["payload"])[:255]
        for name, content in {
            "wire": bytes.fromhex(vector["wire"]),
            "payload": bytes([number]) + payload,
            "framed": bytes([kind, 0, len(payload)]) + payload + bytes([kind, 0x80, 1, 9]),
        }.items():
            names.append(tmp_path / f"{name}-{number}")
            names[-1].write_bytes(content)
    result = subprocess.run([program, *names], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
