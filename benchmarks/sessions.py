"""ONNX Runtime sessions of a fixed thread count, and what its profile says of every layer."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.errors import BenchmarkError

Feed = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Layer:
    """One node of the graph that ONNX Runtime really runs."""

    name: str
    operator: str
    inputs: tuple[tuple[int, ...], ...]  # shapes, weights included
    outputs: tuple[tuple[int, ...], ...]
    bytes: int  # read and written, weights included
    macs: int  # multiply-accumulates it performs, of channels that a blocked layout adds too
    least_ms: float
    median_ms: float


def make_session(
    model: bytes, threads: int = 1, *, level: Any = None, profile: Path | None = None, **entries: str
) -> onnxruntime.InferenceSession:
    """A session on the CPU; `level` as onnxruntime.GraphOptimizationLevel, entries as session.set_x="1" of it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if level is not None:
        options.graph_optimization_level = level
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no base class
        raise BenchmarkError(f"ONNX Runtime cannot load the graph: {str(error).splitlines()[0]}") from error


def profile_layers(model: bytes, feed: Feed, runs: int, *, optimized: bool = True) -> list[Layer]:
    """Every layer in the order it ran, one thread, of `runs` runs behind three to warm up.

    optimized: as ONNX Runtime rearranges the graph for this processor; else as it is written.
    """
    levels = onnxruntime.GraphOptimizationLevel
    with tempfile.TemporaryDirectory() as folder:
        session = make_session(
            model,
            level=levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL,
            profile=Path(folder) / "profile",
        )
        for _ in range(runs + 3):
            session.run(None, dict(feed))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    times: dict[str, list[int]] = {}
    nodes: dict[str, Mapping[str, Any]] = {}
    for event in events:
        name = event["name"].removesuffix("_kernel_time")
        if event.get("cat") == "Node" and name != event["name"]:
            times.setdefault(name, []).append(event["dur"])
            nodes[name] = event["args"]
    return [_layer(name, node, times[name][3:]) for name, node in nodes.items()]


def _layer(name: str, node: Mapping[str, Any], microseconds: Sequence[int]) -> Layer:
    inputs, outputs = (_shapes(node.get(key, ())) for key in ("input_type_shape", "output_type_shape"))
    shapes = [shape for _, shape in inputs], [shape for _, shape in outputs]
    macs = layer_macs(node["op_name"], shapes[0], shapes[1])
    moved = sum(_ITEM_SIZES.get(kind, 4) * math.prod(shape) for kind, shape in (*inputs, *outputs))
    if macs and all(len(shape) < 2 for shape in shapes[0][1:]):  # a product's packed weights are listed no more
        moved += 4 * macs // max(1, math.prod(shapes[1][0][:-1]))
    return Layer(
        name=name,
        operator=node["op_name"],
        inputs=tuple(shapes[0]),
        outputs=tuple(shapes[1]),
        bytes=moved,
        macs=macs,
        least_ms=min(microseconds) / 1000.0,
        median_ms=median(microseconds) / 1000.0,
    )


def layer_macs(operator: str, inputs: Sequence[tuple[int, ...]], outputs: Sequence[tuple[int, ...]]) -> int:
    """Multiply-accumulates of one node from its shapes; 0 for what is no product of matrices or convolution."""
    if operator in ("Conv", "FusedConv", "ConvInteger"):
        return math.prod(outputs[0]) * math.prod(inputs[1][1:])
    if operator == "QLinearConv":
        return math.prod(outputs[0]) * math.prod(inputs[3][1:])
    if operator == "ConvTranspose":
        return math.prod(inputs[0]) * math.prod(inputs[1][1:])
    if operator in ("Gemm", "FusedGemm", "MatMul", "FusedMatMul", "MatMulInteger"):
        return math.prod(outputs[0]) * _inner(inputs[0], outputs[0])
    if operator in ("QLinearMatMul", "QGemm"):
        return math.prod(outputs[0]) * _inner(inputs[0], outputs[0])
    return 0


def _inner(first: tuple[int, ...], output: tuple[int, ...]) -> int:
    """Length that a product sums over: the first factor's numbers by the output's rows, transposed or not."""
    rows = output[-2] if len(output) > 1 else 1
    size = first[-1] * (first[-2] if len(first) > 1 else 1)
    return max(1, size // max(1, rows))


_ITEM_SIZES = {"float": 4, "int8": 1, "uint8": 1, "int32": 4, "int64": 8, "float16": 2, "bool": 1, "double": 8}


def _shapes(values: Sequence[Mapping[str, list[int]]]) -> list[tuple[str, tuple[int, ...]]]:
    return [(kind, tuple(shape)) for value in values for kind, shape in value.items()]
