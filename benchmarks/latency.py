"""Latency as a ratio to a reference kernel in the same process: what is left when the machine's mood is divided out.

Stage and kernel take turns on one thread, in processor time, so that neither a slower machine nor a neighbour's work
changes the ratio much. Two source trees are two processes that take turns too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.timing import ratio

HERE = Path(__file__).resolve().parent
ROUNDS = 9
REPEATS = 3  # runs of stage and kernel within a round


class Worker:
    """A running worker.py of one source tree."""

    def __init__(self, root: Path, kernel: Path, recording: Path, slow: Mapping[str, float]) -> None:
        """root: the tree whose edge_s2i is timed. Raises BenchmarkError where it cannot load."""
        environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment.pop("EDGE_S2I_BUNDLE", None)
        command = [sys.executable, str(HERE / "worker.py"), str(kernel), str(recording.resolve())]
        command += [f"{stage}={factor}" for stage, factor in slow.items()]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (open as long as the process is)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment
        )
        words = self._answer()
        if words[:1] != ["ready"]:
            raise BenchmarkError(f"{root} cannot be timed: {self._last_error()}")
        self.stages = [name.replace("_", " ") for name in words[1:]]

    def time(self, stage: str, repeats: int) -> tuple[float, float]:
        """Seconds of the stage and of the reference kernel, least of `repeats`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{stage.replace(' ', '_')} {repeats}\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise BenchmarkError(f"the worker died: {self._last_error()}") from error
        words = self._answer()
        if len(words) != 2:
            raise BenchmarkError(f"{stage} cannot be timed: {self._last_error()}")
        return float(words[0]), float(words[1])

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _answer(self) -> list[str]:
        assert self._process.stdout is not None
        return self._process.stdout.readline().split()

    def _last_error(self) -> str:
        self._process.wait(timeout=30)
        self._errors.seek(0)
        return (self._errors.read().strip().splitlines() or ["it said nothing"])[-1]


def measure_ratios(
    roots: Mapping[str, Path],
    recording: Path,
    *,
    stages: tuple[str, ...] = (),
    rounds: int = ROUNDS,
    slow: Mapping[str, float] | None = None,
) -> dict[str, dict[str, float]]:
    """Ratio of each stage to the reference kernel, by tree and stage.

    roots: name to source tree; they take turns within each round. stages: which, all if empty. rounds: at least 7.
    slow: stage to factor, for the last of the trees.
    """
    if rounds < 7:
        raise BenchmarkError(f"rounds is {rounds}; a ratio needs 7 or more")
    times: dict[str, dict[str, tuple[list[float], list[float]]]] = {name: {} for name in roots}
    with ExitStack() as stack:
        kernel = stack.enter_context(_reference_kernel())
        workers = {}
        last = list(roots)[-1]
        for name, root in roots.items():
            workers[name] = Worker(root, kernel, recording, (slow or {}) if name == last else {})
            stack.callback(workers[name].close)
        common = [stage for stage in workers[last].stages if all(stage in item.stages for item in workers.values())]
        for number in range(rounds):
            for stage in stages or common:
                order = list(workers.items())
                for name, worker in order if number % 2 == 0 else reversed(order):
                    taken = worker.time(stage, REPEATS)
                    pair = times[name].setdefault(stage, ([], []))
                    pair[0].append(taken[0])
                    pair[1].append(taken[1])
    return {name: {stage: ratio(*pair) for stage, pair in found.items()} for name, found in times.items()}


@contextmanager
def _reference_kernel() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.onnx"
        path.write_bytes(reference_model())
        yield path


def reference_model() -> bytes:
    """Four 3x3 convolutions of 48 channels at 32 x 32 px with ReLUs: 85 MMAC, about what a stage does."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights, name = [], [], "input"
    for layer in range(4):
        kernel = (random.standard_normal((48, 48, 3, 3)) * 0.05).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"weight{layer}"))
        nodes.append(helper.make_node("Conv", [name, f"weight{layer}"], [f"conv{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"conv{layer}"], [f"relu{layer}"]))
        name = f"relu{layer}"
    shape = [1, 48, 32, 32]
    graph = helper.make_graph(
        nodes,
        "reference",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()
