"""Builds the Cortex-M4F firmware that speaks one recording, and starts it in QEMU with its UART on a pty.

python -m firmware_bridge.tools.qemu_firmware edge_s2i/examples/en-dog.ogg --out board.elf
python -m firmware_bridge.tools.qemu_firmware edge_s2i/examples/en-dog.ogg --run   # then: edge-s2i bridge /dev/pts/N
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edge_s2i.errors import EdgeS2IError, RequestError
from firmware_bridge.link.spec import SAMPLE_RATE
from firmware_bridge.tools.c_library import compile_c, sources
from firmware_bridge.tools.c_spec import C_FOLDER

FOLDER = C_FOLDER / "examples" / "qemu_mps2"
CORTEX_M4F = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
COMPILER, EMULATOR = "arm-none-eabi-gcc", "qemu-system-arm"
MAX_SECONDS = 10


def missing_program() -> str | None:
    """The first program that is not installed; None if all are."""
    return next((name for name in (COMPILER, EMULATOR) if shutil.which(name) is None), None)


def recording_samples(path: Path) -> np.ndarray:
    """A recording as (N,) int16 at 16 kHz, its peak at half scale."""
    import soundfile
    import soxr

    try:
        content, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise RequestError(f"{path} cannot be read as audio: {error}") from error
    samples = soxr.resample(content.mean(axis=1), rate, SAMPLE_RATE)[: MAX_SECONDS * SAMPLE_RATE]
    peak = float(np.abs(samples).max(initial=1e-6))
    return np.rint(samples / peak * 16_000).astype(np.int16)


def speech_header(samples: np.ndarray) -> str:
    """The recording as a C array."""
    rows = [", ".join(map(str, samples[at : at + 20].tolist())) for at in range(0, len(samples), 20)]
    body = ",\n    ".join(rows)
    return (
        f"#include <stdint.h>\n\n#define SPEECH_SAMPLES {len(samples)}u\n\n"
        f"static const int16_t speech[SPEECH_SAMPLES] = {{\n    {body}}};\n"
    )


def build(samples: np.ndarray, out: Path, side: int = 128) -> None:
    """Compiles the firmware for a panel of so many pixels a side; RequestError where the compiler is not there."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "speech.h").write_text(speech_header(samples), encoding="utf-8")
        flags = [*CORTEX_M4F, "-Os", "-ffreestanding", "-ffunction-sections", "-fdata-sections", "-nostdlib"]
        flags += [f"-DPANEL_SIDE={side}", f"-I{folder}", f"-T{FOLDER / 'board.ld'}", "-Wl,--gc-sections"]
        inputs = [FOLDER / "startup.c", FOLDER / "main.c", *sources()]
        compile_c(COMPILER, flags, inputs, out)


def start(firmware: Path) -> tuple[subprocess.Popen, str]:
    """Starts QEMU; gives the process, which the caller ends, and the pty that is its UART."""
    command = [EMULATOR, "-M", "mps2-an386", "-kernel", str(firmware), "-display", "none", "-monitor", "none"]
    process = subprocess.Popen(
        [*command, "-serial", "pty"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"(/dev/\S+)", line)
    if found is None:
        process.kill()
        process.wait()
        raise RequestError(f"{EMULATOR} does not start: {line.strip()}")
    return process, found[1]


def main(arguments: list[str] | None = None) -> int:
    """Builds, and runs if asked to; 2 where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--out", type=Path, default=Path("board.elf"))
    parser.add_argument("--run", action="store_true", help="start it, until Ctrl-C")
    options = parser.parse_args(arguments)
    try:
        build(recording_samples(options.recording), options.out)
        print(f"wrote {options.out}")
        if options.run:
            process, pty = start(options.out)
            print(f"the board's UART is {pty}; run: edge-s2i bridge {pty}", flush=True)
            try:
                process.wait()
            except KeyboardInterrupt:
                process.terminate()
                process.wait()
    except EdgeS2IError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
