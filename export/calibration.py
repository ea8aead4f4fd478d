"""Ranges of activations, read off real inputs: what static int8 scales by.

Not the extremes: of the ranges that cut them, the one whose rounding and clipping together do the least square error
to the values seen (the idea of TensorRT's and Banner et al. 2019's calibrators, arXiv 1810.05723, on a grid).
"""

import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_s2i.runtime.backends import import_onnxruntime

Range = tuple[float, float]
Feed = Mapping[str, np.ndarray]

_VALUES = 1024  # of a tensor that one input leaves behind
_SHRINK = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
_SEARCHED = 8192


def measure_ranges(graph: onnx.ModelProto, feeds: Sequence[Feed], tensors: Iterable[str]) -> dict[str, Range]:
    """Least-error ranges (low <= 0 <= high) of the named tensors of `graph` over `feeds`."""
    wanted = list(dict.fromkeys(tensors))
    seen: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    for feed, values in _run_showing(graph, feeds, wanted):
        for name, value in zip(wanted, values, strict=True):
            flat = value.astype(np.float32).ravel()
            random = np.random.default_rng(len(seen[name]))
            chosen = flat if flat.size <= _VALUES else flat[random.integers(0, flat.size, _VALUES)]
            seen[name].append(np.concatenate([chosen, [flat.min(), flat.max()]]))
        del feed
    floors, clipped = _activation_floors(graph)
    ranges = {name: best_range(np.concatenate(values), floors.get(name)) for name, values in seen.items()}
    for node in graph.graph.node:  # one range around an activation: what it leaves as it is, is rounded once
        before, after = node.input[0] if node.input else "", node.output[0]
        if node.op_type == "LeakyRelu" and before in ranges:
            ranges |= {name: ranges[before] for name in (after, *clipped.get(after, ())) if name in ranges}
    return ranges


def tensorrt_cache(ranges: Mapping[str, Range]) -> str:
    """The ranges as TensorRT's entropy calibrators write them: a line a tensor, its scale as hexadecimal float32.

    TensorRT quantizes symmetrically, so a scale is the larger end over 127.
    """
    lines = ["TRT-100000-EntropyCalibration2"]
    for name, (low, high) in ranges.items():
        scale = max(-low, high, 1e-12) / 127.0
        lines.append(f"{name}: {struct.pack('>f', scale).hex()}")
    return "\n".join(lines) + "\n"


def _run_showing(
    graph: onnx.ModelProto, feeds: Sequence[Feed], tensors: Sequence[str]
) -> Iterable[tuple[Feed, list[np.ndarray]]]:
    """Runs the graph on each feed with `tensors` among its outputs."""
    onnxruntime = import_onnxruntime()
    model = onnx.ModelProto.FromString(graph.SerializeToString())
    outputs = {value.name for value in model.graph.output}
    inputs = {value.name for value in model.graph.input}
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in tensors
        if name not in outputs and name not in inputs
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    shown = [name for name in tensors if name not in inputs]
    for feed in feeds:
        values = dict(zip(shown, session.run(shown, dict(feed)), strict=True))
        yield feed, [np.asarray(feed[name]) if name in inputs else values[name] for name in tensors]


def best_range(values: np.ndarray, floor: float | None = None) -> Range:
    """Ends (low <= 0 <= high) of the 8-bit range that does `values` the least square error.

    floor: below which all values come out alike.
    """
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if floor is not None:
        low = max(low, floor)
        values = np.maximum(values, floor)
    if high - low < 1e-9:
        return low, max(high, 1e-9)
    if values.size > _SEARCHED:
        values = np.sort(values)[:: values.size // _SEARCHED]
    best, least = (low, high), np.inf
    lows = (low,) if low in (0.0, floor) else tuple(low * shrink for shrink in _SHRINK)
    highs = (high,) if high == 0.0 else tuple(high * shrink for shrink in _SHRINK)
    for some_low in lows:
        for some_high in highs:
            scale = (some_high - some_low) / 255.0
            zero = np.rint(-some_low / scale)
            codes = np.clip(np.rint(values / scale) + zero, 0, 255)
            error = float(np.square((codes - zero) * scale - values).mean())
            if error < least:
                best, least = (some_low, some_high), error
    return best


def _activation_floors(graph: onnx.ModelProto) -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    """Tensors that only a LeakyRelu and a clip behind it see, and the value below which these make all the same.

    Also what the clips give, by what the LeakyRelu gives.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    floors: dict[str, float] = {}
    clipped: dict[str, tuple[str, ...]] = {}
    for node in graph.graph.node:
        if node.op_type != "LeakyRelu" or len(readers.get(node.input[0], ())) != 1:
            continue
        behind = readers.get(node.output[0], [])
        if len(behind) == 1 and behind[0].op_type in ("Clip", "Max") and len(behind[0].input) > 1:
            least = constants.get(behind[0].input[1])
            slope = next((a.f for a in node.attribute if a.name == "alpha"), 0.01)
            if least is not None and least.size == 1 and float(least.reshape(())) < 0:
                floors[node.input[0]] = float(least.reshape(())) / slope
                clipped[node.output[0]] = (behind[0].output[0],)
    return floors, clipped
