"""Weight-only int8: matrices and kernels stored as 8-bit numbers with a scale an output channel, the rest as float16.

The graph computes in float32: a Cast and a Mul in front of each compressed weight are folded into a constant when
a session is made, so compression costs load time and no inference time. DequantizeLinear would say the same, but
ONNX Runtime leaves it in the graph unless told otherwise: 1.40 ms instead of 0.68 for the encoder.

Scales, biases and small kernels, a tenth of the bytes in float32, lose next to nothing to float16: eight bits of the
other weights cost 60 times as much.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.lean_graph import lean

# Elements; smaller tensors get no 8 bits: 4% of the encoder's bytes and a third of what compression turns it by.
SMALLEST = 4096
_SMALLEST_HALF = 64  # elements; a Cast takes as many bytes as half of that
_HALF_ERROR = 2.0**-11  # of a tensor's largest value: what float16 may be off by
_CHANNEL_AXIS = {"Conv": 0, "Gemm": 0, "MatMul": 1}
_AS_GIVEN = ("QuantizeLinear", "DequantizeLinear")  # whose scales an engine must find as constants to fuse them


def compress_weights(model: onnx.ModelProto, keep: tuple[str, ...] = (), smallest: int = SMALLEST) -> onnx.ModelProto:
    """Returns a copy of `model` whose Conv, Gemm and MatMul weights are int8, symmetric, per output channel, and whose
    other constants are float16.

    keep: how the names of weights begin that stay float32; smallest: elements, of which smaller ones get no 8 bits.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    axes: dict[str, int] = {}
    given: set[str] = set()
    for node in graph.node:
        if node.op_type in _AS_GIVEN:
            given.update(node.input)
        if node.op_type in _CHANNEL_AXIS and len(node.input) > 1:
            axis = _CHANNEL_AXIS[node.op_type]
            if node.op_type == "Gemm" and not any(a.name == "transB" and a.i == 1 for a in node.attribute):
                axis = 1
            axes[node.input[1]] = axis
    kept, decoders = [], []

    def keep_half(name: str, values: np.ndarray) -> np.ndarray:
        """Stores a float32 constant as float16, if that holds it, and returns what the graph computes with."""
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        error = np.abs(half.astype(np.float32) - values).max(initial=0.0)
        if values.size < _SMALLEST_HALF or not error <= _HALF_ERROR * np.abs(values).max():
            kept.append(numpy_helper.from_array(values, name))
            return values
        kept.append(numpy_helper.from_array(half, f"{name}.half"))
        decoders.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
        return half.astype(np.float32)

    for tensor in graph.initializer:
        values, name = numpy_helper.to_array(tensor), tensor.name
        if values.dtype != np.float32 or name in given or name.startswith(keep):
            kept.append(tensor)
            continue
        if name not in axes or values.size < smallest:
            keep_half(name, values)
            continue
        axis = axes[name]
        others = tuple(dim for dim in range(values.ndim) if dim != axis)
        scale = np.maximum(np.abs(values).max(axis=others, keepdims=True), 1e-12).astype(np.float32) / 127.0
        scale = keep_half(f"{name}.scale", scale)
        codes = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
        kept.append(numpy_helper.from_array(codes, f"{name}.int8"))
        decoders.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.codes"], to=onnx.TensorProto.FLOAT))
        decoders.append(helper.make_node("Mul", [f"{name}.codes", f"{name}.scale"], [name]))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = [*decoders, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    model = lean(model)
    onnx.checker.check_model(model)
    return model
