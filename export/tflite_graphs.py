"""Torch modules to LiteRT graphs of fixed sizes, and these in fewer bits."""

import contextlib
import copy
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from export.calibration import Range
from export.onnx_graphs import ExportError
from export.tflite_ranges import measure
from export.tflite_rewrite import integer_activations
from export.weight_compression import SMALLEST

Feed = Mapping[str, np.ndarray]


def tflite_graph(
    module: nn.Module, example: Sequence[torch.Tensor], channels_last_outputs: Sequence[int] = ()
) -> bytes:
    """The bytes of a .tflite graph of `module` at the sizes of `example`; its inputs are args_0, args_1, ...

    channels_last_outputs: those that come out (B, H, W, C) where torch has (B, C, H, W). Raises ExportError where
    litert-torch is not installed or cannot convert.
    """
    litert_torch = _litert_torch()
    module = _packed(module)
    if channels_last_outputs:
        module = litert_torch.to_channel_last_io(module, outputs=list(channels_last_outputs))
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.tflite"
        try:
            litert_torch.convert(module, tuple(example)).export(str(path))
        except Exception as error:  # the converter's errors share no base class
            raise ExportError(f"litert-torch cannot convert the graph: {_line(error)}") from error
        return path.read_bytes()


def _packed(module: nn.Module) -> nn.Module:
    """A copy whose weights lie in memory as their shape says, ready to be converted.

    Of weights that do not, channels last, litert-torch 0.10 makes copies that it frees at once, and takes a later one
    at the same address, if it has the same shape, for the earlier: two layers then share one layer's weights.
    """
    module = copy.deepcopy(module).eval()
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.contiguous()
    return module


def reduced(graph: bytes, precision: str) -> bytes:
    """A whole graph at a precision that computes in float."""
    if precision == "fp16":
        return weights_to_fp16(graph)
    return weights_to_int8(graph) if precision == "int8-weights" else graph


def weights_to_int8(graph: bytes) -> bytes:
    """Weights as 8-bit numbers with a scale a channel, small ones excepted as in ONNX graphs, arithmetic in float32."""
    from ai_edge_quantizer import recipe

    steps = recipe.weight_only_wi8_afp32()
    for step in steps:
        step["op_config"]["min_weight_elements"] = SMALLEST
    return _quantized(graph, steps)


def weights_to_fp16(graph: bytes) -> bytes:
    """Weights in float16; delegates that compute in float16 take them as they are, others unpack them at load."""
    from ai_edge_quantizer import qtyping, recipe_manager

    manager = recipe_manager.RecipeManager()
    manager.add_quantization_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        algorithm_key="float_casting",
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
    )
    return _quantized(graph, manager.get_quantization_recipe())


def to_int8(graph: bytes, feeds: Sequence[Sequence[np.ndarray]], wide: str | None = None) -> bytes:
    """All in integers, inputs and outputs too: int8 weights and 8-bit activations, calibrated on `feeds`.

    feeds: inputs in the graph's order, one after another. wide: regular expression of the names of tensors whose
    operators have 16-bit activations, where 8 lose too much.
    """
    from ai_edge_quantizer import qtyping, recipe_manager

    if not feeds:
        raise ExportError("static int8 needs real inputs to calibrate on; there are none")
    manager = recipe_manager.RecipeManager()
    for regex, bits in ((".*", 8), *(((wide, 16),) if wide else ())):
        manager.add_static_config(
            regex=regex,
            operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
            activation_num_bits=bits,
            weight_num_bits=8,
        )
    return integer_activations(_quantized(graph, manager.get_quantization_recipe(), measure(graph, feeds)))


def operators(graph: bytes) -> list[str]:
    """Names of the graph's operators in the order they run, as TFLite calls them."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=graph, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    return [operator["op_name"] for operator in interpreter._get_ops_details() if operator["op_name"] != "DELEGATE"]


def _quantized(graph: bytes, recipe: list, ranges: Mapping[str, Range] | None = None) -> bytes:
    from ai_edge_quantizer import quantizer as ai_edge

    limits = {
        name: {"min": np.array([[low]], np.float32), "max": np.array([[high]], np.float32)}
        for name, (low, high) in (ranges or {}).items()
    }
    with _quiet():
        quantizer = ai_edge.Quantizer(graph, recipe)
        try:
            result = quantizer.quantize(limits or None, enable_progress_bar=False, enable_progress_report=False)
        except Exception as error:
            raise ExportError(f"ai-edge-quantizer cannot quantize the graph: {_line(error)}") from error
    return bytes(result.quantized_model)


def _litert_torch():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with _quiet():
            import litert_torch
    except ImportError as error:
        raise ExportError(
            f"TFLite graphs need litert-torch ({_line(error)}); in the source folder run: "
            "pip install -c constraints.txt '.[train,export,export-tflite]'"
        ) from error
    return litert_torch


@contextlib.contextmanager
def _quiet():
    """Converters report every pass; what they raise is kept."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    said = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
