"""A DF-GAN-like generator (Tao et al. 2022, arXiv 2008.05865): residual blocks of 3x3 convolutions, text-conditioned.

Figure 4 and section 3.4: a fully connected layer makes 4x4 features of the noise; each UPBlock upsamples, then two
3x3 convolutions follow a deep fusion of two affine transformations and ReLUs each, conditioned on noise and sentence.
Widths fall to 32 at the last block from at most 8 times as many; a smaller picture has fewer blocks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NOISE, SENTENCE, BASE = 100, 256, 32
# Output widths of the blocks, in units of BASE, by picture size.
_WIDTHS = {64: (8, 4, 2, 1), 128: (8, 8, 4, 2, 1), 256: (8, 8, 8, 4, 2, 1)}


class Affine(nn.Module):
    """Channel scale and shift from the condition, each by a perceptron of one hidden layer."""

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Sequential(nn.Linear(condition, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.shift = nn.Sequential(nn.Linear(condition, channels), nn.ReLU(), nn.Linear(channels, channels))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return x * self.scale(condition)[:, :, None, None] + self.shift(condition)[:, :, None, None]


class Fusion(nn.Module):
    """Two affine transformations, each with a ReLU behind it (section 3.4's DFBlock)."""

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.affines = nn.ModuleList(Affine(condition, channels) for _ in range(2))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        for affine in self.affines:
            x = F.leaky_relu(affine(x, condition), 0.2)
        return x


class UpBlock(nn.Module):
    """Upsampling and a residual of two fused 3x3 convolutions."""

    def __init__(self, condition: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fusions = nn.ModuleList([Fusion(condition, inputs), Fusion(condition, outputs)])
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)]
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        y = x
        for fusion, convolution in zip(self.fusions, self.convolutions, strict=True):
            y = convolution(fusion(y, condition))
        return self.shortcut(x) + y


class DfGanGenerator(nn.Module):
    """noise (B, 100), sentence (B, 256) -> picture (B, 3, size, size) in [-1, 1]."""

    def __init__(self, size: int = 128) -> None:
        super().__init__()
        widths = [unit * BASE for unit in _WIDTHS[size]]
        self.start = nn.Linear(NOISE, 8 * BASE * 16)
        blocks, inputs = [], 8 * BASE
        for outputs in widths:
            blocks.append(UpBlock(NOISE + SENTENCE, inputs, outputs))
            inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.to_rgb = nn.Conv2d(inputs, 3, 3, padding=1)

    def forward(self, noise: Tensor, sentence: Tensor) -> Tensor:
        condition = torch.cat([noise, sentence], dim=1)
        x = self.start(noise).reshape(-1, 8 * BASE, 4, 4)
        for block in self.blocks:
            x = block(x, condition)
        return torch.tanh(self.to_rgb(F.leaky_relu(x, 0.2)))
