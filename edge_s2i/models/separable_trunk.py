"""SeparableTrunk: a tenth of SpectralTrunk's arithmetic, to be taught by it.

Bands and frames are still heard together, so that a formant is the same thing wherever a speaker's throat puts it, but
by depthwise-separable residual blocks (MobileNetV2, arXiv 1801.04381; BC-ResNet, arXiv 2106.04140) that halve bands or
frames early: three quarters of the larger trunk's arithmetic is in its first three stages, which know least of words.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.models.spectral_trunk import FRAMES_A_STEP, QUIET, SpectralTrunk

STRIDES = ((2, 2), (2, 1), (2, 2), (2, 1), (2, 2))  # bands, frames: of the first layer and of the four stages
_STEM_KERNEL = 5


class SeparableTrunk(nn.Module):
    """Normalized log-mel (B, MEL_BANDS, T), valid frames (B,) -> (B, channels[-1], 1, T // 8 + 1).

    Args:
        channels: of the first layer, of the four stages, and of what comes out.
        blocks: residual blocks after each stage's first, strided one.
    """

    def __init__(self, channels: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        first, *_ = channels
        self.stem = nn.Conv2d(1, first, _STEM_KERNEL, stride=STRIDES[0], padding=_STEM_KERNEL // 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(first)
        layers = []
        for (inputs, outputs), count, stride in zip(pairwise(channels[:-1]), blocks, STRIDES[1:], strict=True):
            layers.append(BandBlock(inputs, outputs, stride))
            layers.extend(BandBlock(outputs, outputs, (1, 1)) for _ in range(count))
        self.blocks = nn.ModuleList(layers)
        bands = MEL_BANDS
        for halving, _ in STRIDES:
            bands //= halving
        self.gather = nn.Conv2d(channels[-2], channels[-1], (bands, 1))
        self.short = False
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    frames_of = staticmethod(SpectralTrunk.frames_of)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        # Memory is what training costs; in bfloat16 a CPU moves half of it, and takes four fifths of the time.
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.short and self.training):
            return self._heard(features, lengths).to(features.dtype)

    def _heard(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        steps = self.frames_of(lengths)
        most = features.shape[2] // FRAMES_A_STEP + 1
        x = F.pad(features, (0, most * FRAMES_A_STEP - features.shape[2]))
        index = torch.arange(x.shape[2], device=x.device)
        # What is outside the utterance but within its last step is quiet, what is beyond is nothing: zero at every
        # layer, as the array's own edge is, so that padding changes no frame.
        x = torch.where((index < lengths[:, None])[:, None], x, QUIET).unsqueeze(1)
        x = x.to(torch.get_autocast_dtype(x.device.type)) if torch.is_autocast_enabled(x.device.type) else x
        ends = steps * FRAMES_A_STEP
        x = x * _inside(ends, x)
        ends = ends // 2
        x = F.relu(self.stem_norm(self.stem(x)))
        x = x * _inside(ends, x)
        for block in self.blocks:
            ends = ends // block.stride[1]  # type: ignore[index]
            x = block(x, ends)
        return self.gather(x)


def _inside(ends: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(B,) frames -> (B, 1, 1, T) of 1 and 0, of what `x` (B, C, bands, T) holds.

    Counted on `x` itself: of an array made apart an exporter cannot know that it is as long, and fixes the length.
    """
    index = torch.arange(x.shape[3], device=x.device)
    return (index < ends[:, None])[:, None, None].to(x.dtype)


class BandBlock(nn.Module):
    """3x3 depthwise convolution over bands and frames, pointwise convolution; residual where the shape allows.

    (B, inputs, bands, T) -> (B, outputs, bands, T), both divided by the stride; zero from frame `ends` (B,) of each
    row of what comes out.
    """

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride
        self.residual = inputs == outputs and stride == (1, 1)
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride=stride, padding=1, groups=inputs, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.pointwise(F.relu(self.depthwise_norm(self._along_both(x)))))
        y = F.relu(x + y if self.residual else y)
        return y * _inside(ends, y)

    def _along_both(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.training and self.stride != (1, 1)):
            return self.depthwise(x)
        # A CPU's gradient of a strided depthwise convolution takes ten times as long as that of one of every place, of
        # which some are kept.
        weight = self.depthwise.weight
        y = F.conv2d(x, weight, padding=1, groups=len(weight))
        return y[:, :, :: self.stride[0], :: self.stride[1]]
