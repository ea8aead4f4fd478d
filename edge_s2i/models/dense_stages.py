"""Dense convolutions for an encoder that is to be trained long on a CPU, and to run in few, large products.

A depthwise convolution is little arithmetic and much memory: its gradient takes longer than that of the products around
it, and on a CPU with AVX-512 BF16 or AMX it is most of a step. Residual blocks that go through a narrow middle by two
dense convolutions (ResNet's bottleneck, arXiv 1512.03385; TDNN-F, Povey et al. 2018) spend the same arithmetic in
products alone: a step of training takes a fifth.
"""

import torch
from torch import nn
from torch.nn import functional as F

from edge_s2i.audio.constants import MEL_BANDS

_FRONT_CHANNELS = 2  # numbers of channels that a DenseStem takes


class DenseStem(nn.Module):
    """Two strided convolutions over bands and frames, then one over all bands, at a quarter of the frame rate.

    (B, 1, MEL_BANDS, T) and the mask (B, 1, 1, ceil(T / 4)) of valid frames -> (B, channels_out, 1, ceil(T / 4)).
    """

    def __init__(self, channels: tuple[int, ...], channels_out: int) -> None:
        super().__init__()
        if len(channels) != _FRONT_CHANNELS:
            raise ValueError(f"spectral_channels {channels} needs two numbers of channels with narrow blocks")
        first, second = channels
        self.first = nn.Conv2d(1, first, 5, stride=2, padding=2, bias=False)
        self.first_norm = nn.BatchNorm2d(first)
        self.second = nn.Conv2d(first, second, 3, stride=2, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(second)
        self.gather = nn.Conv2d(second, channels_out, (MEL_BANDS // 4, 1), bias=False)
        # One channel alone has no order of its own: it is the weights that ask for channels last, twice as quick.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: torch.Tensor, early_mask: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.first_norm(self.first(x)))
        x = F.relu(self.second_norm(self.second(x * _spread(early_mask, x))))
        x = x * _spread(mask, x)
        return self._gathered(x) if self.training else self.gather(x)

    def _gathered(self, x: torch.Tensor) -> torch.Tensor:
        """The convolution over all bands as one product, whose gradient a CPU has in a tenth of the time."""
        weight = self.gather.weight[:, :, :, 0].transpose(1, 2).flatten(1)  # (channels_out, bands * C)
        return F.linear(x.permute(0, 3, 2, 1).flatten(2), weight).transpose(1, 2).unsqueeze(2)


def _spread(mask: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(B, 1, 1, T) as (B, C, 1, T) of `x`, channels last: in their order a CPU multiplies eight times as fast."""
    if not x.requires_grad:
        return mask
    return mask.expand(-1, x.shape[1], -1, -1).contiguous(memory_format=torch.channels_last)


class DenseStep(nn.Module):
    """A convolution along time that halves the frame rate: (B, channels_in, 1, T) -> (B, channels_out, 1, ceil(T / 2)).

    `mask` (B, 1, 1, ceil(T / 2)) is 0 where what comes out is to be.
    """

    stride = 2

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in, channels_out, (1, kernel), stride=(1, 2), padding=(0, kernel // 2), bias=False
        )
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(self.conv(x))) * mask


class NarrowBlock(nn.Module):
    """Residual block of two convolutions along time through `narrow` channels: (B, channels, 1, T) -> the same."""

    stride = 1

    def __init__(self, channels: int, narrow: int, kernel: int) -> None:
        super().__init__()
        padding = (0, kernel // 2)
        self.down = nn.Conv2d(channels, narrow, (1, kernel), padding=padding, bias=False)
        self.down_norm = nn.BatchNorm2d(narrow)
        self.up = nn.Conv2d(narrow, channels, (1, kernel), padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.down_norm(self.down(x))) * mask
        # Padding stays zero, so that a padded utterance gives what the bare one gives.
        return F.relu(x + self.norm(self.up(y))) * mask
