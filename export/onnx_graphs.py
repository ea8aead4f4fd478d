"""Torch modules to ONNX graphs with dynamic batch, and the opset asserted instead of hoped for."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence

import onnx
import torch
from torch import nn

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.errors import EdgeS2IError

OPSET = 18


class ExportError(EdgeS2IError):
    """A graph cannot be exported, or does not compute what its torch module computes."""


def encoder_graph(encoder: nn.Module) -> onnx.ModelProto:
    """Graph of a SpeechEncoder: log_mel (B, MEL_BANDS, T), lengths (B,) -> embedding (B, D); B and T dynamic."""
    example = (torch.randn(2, MEL_BANDS, 120), torch.tensor([120, 96]))
    batch, frames = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim("frames", min=16, max=4096)
    return _export(
        encoder,
        example,
        ("log_mel", "lengths"),
        ("embedding",),
        {"log_mel": {0: batch, 2: frames}, "lengths": {0: batch}},
    )


def generator_graph(generator: nn.Module, embedding_dim: int, latent_dim: int, styles: int) -> onnx.ModelProto:
    """Graph of a Generator: embedding (B, D), latent (B, Z), style (B, S) -> picture (B, 3, H, W); B dynamic."""
    # Batch 2: an example of batch 1 would silently bake batch 1 into the graph.
    example = (torch.randn(2, embedding_dim), torch.randn(2, latent_dim), torch.rand(2, styles))
    batch = torch.export.Dim("batch", min=1, max=4096)
    names = ("embedding", "latent", "style")
    return _export(generator, example, names, ("picture",), {name: {0: batch} for name in names})


def head_graph(head: nn.Module, channels: int) -> onnx.ModelProto:
    """Graph of an EncoderHead: heard (B, C, 1, steps), steps (B,) -> embedding (B, D); B and steps dynamic."""
    example = (torch.randn(2, channels, 1, 20), torch.tensor([20, 15]))
    batch, steps = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim("steps_heard", min=2, max=4096)
    return _export(
        head, example, ("heard", "steps"), ("embedding",), {"heard": {0: batch, 3: steps}, "steps": {0: batch}}
    )


def fixed_graph(
    module: nn.Module, example: Sequence[torch.Tensor], inputs: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Graph of any module at exactly the sizes of `example`, batch 1 among them: what engine builders and NPUs want."""
    return _export(module, example, inputs, outputs, None)


def batched_graph(
    module: nn.Module, example: Sequence[torch.Tensor], inputs: Sequence[str], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Graph of a module whose inputs share a dynamic first size and have no other; the example's must not be 1."""
    if any(tensor.shape[0] == 1 for tensor in example):
        raise ExportError("an example of batch 1 would bake batch 1 into the graph; give 2 or more")
    batch = torch.export.Dim("batch", min=1, max=4096)
    return _export(module, example, inputs, outputs, {name: {0: batch} for name in inputs})


def check_open(model: onnx.ModelProto, dynamic: Mapping[str, Iterable[int]]) -> None:
    """ExportError where an axis that is to have any size got the example's: the exporter says nothing of that."""
    for value in model.graph.input:
        for axis in dynamic.get(value.name, ()):
            if not value.type.tensor_type.shape.dim[axis].dim_param:
                raise ExportError(f"the exporter fixed axis {axis} of {value.name}, which is to have any size")


def _export(
    module: nn.Module,
    example: Sequence[torch.Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str],
    dynamic: dict[str, dict] | None,
) -> onnx.ModelProto:
    module = module.eval()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            module,
            tuple(example),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=None if dynamic is None else tuple(dynamic[name] for name in inputs),
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export returned no program")
    model = program.model_proto
    # The exporter falls back to another opset without a word when a conversion fails.
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets.get("", 0) != OPSET:
        raise ExportError(f"the exporter left opset {opsets.get('')} where {OPSET} was asked for")
    found = [value.name for value in model.graph.input]
    if found != list(inputs):
        raise ExportError(f"the exported graph has inputs {found} where {list(inputs)} were asked for")
    check_open(model, dynamic or {})
    # Source lines of the machine that exported are nobody's business and a third of a small graph's bytes.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.checker.check_model(model)
    return model
