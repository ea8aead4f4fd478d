"""The log-mel as an ONNX graph, where export can make one."""

from importlib import import_module

from benchmarks.errors import AbsentError
from benchmarks.graphs import cached, require


def log_mel_onnx(samples: int) -> bytes:
    """Graph of (1, samples) at 16 kHz and their count -> log-mel; AbsentError where export has no in-graph log-mel."""
    require("torch")
    try:
        module = import_module("export.log_mel_graph")
    except ImportError as error:
        raise AbsentError("export has no in-graph log-mel") from error
    return cached(f"log-mel-{samples}", lambda: _export(module.LogMelGraph(samples), samples), str(module.__file__))


def _export(module, samples: int) -> bytes:  # type: ignore[no-untyped-def]
    import torch

    example = (torch.rand(1, samples), torch.tensor([samples]))
    program = torch.onnx.export(
        module.eval(), example, dynamo=True, opset_version=18, input_names=["samples", "lengths"], verbose=False
    )
    if program is None:
        raise AbsentError("torch.onnx.export returned no program for the log-mel")
    return program.model_proto.SerializeToString()
