"""Ranges of a TFLite graph's tensors, read off real inputs: as `calibration` has them for ONNX.

ai-edge-quantizer takes extremes. Between a convolution and the clip behind its leaky ReLU that is four times too wide:
what lies below comes out as one value. There a single range serves all three, from where the clip begins to bite, so
that integers clip by themselves, and what is positive is rounded once instead of three times.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from export.calibration import Range, best_range

_VALUES = 1024  # of a tensor that one input leaves behind
_INPUTS = 48  # that are looked at
CLIPS = {"RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0), "RELU6": (0.0, 6.0)}


def measure(graph: bytes, feeds: Sequence[Sequence[np.ndarray]]) -> dict[str, Range]:
    """Least-error ranges of all float tensors that the graph computes or is given, by name, over `feeds`.

    feeds: inputs in the graph's order; of many, evenly drawn ones.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=graph,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    details = {item["index"]: item for item in interpreter.get_tensor_details()}
    operators = interpreter._get_ops_details()
    given = sorted(interpreter.get_input_details(), key=lambda item: item["name"])
    wanted = [item["index"] for item in given] + [index for operator in operators for index in operator["outputs"]]
    wanted = [index for index in dict.fromkeys(wanted) if details[index]["dtype"] == np.float32]
    seen: dict[int, list[np.ndarray]] = {index: [] for index in wanted}
    places = np.unique(np.linspace(0, len(feeds) - 1, min(_INPUTS, len(feeds))).astype(int))
    for place in places:
        for item, value in zip(given, feeds[place], strict=True):
            interpreter.set_tensor(item["index"], value.astype(item["dtype"]))
        interpreter.invoke()
        random = np.random.default_rng(place)
        for index in wanted:
            flat = interpreter.get_tensor(index).ravel()
            some = flat if flat.size <= _VALUES else flat[random.integers(0, flat.size, _VALUES)]
            seen[index].append(np.concatenate([some, [flat.min(), flat.max()]]))
    ranges = {index: best_range(np.concatenate(values)) for index, values in seen.items()}
    _share(ranges, seen, operators, interpreter, details, graph)
    return {details[index]["name"]: limits for index, limits in ranges.items()}


def _share(
    ranges: dict[int, Range],
    seen: dict[int, list[np.ndarray]],
    operators: list[dict[str, Any]],
    interpreter: Any,
    details: dict[int, dict[str, Any]],
    graph: bytes,
) -> None:
    """One range for what stands around an activation."""
    readers: dict[int, list[dict[str, Any]]] = {}
    for operator in operators:
        for index in operator["inputs"]:
            readers.setdefault(int(index), []).append(operator)
    slopes = leaky_slopes(graph)
    for operator in operators:
        before, after = int(operator["inputs"][0]), int(operator["outputs"][0])
        if operator["op_name"] in CLIPS:
            ranges[before] = ranges[after] = CLIPS[operator["op_name"]]
        elif operator["op_name"] == "LEAKY_RELU":
            behind = readers.get(after, [])
            clip = behind[0] if len(behind) == 1 and behind[0]["op_name"] == "MAXIMUM" else None
            floor = None if clip is None else _constant(clip, after, interpreter, details, ranges)
            if floor is not None and floor < 0 and clip is not None:
                low, high = best_range(np.concatenate(seen[before]), floor / slopes[details[after]["name"]])
                # Exactly where the clip begins: integers then end there.
                ranges[before] = ranges[after] = ranges[int(clip["outputs"][0])] = (min(low, 0.0), high)
            else:
                ranges[after] = ranges[before]


def _constant(clip: dict[str, Any], value: int, interpreter: Any, details: Any, computed: Any) -> float | None:
    """The number that a MAXIMUM compares `value` with; None where it is no single constant."""
    others = [int(index) for index in clip["inputs"] if int(index) != value]
    if len(others) != 1 or others[0] in computed:
        return None
    number = interpreter.get_tensor(others[0])
    return float(number.reshape(())) if number.size == 1 and details[others[0]]["dtype"] == np.float32 else None


def leaky_slopes(graph: bytes) -> dict[str, float]:
    """Slope of each LEAKY_RELU by the name of what it gives."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(graph))
    return {
        subgraph.tensors[int(operator.outputs[0])].name.decode(): float(operator.builtinOptions.alpha)
        for subgraph in model.subgraphs
        for operator in subgraph.operators
        if type(operator.builtinOptions).__name__ == "LeakyReluOptionsT"
    }
