"""Augmented views of pictures for the concept classifier: what may change without changing the concept.

Moved, resized, recoloured a little, softened and grainy, so that the classifier knows a concept also from
the softer pictures of a small generator. Never mirrored or turned: arrows, letters and flags would change
their meaning.
"""

import numpy as np
import torch
import torch.nn.functional as F

_SCALE = (0.8, 1.1)
_SHIFT = 0.12  # of half the picture's width
_BLUR_SIGMA = (0.05, 1.6)  # pixels at the pictures' own size
_BLUR_REACH = 4  # pixels on each side
_SATURATION = (0.7, 1.3)
_CONTRAST = (0.85, 1.15)
_BRIGHTNESS = 0.07
_NOISE = 0.03  # largest standard deviation, of the range 0 to 1


def random_views(pictures: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """One random view of each picture, on white; (B, H, W, 3) uint8 -> (B, H, W, 3) uint8."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255.0
    count = len(x)

    def uniform(low: float, high: float) -> torch.Tensor:
        return (torch.rand(count, generator=generator) * (high - low) + low)[:, None, None, None]

    zoom = 1.0 / uniform(*_SCALE).flatten()
    place = torch.zeros(count, 2, 3)
    place[:, 0, 0] = place[:, 1, 1] = zoom
    place[:, :, 2] = torch.cat([uniform(-_SHIFT, _SHIFT).view(-1, 1), uniform(-_SHIFT, _SHIFT).view(-1, 1)], 1)
    grid = F.affine_grid(place, list(x.shape), align_corners=False)
    # White is the pictures' own background, and grid_sample fills with 0.
    x = F.grid_sample(x - 1.0, grid, align_corners=False) + 1.0
    x = _blur(x, uniform(*_BLUR_SIGMA).flatten())
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * uniform(*_SATURATION)
    x = (x - 0.5) * uniform(*_CONTRAST) + 0.5 + uniform(-_BRIGHTNESS, _BRIGHTNESS)
    x = x + torch.randn(x.shape, generator=generator) * uniform(0.0, _NOISE)
    return (x.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _blur(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Gaussian blur of (B, 3, H, W), one standard deviation in pixels for each picture."""
    distance = torch.arange(-_BLUR_REACH, _BLUR_REACH + 1).float()
    kernel = torch.exp(-distance.square() / (2.0 * sigma[:, None].square()))
    kernel = kernel / kernel.sum(1, keepdim=True)
    # Pictures become channels, so that a grouped convolution blurs each with its own kernel.
    planes = x.transpose(0, 1)
    reach = _BLUR_REACH
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), mode="replicate"), kernel[:, None, None, :], groups=len(x))
    planes = F.conv2d(F.pad(planes, (0, 0, reach, reach), mode="replicate"), kernel[:, None, :, None], groups=len(x))
    return planes.transpose(0, 1)
