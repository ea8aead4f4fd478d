"""Projected discriminator: small trained heads on fixed random mixtures of frozen ImageNet features.

Sauer et al. 2021, "Projected GANs Converge Faster" (cross-channel and cross-scale mixing, several heads), with the
projection conditioning of Miyato & Koyama 2018, "cGANs with Projection Discriminator", on the speech embedding and
the style. Frozen features make the adversary useful after minutes instead of days.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from edge_s2i.errors import TrainingError

HEAD_SIZE = 4  # px, the side at which a head judges


class FeatureMixing(nn.Module):
    """Fixed random cross-channel (1x1) and cross-scale (coarse to fine) mixing; never trained.

    {stride: (B, C, h, w)} -> the same strides, each with `width` channels, every finer scale having the coarser ones
    added in.
    """

    def __init__(self, channels: dict[int, int], width: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.strides = sorted(channels)
        self.channel_mixing = nn.ModuleDict()
        self.scale_mixing = nn.ModuleDict()
        for stride in self.strides:
            self.channel_mixing[str(stride)] = self._random(channels[stride], width, generator)
            if stride != self.strides[-1]:
                self.scale_mixing[str(stride)] = self._random(width, width, generator)
        self.requires_grad_(False)

    @staticmethod
    def _random(inputs: int, outputs: int, generator: torch.Generator) -> nn.Conv2d:
        conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        conv.weight.data.normal_(0.0, math.sqrt(1.0 / inputs), generator=generator)
        return conv

    def forward(self, features: dict[int, Tensor]) -> dict[int, Tensor]:
        mixed: dict[int, Tensor] = {}
        coarser: Tensor | None = None
        for stride in reversed(self.strides):
            x = self.channel_mixing[str(stride)](features[stride])
            if coarser is not None:
                up = F.interpolate(coarser, size=x.shape[2:], mode="nearest")
                x = (x + self.scale_mixing[str(stride)](up)) * math.sqrt(0.5)
            mixed[stride] = coarser = x
        return mixed


class Head(nn.Module):
    """(B, width, h, w), condition (B, width) -> logits (B, 1, k, k), k at most HEAD_SIZE."""

    def __init__(self, width: int, downsamplings: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(downsamplings):
            layers += [spectral_norm(nn.Conv2d(width, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
        layers += [spectral_norm(nn.Conv2d(width, width, 3, 1, 1)), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers)
        self.judge = spectral_norm(nn.Conv2d(width, 1, 1))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.body(x)
        match = (h * condition[:, :, None, None]).sum(1, keepdim=True) / math.sqrt(h.shape[1])
        return self.judge(h) + match


class ProjectedDiscriminator(nn.Module):
    """{stride: frozen features}, embedding (B, E), style (B, n_styles) -> one logit map a scale.

    channels: of the features, by stride. image_size: side in px of the picture that the features were taken of.
    """

    def __init__(
        self,
        channels: dict[int, int],
        image_size: int,
        embedding_dim: int = 256,
        styles: int = 1,
        width: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if image_size < max(channels):
            raise TrainingError(f"{image_size} px pictures have no features of stride {max(channels)}")
        self.embedding_scale = math.sqrt(embedding_dim)
        self.mixing = FeatureMixing(channels, width, seed)
        self.heads = nn.ModuleDict()
        for stride in sorted(channels):
            side = image_size // stride
            self.heads[str(stride)] = Head(width, max(0, int(math.log2(side / HEAD_SIZE))) if side > HEAD_SIZE else 0)
        self.condition = nn.Sequential(
            nn.Linear(embedding_dim + max(1, styles), width * 2),
            nn.LeakyReLU(0.2),
            nn.Linear(width * 2, width * len(self.heads)),
        )

    def forward(self, features: dict[int, Tensor], embedding: Tensor, style: Tensor) -> list[Tensor]:
        mixed = self.mixing(features)
        conditions = self.condition(torch.cat([embedding * self.embedding_scale, style], dim=1))
        parts = conditions.chunk(len(self.heads), dim=1)
        return [head(mixed[int(stride)], part) for (stride, head), part in zip(self.heads.items(), parts, strict=True)]
