"""What a maker starts from: the examples, the CMake target and the Arduino layout compile."""

import os
import shutil
import subprocess

import pytest

from edge_s2i.errors import OutputError
from firmware_bridge.tools.arduino import lay_out
from firmware_bridge.tools.c_library import WARNINGS, compile_c
from firmware_bridge.tools.c_spec import C_FOLDER

COMPILERS = {"gcc": [], "clang": [], "arm-none-eabi-gcc": ["-mcpu=cortex-m0plus", "-mthumb"]}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("family", ["esp32s3", "rp2040", "stm32"])
def test_examples_are_short_and_compile_without_their_sdk(family, compiler, tmp_path):
    source = C_FOLDER / "examples" / family / "main.c"
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 62
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    compile_c(compiler, [*COMPILERS[compiler], "-c"], [source], tmp_path / "main.o")


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("gcc")), reason="cmake or gcc is not installed")
def test_cmake_knows_every_source(tmp_path):
    text = (C_FOLDER / "CMakeLists.txt").read_text(encoding="utf-8")
    assert all(f"src/{path.name}" in text for path in (C_FOLDER / "src").glob("*.c"))
    command = ["cmake", "-S", C_FOLDER, "-B", tmp_path, "-DCMAKE_C_COMPILER=gcc"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_arduino_layout_stands_alone(tmp_path):
    lay_out(tmp_path / "s2i_link")
    source = tmp_path / "s2i_link" / "src"
    for path in (source / "device.c", source / "picture_in.c"):
        command = ["gcc", "-std=c99", *WARNINGS, f"-I{source}", "-c", path, "-o", os.devnull]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    with pytest.raises(OutputError, match="new name"):
        lay_out(tmp_path / "s2i_link")
