"""The engines that a graph is checked on: those of this process, and those of other ones, each asked by name.

What is not of this process lies in a folder that EDGE_S2I_RUNTIMES names and `edge-s2i export runtimes FOLDER` fills:
tflite-runtime with a NumPy below 2, onnxruntime-web, and an Arm userland for qemu.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from edge_s2i.runtime.backends import LiteRtBackend, OnnxBackend

RUNTIMES_VARIABLE = "EDGE_S2I_RUNTIMES"
LEGACY, WEB, ARM = "tflite-runtime", "web", "aarch64"  # folders in it
LEGACY_NAME = "tflite-runtime 2.14"
_RUNNERS = Path(__file__).parent / "runners"
_TIMEOUT = 900  # s for all graphs of one engine
_TIMEOUT_A_GRAPH = 120  # s more for each of them; emulation is slow

Result = list[np.ndarray] | str  # outputs of the feeds, or why there are none


@dataclass(frozen=True)
class Job:
    """One graph, the names of its inputs in order, and what it is fed."""

    graph: bytes
    inputs: tuple[str, ...]
    feeds: Sequence[Mapping[str, np.ndarray]]


class Runtime(Protocol):
    """One engine on one machine, real or emulated."""

    name: str
    engine: str

    def missing(self) -> str | None:
        """Why it cannot be asked; None where it can."""
        ...

    def run(self, jobs: Sequence[Job]) -> list[Result]:
        """The first output of every feed of every job."""
        ...


class Here:
    """ONNX Runtime or LiteRT of this process, by the backends that the device uses."""

    def __init__(self, name: str, engine: str) -> None:
        self.name, self.engine = name, engine

    def missing(self) -> str | None:
        return None

    def run(self, jobs: Sequence[Job]) -> list[Result]:
        results: list[Result] = []
        for job in jobs:
            try:
                graph = OnnxBackend(job.graph, 1) if self.engine == "onnx" else LiteRtBackend(job.graph, job.inputs, 1)
                results.append([graph.run(feed) for feed in job.feeds])
            except Exception as error:  # whatever a graph makes an engine raise is this graph's failure
                results.append((str(error).splitlines() or [type(error).__name__])[0])
        return results


class Elsewhere:
    """Another process: a command that is given a folder of jobs, each a graph and raw inputs, and leaves outputs."""

    def __init__(self, name: str, engine: str, command: Sequence[str], lacking: str | None = None) -> None:
        """command: what to run, the folder is appended; lacking: what of it is not there."""
        self.name, self.engine = name, engine
        self._command = list(command)
        self._lacking = lacking

    def missing(self) -> str | None:
        return self._lacking

    def run(self, jobs: Sequence[Job]) -> list[Result]:
        if not jobs:
            return []
        with tempfile.TemporaryDirectory(prefix="edge-s2i-parity-") as name:
            folder = Path(name)
            write_jobs(folder, self.engine, jobs)
            try:
                process = self.start(folder, _TIMEOUT + _TIMEOUT_A_GRAPH * len(jobs))
            except (OSError, subprocess.TimeoutExpired) as error:
                return [f"{type(error).__name__}: {error}"] * len(jobs)
            results = read_results(folder, jobs)
            if all(isinstance(result, str) for result in results) and process.returncode:
                lines = (process.stderr or "").strip().splitlines()
                return [f"exit code {process.returncode}: {lines[-1] if lines else 'no words'}"] * len(jobs)
            return results

    def start(self, folder: Path, timeout: float) -> subprocess.CompletedProcess:
        """Runs the command on the folder, for `timeout` seconds at most."""
        return subprocess.run(
            [*self._command, str(folder)], capture_output=True, text=True, check=False, timeout=timeout
        )


def runtimes(folder: Path | None = None) -> list[Runtime]:
    """Every engine that graphs are checked on; what is not installed says so when asked.

    folder: that of the other processes' engines; the one that EDGE_S2I_RUNTIMES names if not given.
    """
    from export.browser import Chromium

    named = os.environ.get(RUNTIMES_VARIABLE)
    folder = folder or (Path(named) if named else None)
    script = str(_RUNNERS / "run_graphs.py")
    web = None if folder is None else folder / WEB
    node = shutil.which("node")
    legacy = _inside(folder, f"{LEGACY}/bin/python")
    root = _inside(folder, f"{ARM}/usr/bin/python3.11")
    qemu = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    no_web = None if _inside(web, "node_modules/onnxruntime-web/package.json") else _unset(folder, WEB)
    no_arm = "qemu-user-static is not installed" if qemu is None else None if root else _unset(folder, ARM)
    arm_root = str(folder / ARM) if folder is not None else ""
    arm = [str(qemu), "-cpu", "cortex-a72", "-L", arm_root, str(root), "-I", script]
    return [
        Here("onnxruntime", "onnx"),
        Here("ai-edge-litert", "litert"),
        Elsewhere(LEGACY_NAME, "litert", [str(legacy), script], None if legacy else _unset(folder, LEGACY)),
        Elsewhere(
            "onnxruntime-web in Node",
            "onnx",
            [str(node), str(_RUNNERS / "run_graphs.mjs"), str(web)],
            "node is not installed" if node is None else no_web,
        ),
        Chromium("onnxruntime-web in Chromium", web, no_web),
        Elsewhere("onnxruntime aarch64 (qemu)", "onnx", arm, no_arm),
        Elsewhere("ai-edge-litert aarch64 (qemu)", "litert", arm, no_arm),
    ]


def write_jobs(folder: Path, engine: str, jobs: Sequence[Job]) -> None:
    """Leaves jobs.json and every graph and input as a file of its own, raw and little-endian, in `folder`."""
    content = []
    for number, job in enumerate(jobs):
        graph = f"graph-{number}"
        (folder / graph).write_bytes(job.graph)
        feeds: list[dict] = []
        for place, feed in enumerate(job.feeds):
            feeds.append({})
            for name in job.inputs:
                value = np.ascontiguousarray(feed[name])
                file = f"input-{number}-{place}-{name}"
                (folder / file).write_bytes(value.astype(value.dtype.newbyteorder("<")).tobytes())
                feeds[-1][name] = {"file": file, "type": str(value.dtype), "shape": list(value.shape)}
        content.append({"graph": graph, "inputs": list(job.inputs), "feeds": feeds})
    (folder / "jobs.json").write_text(json.dumps({"engine": engine, "jobs": content}))


def read_results(folder: Path, jobs: Sequence[Job]) -> list[Result]:
    """What a runner left in `folder`, or its words for why it did not."""
    results: list[Result] = []
    for number, job in enumerate(jobs):
        try:
            entry = json.loads((folder / f"result-{number}.json").read_text())
            if "error" in entry:
                results.append(str(entry["error"]))
                continue
            outputs = []
            for place, item in enumerate(entry["outputs"]):
                values = np.frombuffer((folder / f"output-{number}-{place}").read_bytes(), np.dtype(item["type"]))
                outputs.append(values.reshape(item["shape"]))
            results.append(outputs if len(outputs) == len(job.feeds) else "it answered some inputs only")
        except (OSError, ValueError, KeyError, TypeError) as error:
            results.append(f"no result ({type(error).__name__})")
    return results


def _inside(folder: Path | None, name: str) -> Path | None:
    return folder / name if folder is not None and (folder / name).exists() else None


def _unset(folder: Path | None, name: str) -> str:
    if folder is None:
        return f"{RUNTIMES_VARIABLE} names no folder of other engines"
    return f"{folder} has no {name}"
