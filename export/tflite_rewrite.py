"""Activations of a quantized TFLite graph, in integers.

ai-edge-quantizer leaves LEAKY_RELU and RELU_N1_TO_1 in float between a DEQUANTIZE and a QUANTIZE, although TFLite, and
every NPU, does them in int8. The three are one operator between the same two integer tensors: a LEAKY_RELU, or for the
other a QUANTIZE, whose range ends where the clip's does.
"""

from typing import Any

_DEQUANTIZE, _RELU_N1_TO_1, _LEAKY_RELU, _QUANTIZE = 6, 20, 98, 114  # of TFLite's BuiltinOperator
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
