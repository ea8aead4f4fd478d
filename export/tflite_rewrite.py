"""Activations of a quantized TFLite graph, in integers.

ai-edge-quantizer leaves LEAKY_RELU and RELU_N1_TO_1 in float between a DEQUANTIZE and a QUANTIZE, although TFLite, and
every NPU, does them in int8. The three are one operator between the same two integer tensors: a LEAKY_RELU, or for the
other a QUANTIZE, whose range ends where the clip's does. A MAXIMUM behind a LEAKY_RELU whose given range ends where it
begins to clip has nothing left to do, and is taken out.
"""

from typing import Any

import numpy as np

_MAXIMUM = 55
_DEQUANTIZE, _RELU_N1_TO_1, _LEAKY_RELU, _QUANTIZE = 6, 20, 98, 114  # of TFLite's BuiltinOperator
_INT8 = 9  # of TFLite's TensorType
_INT8_VERSION = 2  # of LEAKY_RELU


def integer_activations(graph: bytes) -> bytes:
    """The graph with every activation between a DEQUANTIZE and a QUANTIZE in integers; others stay as they are."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(graph))
    kinds = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    for code, kind in zip(model.operatorCodes, kinds, strict=True):
        if kind == _LEAKY_RELU:
            code.version = max(code.version, _INT8_VERSION)
    for subgraph in model.subgraphs:
        _merge(subgraph, kinds)
        _drop_clips(model, subgraph, kinds)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _merge(subgraph: Any, kinds: list[int]) -> None:
    def kind(operator: Any) -> int:
        return kinds[operator.opcodeIndex]

    makers = {int(output): operator for operator in subgraph.operators for output in operator.outputs}
    readers: dict[int, list[Any]] = {}
    for operator in subgraph.operators:
        for tensor in operator.inputs:
            readers.setdefault(int(tensor), []).append(operator)
    given = {int(tensor) for tensor in subgraph.outputs}
    dropped = []
    for operator in subgraph.operators:
        if kind(operator) not in (_LEAKY_RELU, _RELU_N1_TO_1):
            continue
        before = makers.get(int(operator.inputs[0]))
        behind = readers.get(int(operator.outputs[0]), [])
        if before is None or kind(before) != _DEQUANTIZE or len(behind) != 1 or kind(behind[0]) != _QUANTIZE:
            continue
        if int(operator.outputs[0]) in given:
            continue
        if len(readers[int(before.outputs[0])]) == 1:
            dropped.append(before)
        if kind(operator) == _LEAKY_RELU:
            operator.inputs, operator.outputs = [before.inputs[0]], [behind[0].outputs[0]]
            dropped.append(behind[0])
        else:
            behind[0].inputs = [before.inputs[0]]
            dropped.append(operator)
    subgraph.operators = [
        operator for operator in subgraph.operators if not any(operator is other for other in dropped)
    ]


def _drop_clips(model: Any, subgraph: Any, kinds: list[int]) -> None:
    makers = {int(output): operator for operator in subgraph.operators for output in operator.outputs}
    given = {int(tensor) for tensor in subgraph.outputs}
    dropped = []
    for clip in subgraph.operators:
        if kinds[clip.opcodeIndex] != _MAXIMUM or int(clip.outputs[0]) in given:
            continue
        leaky = next((makers[int(name)] for name in clip.inputs if int(name) in makers), None)
        if leaky is None or kinds[leaky.opcodeIndex] != _LEAKY_RELU:
            continue
        value, after = int(leaky.outputs[0]), int(clip.outputs[0])
        least = _constant(model, subgraph, next(int(name) for name in clip.inputs if int(name) != value))
        scale, zero = _grid(subgraph.tensors[int(leaky.inputs[0])])
        if least is None or scale == 0.0 or _grid(subgraph.tensors[value]) != _grid(subgraph.tensors[after]):
            continue
        lowest = leaky.builtinOptions.alpha * scale * (-128 - zero)
        if lowest < least - scale / 2:
            continue
        for operator in subgraph.operators:
            operator.inputs = [value if int(name) == after else name for name in operator.inputs]
        dropped.append(clip)
    subgraph.operators = [
        operator for operator in subgraph.operators if not any(operator is other for other in dropped)
    ]


def _grid(tensor: Any) -> tuple[float, int]:
    """Scale and zero point of an int8 tensor of one scale; zeros for any other."""
    grid = tensor.quantization
    if tensor.type != _INT8 or grid is None or grid.scale is None or len(grid.scale) != 1:
        return 0.0, 0
    return float(grid.scale[0]), int(grid.zeroPoint[0])


def _constant(model: Any, subgraph: Any, index: int) -> float | None:
    """The one number that an int8 constant holds; None for anything else."""
    tensor = subgraph.tensors[index]
    data = model.buffers[tensor.buffer].data
    scale, zero = _grid(tensor)
    if scale == 0.0 or data is None or len(data) != 1:
        return None
    return scale * (int(np.asarray(data, np.uint8).view(np.int8)[0]) - zero)
