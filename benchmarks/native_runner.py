"""s2i_run beside the Python command, one process a picture, in turns: `python -m benchmarks.native_runner`.

Prints the minimum over the rounds of wall time, memory and each stage's milliseconds, the size of the program, and
how far its pictures of the bundled recordings are from Python's. Needs make, a C compiler and the bundled weights.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from time import perf_counter

import numpy as np
import soundfile
from PIL import Image

import edge_s2i
from edge_s2i.audio import check_utterance, log_mel, read_audio
from edge_s2i.audio.level import set_peak

ROOT = Path(edge_s2i.__file__).parents[1]
RUNNER = ROOT / "firmware_bridge" / "runner"
SHIPPED = ROOT / "edge_s2i" / "weights" / "default"


def measure(command: list[str]) -> tuple[float, float, dict[str, float]]:
    """Seconds from start to exit, peak memory in MB, and the milliseconds of the stages that it reports."""
    start = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = perf_counter() - start
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024, json.loads(output)["timings_ms"]


def compare(native: list[str], folder: Path) -> None:
    """Draws every bundled recording with both, resampled by each in its own way, and prints the differences."""
    draw = edge_s2i.load(SHIPPED)
    print("| recording | picture, PSNR | embedding, cosine - 1 | log-mel, greatest difference |\n|---|---|---|---|")
    for recording in sorted((ROOT / "edge_s2i" / "examples").glob("*.ogg")):
        samples, rate = soundfile.read(recording, dtype="float32")
        wav, out = folder / "in.wav", folder / "out.png"
        soundfile.write(wav, samples, rate, subtype="FLOAT")
        expected = draw(wav, seed=1, draw_anyway=True)
        command = [*native, "--bundle", str(SHIPPED), str(wav), "-o", str(out), "--anyway", "--seed", "1"]
        subprocess.run([*command, "--dump", str(folder)], check=True, stdout=subprocess.DEVNULL)
        with Image.open(out) as picture:
            error = float(np.mean((np.asarray(picture).astype(float) - expected.arrays[0]) ** 2))
        psnr = "equal" if error == 0 else f"{10 * np.log10(255**2 / error):.1f} dB"
        embedding = np.fromfile(folder / "embedding.f32", np.float32).astype(float)
        features = np.fromfile(folder / "log_mel.f32", np.float32)
        theirs = log_mel(set_peak(check_utterance(read_audio(wav)))).ravel()
        difference = f"{np.abs(features - theirs).max():.4f}" if len(features) == len(theirs) else "another length"
        assert expected.embedding is not None
        cosine = embedding @ expected.embedding / np.linalg.norm(embedding) / np.linalg.norm(expected.embedding)
        print(f"| {recording.stem} | {psnr} | {cosine - 1:.0e} | {difference} |")


def main() -> None:
    """Builds, runs in turns and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--recording", default="en-penguin", help="a bundled recording's name")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    found = importlib.util.find_spec("onnxruntime")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("onnxruntime is not installed")
    library = Path(found.submodule_search_locations[0]) / "capi"

    with tempfile.TemporaryDirectory() as folder:
        build, wav, out = Path(folder, "build"), Path(folder, "in.wav"), Path(folder, "out.png")
        subprocess.run(["make", "-s", "-C", str(RUNNER), f"BUILD={build}"], check=True)
        samples, rate = soundfile.read(ROOT / "edge_s2i" / "examples" / f"{arguments.recording}.ogg")
        soundfile.write(wav, samples, rate)
        shared = [str(wav), "-o", str(out), "--anyway", "--json", "--threads", str(arguments.threads)]
        bundle = ["--bundle", str(SHIPPED)]
        image = Path(folder, "model.bin")
        python = [sys.executable, "-m", "edge_s2i.cli.main"]
        subprocess.run([*python, "flash", str(SHIPPED), "-o", str(image)], check=True, stdout=subprocess.DEVNULL)
        native = [str(build / "s2i_run"), "--ort", str(library)]
        commands = {
            "edge-s2i draw": [*python, "draw", *shared, *bundle],
            "s2i_run": [*native, *shared, *bundle],
            "s2i_run --flash": [*native, *shared, "--flash", str(image)],
        }
        best: dict[str, dict[str, float]] = {name: defaultdict(lambda: float("inf")) for name in commands}
        for _ in range(arguments.rounds):
            for name, command in commands.items():
                seconds, memory, stages = measure(command)
                row = {"process ms": seconds * 1000, "peak MB": memory, **stages}
                for column, value in row.items():
                    best[name][column] = min(best[name][column], value)
        columns = ["process ms", "peak MB", "load", "read", "log_mel", "encoder", "confidence", "generator", "total"]
        print(f"| minimum of {arguments.rounds} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
        for name, row in best.items():
            print(f"| {name} | {' | '.join(f'{row[c]:.1f}' if c in row else '' for c in columns)} |")
        subprocess.run(["size", str(build / "s2i_run")], check=False)
        compare(native, Path(folder))


if __name__ == "__main__":
    main()
