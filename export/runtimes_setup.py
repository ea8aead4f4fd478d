"""Fills a folder with the engines of other processes: by pip, npm and Debian's own packages, each by name.

Debian 12 for the Arm userland (its Python and C library are what the aarch64 wheels run on, under qemu-user).
"""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from export.onnx_graphs import ExportError
from export.runtimes import ARM, LEGACY, WEB

WEB_VERSION = "1.30.0"
_DEBIAN = (
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8", "libbz2-1.0", "liblzma5", "libssl3"),
    *("libuuid1", "libcrypt1", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"),
)
_ARM_WHEELS = ("numpy", "onnxruntime", "ai-edge-litert", "flatbuffers", "typing-extensions", "packaging", "protobuf")
_ARM_CPU = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
"""


def set_up(folder: Path, say: Callable[[str], None]) -> list[str]:
    """Makes what is missing in `folder` and returns what could not be made, a line each."""
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for name, make in ((LEGACY, _legacy), (WEB, _web), (ARM, _arm)):
        if (folder / name).exists():
            say(f"{name}: there already")
            continue
        partial = folder / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            make(partial)
            partial.rename(folder / name)
            say(f"{name}: made")
        except (ExportError, OSError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            failures.append(f"{name}: {error}")
    return failures


def _legacy(folder: Path) -> None:
    """tflite-runtime 2.14, the last, beside a NumPy that it can read; it has no wheel for Python 3.12 and later."""
    python = next((path for path in map(shutil.which, ("python3.11", "python3.10")) if path), None)
    if python is None:
        raise ExportError("tflite-runtime needs Python 3.10 or 3.11, and neither is installed")
    _run([python, "-m", "venv", "--copies", str(folder)])
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "numpy<2", "tflite-runtime==2.14.0"])


def _web(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise ExportError("npm is not installed")
    folder.mkdir()
    _run([npm, "install", "--ignore-scripts", "--prefix", str(folder), f"onnxruntime-web@{WEB_VERSION}"])


def _arm(folder: Path) -> None:
    """Debian's arm64 Python unpacked beside this machine's own packages, whose lists are not touched."""
    for program in ("apt-get", "dpkg"):
        if shutil.which(program) is None:
            raise ExportError(f"the Arm userland is made of Debian packages, and {program} is not installed")
    folder.mkdir()
    lists, archives = folder / "apt", folder / "debs"
    (lists / "lists" / "partial").mkdir(parents=True)
    (lists / "cache" / "archives" / "partial").mkdir(parents=True)
    archives.mkdir()
    (lists / "status").touch()
    options = [
        *("-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64", "-o", "APT::Sandbox::User=root"),
        *("-o", f"Dir::State={lists}", "-o", f"Dir::State::status={lists / 'status'}"),
        *("-o", f"Dir::Cache={lists / 'cache'}", "-o", "Debug::NoLocking=1"),
    ]
    _run(["apt-get", *options, "-q", "update"])
    _run(["apt-get", *options, "-q", "download", *_DEBIAN], archives)
    for package in sorted(archives.glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(folder)])
    wheels = folder / "wheels"
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in (17, 27, 28, 31, 34)] + ["manylinux2014_aarch64"]
    for wheel in _ARM_WHEELS:
        _run(
            [
                *(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"),
                *("--python-version", "3.11", "--implementation", "cp", "-d", str(wheels)),
                *(part for platform in platforms for part in ("--platform", platform)),
                wheel,
            ]
        )
    packages = folder / "usr" / "lib" / "python3" / "dist-packages"
    packages.mkdir(parents=True, exist_ok=True)
    for wheel_file in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel_file) as archive:
            archive.extractall(packages)
    # Engines read what the processor is from here; without it they take this machine's and crash.
    (folder / "proc").mkdir(exist_ok=True)
    (folder / "proc" / "cpuinfo").write_text(_ARM_CPU)
    for leftover in (lists, archives, wheels):
        shutil.rmtree(leftover)


def _run(command: Sequence[str], folder: Path | None = None) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=1800)
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise ExportError(f"{' '.join(command[:4])} ... failed: {lines[-1] if lines else 'no words'}")
