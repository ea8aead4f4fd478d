"""Distance of a picture to the real one, in pixels at several scales and in frozen features.

Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution" (feature reconstruction);
the same frozen features serve the discriminator, so this term costs almost nothing beside it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def multiscale_l1(picture: Tensor, real: Tensor, scales: int = 3) -> Tensor:
    """Mean absolute difference of (B, 3, H, W) pictures, averaged over `scales` halvings of the resolution.

    Coarse scales reward the right colours in roughly the right place before any edge matches.
    """
    total = (picture - real).abs().mean()
    for _ in range(scales - 1):
        picture, real = F.avg_pool2d(picture, 2), F.avg_pool2d(real, 2)
        total = total + (picture - real).abs().mean()
    return total / scales


class FeatureDistance(nn.Module):
    """Mean absolute difference of features, each channel measured in its own typical deviation over real pictures.

    The deviations are buffers: call `calibrate` once with features of real pictures before training.
    """

    def __init__(self, channels: dict[int, int]) -> None:
        super().__init__()
        self.strides = sorted(channels)
        for stride in self.strides:
            self.register_buffer(f"deviation_{stride}", torch.ones(1, channels[stride], 1, 1))

    @torch.no_grad()
    def calibrate(self, features: dict[int, Tensor]) -> None:
        """Sets each channel's deviation from features (B, C, h, w) of many real pictures."""
        for stride in self.strides:
            deviation = features[stride].float().std(dim=(0, 2, 3), keepdim=True)
            getattr(self, f"deviation_{stride}").copy_(deviation.clamp_min(deviation.mean() * 0.1))

    def forward(self, features: dict[int, Tensor], real: dict[int, Tensor]) -> Tensor:
        """Scalar: mean over strides of the scaled mean absolute difference."""
        terms = []
        for stride in self.strides:
            scale = (1.0 / getattr(self, f"deviation_{stride}")).to(features[stride].dtype)
            terms.append(((features[stride] - real[stride]) * scale).abs().mean(dtype=torch.float32))
        return torch.stack(terms).mean()
