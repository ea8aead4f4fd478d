"""Differentiable augmentation of pictures before the frozen features see them.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training": colour, translation, cutout. A picture
and its real counterpart get the same draw, so features of the pair stay comparable and one pass over the frozen
network serves the discriminator, the feature loss and the contrastive loss.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_s2i.errors import TrainingError


@dataclass(frozen=True)
class PictureAugmentationConfig:
    """probability: share of pictures that each kind touches. The strengths are the paper's unless said."""

    probability: float = 0.5
    brightness: float = 0.3  # of the half range, either way
    saturation: float = 0.5  # factor 1 +- this
    contrast: float = 0.3
    translation: float = 0.125  # of the side, either way
    cutout: float = 0.3  # of the side; half the paper's, since a drawing's subject often fits into half a side

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise TrainingError(f"augmentation probability is {self.probability}; it must be from 0 to 1")


@dataclass(frozen=True)
class PictureAugmentation:
    """One draw for a batch; apply it to as many batches of that size as should match."""

    config: PictureAugmentationConfig
    colour: Tensor  # (B, 3) brightness offset, saturation factor, contrast factor
    shift: Tensor  # (B, 2) in shares of the side
    hole: Tensor  # (B, 2) centre in shares of the side; beyond the picture where there is none

    @classmethod
    def draw(
        cls, config: PictureAugmentationConfig, batch: int, device: torch.device, generator: torch.Generator
    ) -> "PictureAugmentation":
        """Draws for `batch` pictures; `generator` lives on the CPU, so every device sees the same numbers."""
        uniform = torch.rand(batch, 10, generator=generator)
        touched = (uniform[:, :3] < config.probability).float()
        strength = torch.tensor([config.brightness, config.saturation, config.contrast])
        colour = (uniform[:, 3:6] * 2 - 1) * strength * touched[:, :1]
        colour[:, 1:] += 1.0
        shift = (uniform[:, 6:8] * 2 - 1) * config.translation * touched[:, 1:2]
        hole = torch.where(touched[:, 2:3] > 0, uniform[:, 8:10], torch.full((batch, 2), -9.0))
        return cls(config, colour.to(device), shift.to(device), hole.to(device))

    def __call__(self, picture: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> the same shape; differentiable to the picture."""
        if self.config.probability == 0.0:
            return picture
        x = picture + self.colour[:, 0, None, None, None]
        grey = x.mean(dim=1, keepdim=True)
        x = (x - grey) * self.colour[:, 1, None, None, None] + grey
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        x = (x - mean) * self.colour[:, 2, None, None, None] + mean
        return self._cut(self._translate(x))

    def _translate(self, x: Tensor) -> Tensor:
        """Whole-pixel shift; the border repeats, so that white paper stays white."""
        side = x.shape[-1]
        reach = int(side * self.config.translation)
        if reach == 0:
            return x
        offset = (self.shift * side).round().long() + reach
        padded = F.pad(x, (reach, reach, reach, reach), mode="replicate")
        index = torch.arange(side, device=x.device)
        rows, columns = offset[:, :1] + index, offset[:, 1:] + index
        batch = torch.arange(x.shape[0], device=x.device)[:, None, None]
        moved = padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]]
        return moved.permute(0, 3, 1, 2)

    def _cut(self, x: Tensor) -> Tensor:
        """Sets a square to mid grey."""
        if self.config.cutout == 0.0:
            return x
        side = x.shape[-1]
        position = (torch.arange(side, device=x.device) + 0.5) / side
        inside = (position[None, None, :] - self.hole[:, :, None]).abs() < self.config.cutout / 2
        hole = inside[:, 0, :, None] & inside[:, 1, None, :]
        return x * (~hole)[:, None].to(x.dtype)
