"""A BC-ResNet-8-sized encoder (Kim et al. 2021, arXiv 2106.04140): broadcasted residuals over bands and frames.

Section 2.2, figure 2 and table 1: a 5x5 convolution, then four stages of 2, 2, 4, 4 blocks of 8, 12, 16, 20 channels
times the width multiplier, bands halved by the second and third, frames dilated; sub-spectral normalization in five
parts, which is a batch normalization of five times the channels here.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BANDS, MULTIPLIER, PARTS, CLASSES = 40, 8, 5, 12
_STAGES = ((2, 8, 1, 1), (2, 12, 2, 2), (4, 16, 2, 4), (4, 20, 1, 8))  # blocks, channels, band stride, dilation


class SubSpectralNorm(nn.Module):
    """Batch normalization of each fifth of the bands by itself (Chang et al. 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels * PARTS)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, bands, frames = x.shape
        y = self.norm(x.reshape(batch, channels * PARTS, bands // PARTS, frames))
        return y.reshape(batch, channels, bands, frames)


class BroadcastBlock(nn.Module):
    """f2 over bands, the mean over bands, f1 over frames, broadcast back and added."""

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.transition = inputs != outputs
        if self.transition:
            self.enter = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
        self.over_bands = nn.Conv2d(
            outputs, outputs, (3, 1), stride=(stride, 1), padding=(1, 0), groups=outputs, bias=False
        )
        self.band_norm = SubSpectralNorm(outputs)
        self.over_frames = nn.Conv2d(
            outputs, outputs, (1, 3), padding=(0, dilation), dilation=(1, dilation), groups=outputs, bias=False
        )
        self.frame_norm = nn.BatchNorm2d(outputs)
        self.mix = nn.Conv2d(outputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        bands = self.band_norm(self.over_bands(self.enter(x) if self.transition else x))
        frames = F.silu(self.frame_norm(self.over_frames(bands.mean(2, keepdim=True))))
        y = bands + self.mix(frames)
        return F.relu(y if self.transition else y + x)


class BcResNet8(nn.Module):
    """log_mel (B, 40, frames) -> class scores (B, 12)."""

    def __init__(self) -> None:
        super().__init__()
        width = 16 * MULTIPLIER
        self.head = nn.Sequential(
            nn.Conv2d(1, width, 5, stride=(2, 1), padding=2, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        blocks = []
        for count, channels, stride, dilation in _STAGES:
            outputs = channels * MULTIPLIER
            for index in range(count):
                blocks.append(BroadcastBlock(width, outputs, stride if index == 0 else 1, dilation))
                width = outputs
        self.blocks = nn.Sequential(*blocks)
        self.tail = nn.Conv2d(width, width, 5, padding=(0, 2), groups=width, bias=False)
        self.wide = nn.Sequential(nn.Conv2d(width, 32 * MULTIPLIER, 1, bias=False), nn.BatchNorm2d(32 * MULTIPLIER))
        self.classes = nn.Conv2d(32 * MULTIPLIER, CLASSES, 1)

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.tail(self.blocks(self.head(log_mel.unsqueeze(1))))
        x = F.relu(self.wide(x)).mean((2, 3), keepdim=True)
        return torch.flatten(self.classes(x), 1)
