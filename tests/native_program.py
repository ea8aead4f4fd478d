"""Builds s2i_run and the flash reader for the tests, once a run; says why where that cannot be done here."""

import atexit
import functools
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import edge_s2i

ROOT = Path(edge_s2i.__file__).parents[1]
RUNNER = ROOT / "firmware_bridge" / "runner"
FLASH = ROOT / "firmware_bridge" / "flash"
INCLUDES = ("-I", RUNNER / "src", "-I", FLASH, "-I", ROOT / "firmware_bridge" / "c" / "include")
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror")


@functools.cache
def _workplace() -> Path:
    path = Path(tempfile.mkdtemp(prefix="s2i-native-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def needs(*programs: str) -> None:
    """Skips the test where a program is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def checked(*command: object) -> None:
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-4000:]


@functools.cache
def _made(name: str, variables: tuple[str, ...]) -> Path:
    build = _workplace() / name
    checked("make", "-s", "-j2", "-C", RUNNER, f"BUILD={build}", *variables)
    return build / "s2i_run"


def program(name: str = "plain", *variables: str, compiler: str = "gcc") -> Path:
    """s2i_run, built by the Makefile with `variables`; skips without make and the compiler."""
    needs("make", compiler)
    return _made(name, (f"CC={compiler}", *variables))


@functools.cache
def _flash_library() -> Path:
    library = _workplace() / "libs2i_flash.so"
    flags = ("-std=c99", "-O1", "-shared", "-fPIC", *WARNINGS)
    checked("gcc", *flags, FLASH / "s2i_flash.c", "-o", library)
    return library


def flash_library() -> Path:
    """The flash image's C reader as a shared library; skips without gcc."""
    needs("gcc")
    return _flash_library()


def library_of(package: str, folder: str, stem: str) -> Path:
    """An engine's shared library in an installed wheel; skips where there is none."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    libraries = sorted((Path(found.submodule_search_locations[0]) / folder).glob(f"{stem}*"))
    if not libraries:
        pytest.skip(f"the {package} installed here carries no {stem}")
    return libraries[0]


def onnxruntime_library() -> Path:
    return library_of("onnxruntime", "capi", "libonnxruntime.so")


def litert_library() -> Path:
    return library_of("ai_edge_litert", ".", "libLiteRt.so")
