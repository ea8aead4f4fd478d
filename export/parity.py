"""The numeric comparison that an exported graph must pass before it may exist."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from export.onnx_graphs import ExportError

FP32_TOLERANCE = 1e-4  # largest absolute difference of an uncompressed graph from its torch module


class Session:
    """A graph on ONNX Runtime's CPU, kept for many inputs."""

    def __init__(self, model: onnx.ModelProto, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """All outputs on `inputs`."""
        return self._session.run(None, dict(inputs))

    def outputs(self, feeds: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
        """First outputs on each of `feeds`, joined along the batch."""
        return np.concatenate([self.run(feed)[0] for feed in feeds])


def psnr(pictures: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(N,) PSNR in dB of pictures (N, ...), each over the range of values that its reference really has."""
    axes = tuple(range(1, reference.ndim))
    error = np.square(pictures - reference).mean(axis=axes)
    span = reference.max(axis=axes) - reference.min(axis=axes)
    return 10.0 * np.log10(np.square(np.maximum(span, 1e-6)) / np.maximum(error, 1e-12))


def run_graph(model: onnx.ModelProto, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """First output of `model` on `inputs`, by ONNX Runtime on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, dict(inputs))[0]


def check_fp32(model: onnx.ModelProto, module: nn.Module, inputs: Mapping[str, np.ndarray]) -> float:
    """Largest absolute difference of the graph from the torch module in float64; ExportError above FP32_TOLERANCE.

    In float32 torch rounds as much as the graph does, and where attention is sharp the two roundings together are
    above what either is off by. `inputs` must be real ones, of a batch size and length that the export example did not
    have.
    """
    exact = {name: value.astype(np.float64) if value.dtype == np.float32 else value for name, value in inputs.items()}
    difference = float(np.abs(run_graph(model, inputs) - _reference(copy.deepcopy(module).double(), exact)).max())
    if not difference <= FP32_TOLERANCE:
        raise ExportError(
            f"the exported graph differs from its torch module by {difference:.2e}; at most {FP32_TOLERANCE:.0e} passes"
        )
    return difference


def check_embedding(
    model: onnx.ModelProto, module: nn.Module, inputs: Mapping[str, np.ndarray], least_cosine: float = 0.995
) -> float:
    """Smallest cosine between the compressed encoder's embeddings and torch's; ExportError below `least_cosine`."""
    cosine = float((run_graph(model, inputs) * _reference(module, inputs)).sum(axis=1).min())
    if not cosine >= least_cosine:
        raise ExportError(f"compression turned an embedding to cosine {cosine:.4f}; at least {least_cosine} passes")
    return cosine


def check_picture(
    model: onnx.ModelProto, module: nn.Module, inputs: Mapping[str, np.ndarray], least_psnr: float = 30.0
) -> float:
    """Mean PSNR in dB (range 2) of the compressed generator's pictures to torch's; ExportError below `least_psnr`."""
    error = np.square(run_graph(model, inputs) - _reference(module, inputs)).mean(axis=(1, 2, 3))
    psnr = float((10.0 * np.log10(4.0 / np.maximum(error, 1e-12))).mean())
    if not psnr >= least_psnr:
        raise ExportError(f"compression left the pictures at {psnr:.1f} dB PSNR; at least {least_psnr} dB passes")
    return psnr


def _reference(module: nn.Module, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    tensors: Sequence[torch.Tensor] = [torch.from_numpy(np.asarray(value)) for value in inputs.values()]
    with torch.inference_mode():
        return module.eval()(*tensors).numpy()
