"""Static int8 and fp16 of ONNX graphs.

int8 is the QDQ form: quantize and dequantize around Conv, Gemm and MatMul, activations as unsigned 8-bit numbers whose
ranges were read off real inputs, weights as signed ones with a scale an output channel. What is not named stays in
float: pooling, attention and normalization lose far more than they cost.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from export.calibration import Range
from export.graph_editing import GraphEditor
from export.onnx_graphs import ExportError

QUANTIZED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# A NPU computes in integers from input to output; on a CPU the same would lose and win nothing.
INTEGER = (
    *QUANTIZED,
    *("Add", "Mul", "LeakyRelu", "Clip", "Max", "Min", "MaxPool", "Resize", "Reshape", "Transpose", "Flatten"),
)


def quantizable(graph: onnx.ModelProto) -> list[str]:
    """Names of the nodes that static int8 would quantize, in the order they run."""
    constants = {tensor.name for tensor in graph.graph.initializer}
    return [
        node.name
        for node in graph.graph.node
        if node.op_type in QUANTIZED and len(node.input) > 1 and node.input[1] in constants
    ]


def tensors_to_measure(graph: onnx.ModelProto, integer: bool = False) -> list[str]:
    """Activations that `quantize_static` wants the ranges of."""
    types = INTEGER if integer else QUANTIZED
    constants = {tensor.name for tensor in graph.graph.initializer}
    inferred = _ready(graph).graph
    is_float = {
        value.name: value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }
    names = (
        name
        for node in graph.graph.node
        if node.op_type in types
        for name in (*node.input, *node.output)
        if name and name not in constants and is_float.get(name, False)
    )
    return list(dict.fromkeys(names))


def quantize_static(
    graph: onnx.ModelProto,
    ranges: Mapping[str, Range],
    *,
    keep: Sequence[str] = (),
    only: Sequence[str] | None = None,
    integer: bool = False,
    symmetric: bool = False,
    wide: Sequence[str] = (),
) -> onnx.ModelProto:
    """Returns `graph` as static int8.

    ranges: of `tensors_to_measure`, from `measure_ranges`. keep: nodes that stay float32. only: quantize these and no
    others. integer: all operators that can be, as an NPU runs them, instead of the heavy ones. symmetric: signed
    activations around zero, which TensorRT asks for. wide: activations that get 16 bits. Raises ExportError where the
    graph cannot be quantized.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    unknown = sorted({*keep, *(only or ())} - {node.name for node in graph.graph.node})
    if unknown:
        raise ExportError(f"the graph has no node {unknown[0]!r} to keep in float32")
    data = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    try:
        quantizer = QDQQuantizer(
            _ready(graph),
            True,  # per channel
            False,
            QuantType.QInt8,
            QuantType.QInt8 if symmetric else QuantType.QUInt8,
            TensorsData(CalibrationMethod.MinMax, data),
            list(only or ()),
            list(keep),
            list(INTEGER if integer else QUANTIZED),
            {
                "ActivationSymmetric": symmetric,
                "WeightSymmetric": True,
                "TensorQuantOverrides": _overrides(graph, [name for name in wide if name in ranges]),
            },
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
        model = quantizer.model.model
    except Exception as error:  # the quantizer's errors share no base class
        raise ExportError(f"the graph cannot be quantized: {str(error).strip().splitlines()[0]}") from error
    onnx.checker.check_model(model)
    return model


def _overrides(graph: onnx.ModelProto, wide: Sequence[str]) -> dict:
    """What gives `wide` 16 bits, and converts to and from them where an operator would be given both kinds."""
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.execution_providers.qnn.mixed_precision_overrides_utils import (
        MixedPrecisionTensorQuantOverridesFixer,
    )
    from onnxruntime.quantization.tensor_quant_overrides import TensorQuantOverridesHelper

    overrides = TensorQuantOverridesHelper({name: [{"quant_type": QuantType.QUInt16}] for name in wide})
    if wide:
        fixer = MixedPrecisionTensorQuantOverridesFixer.create_from_model(overrides, _ready(graph), QuantType.QUInt8)
        fixer.apply(QuantType.QUInt8, False)
    return overrides.get_dict()


def activations_up_to(graph: onnx.ModelProto, size: int) -> list[str]:
    """Computed tensors (B, C, H, W) of at most `size` times `size` pixels."""
    small = []
    for value in _ready(graph).graph.value_info:
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(sizes) == 4 and 1 < sizes[2] <= size and 1 < sizes[3] <= size:
            small.append(value.name)
    return small


def nodes_before_convolution(graph: onnx.ModelProto) -> list[str]:
    """Names of the nodes that the first convolution waits for: in a graph of samples, the log-mel.

    That stays in float32: the power of a quiet band is below what float16 can tell from nothing.
    """
    return _nodes_before(graph, next(node.input[0] for node in graph.graph.node if node.op_type == "Conv"))


def nodes_before_weight(graph: onnx.ModelProto, weight: str) -> list[str]:
    """Names of the nodes that the layer with this weight waits for; none where no layer has it."""
    layers = [node for node in graph.graph.node if weight in node.input]
    return _nodes_before(graph, layers[0].input[0]) if layers else []


def _nodes_before(graph: onnx.ModelProto, tensor: str) -> list[str]:
    makers = {name: node for node in graph.graph.node for name in node.output}
    waiting = [tensor]
    found: dict[str, None] = {}
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found:
            found[node.name] = None
            waiting.extend(node.input)
    return list(found)


def tensors_outside(graph: onnx.ModelProto, nodes: Sequence[str], tensors: Sequence[str]) -> list[str]:
    """Of `tensors` those that not only `nodes` are given or give."""
    inside = set(nodes)
    touched = {name for node in graph.graph.node if node.name in inside for name in (*node.input, *node.output) if name}
    taken = {name for node in graph.graph.node if node.name not in inside for name in node.input}
    return [name for name in tensors if name not in touched or name in taken]


def to_fp16(graph: onnx.ModelProto, in_float32: Sequence[str] = ()) -> onnx.ModelProto:
    """Returns `graph` with weights and arithmetic in float16, inputs and outputs in float32.

    in_float32: nodes that stay as they are; together with all that comes before them, each tensor between them too.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = _ready(graph)
    first = [node for node in model.graph.node if node.name in set(in_float32)]
    rest = [node for node in model.graph.node if node.name not in set(in_float32)]
    made = {name for node in first for name in node.output}
    types = {value.name: value for value in model.graph.value_info}
    crossing = [types[name] for name in dict.fromkeys(name for node in rest for name in node.input) if name in made]
    given, weights = list(model.graph.input), list(model.graph.initializer)
    taken = {name for node in rest for name in node.input}
    del model.graph.node[:], model.graph.input[:], model.graph.initializer[:]
    del model.graph.value_info[:]  # the converter would trust shapes that it makes wrong
    model.graph.node.extend(rest)
    model.graph.input.extend([value for value in given if value.name in taken] + crossing)
    model.graph.initializer.extend(tensor for tensor in weights if tensor.name in taken)
    model = convert_float_to_float16(model, keep_io_types=True)
    # The first part's own weights go in beside; a converted one that both take would have another type.
    nodes, named = list(model.graph.node), {name for node in first for name in node.input}
    for node in first:
        node.input[:] = [
            _first(name) if any(name == tensor.name for tensor in weights) else name for name in node.input
        ]
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend([*first, *nodes])
    model.graph.input.extend(given)
    for tensor in weights:
        if tensor.name in named:
            copy = onnx.TensorProto.FromString(tensor.SerializeToString())
            copy.name = _first(tensor.name)
            model.graph.initializer.append(copy)
    return GraphEditor(model).finish()  # the converter's casts come last


def _first(name: str) -> str:
    return f"{name}.float32"


def _ready(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy as the quantizer wants it: shapes inferred."""
    return onnx.shape_inference.infer_shapes(onnx.ModelProto.FromString(graph.SerializeToString()))
