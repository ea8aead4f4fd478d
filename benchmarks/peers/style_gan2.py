"""A StyleGAN2-like generator (Karras et al. 2020, arXiv 1912.04958) with its configuration's channels halved.

Figure 2 (c): modulated 3x3 convolutions with demodulation, skip connections that sum RGB of every resolution; a mapping
network of 8 layers (section 2 of the first StyleGAN paper). Modulation is on activations and demodulation on outputs,
which section 2.2 shows to be the same as on the weights, because graphs with dynamic kernels run nowhere on a device.
Noise inputs are left out and upsampling is nearest, so that the comparison flatters it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LATENT = 512
# Channels at 4, 8, 16 ... px: half of configuration F's (512, 512, 512, 512, 512, 256, 128), as its `fmaps` 0.5.
_CHANNELS = (256, 256, 256, 256, 256, 128, 64)


class ModulatedConv(nn.Module):
    """3x3 or 1x1 convolution whose input channels the style scales; demodulated unless it makes RGB."""

    def __init__(self, inputs: int, outputs: int, kernel: int, demodulate: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) / (inputs * kernel**2) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.affine = nn.Linear(LATENT, inputs)
        self.demodulate = demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale = self.affine(w) + 1.0
        y = F.conv2d(x * scale[:, :, None, None], self.weight, padding=self.weight.shape[2] // 2)
        if self.demodulate:  # equation 3
            energy = scale.square() @ self.weight.square().sum((2, 3)).T
            y = y * torch.rsqrt(energy + 1e-8)[:, :, None, None]
        return y + self.bias[None, :, None, None]


class StyleGan2Generator(nn.Module):
    """latent (B, 512) -> picture (B, 3, size, size)."""

    def __init__(self, size: int = 128) -> None:
        super().__init__()
        levels = size.bit_length() - 2
        channels = _CHANNELS[:levels]
        self.mapping = nn.ModuleList(nn.Linear(LATENT, LATENT) for _ in range(8))
        self.start = nn.Parameter(torch.randn(1, channels[0], 4, 4))
        self.convolutions, self.to_rgb = nn.ModuleList(), nn.ModuleList()
        inputs = channels[0]
        for index, outputs in enumerate(channels):
            if index > 0:
                self.convolutions.append(ModulatedConv(inputs, outputs, 3, demodulate=True))
            self.convolutions.append(ModulatedConv(outputs, outputs, 3, demodulate=True))
            self.to_rgb.append(ModulatedConv(outputs, 3, 1, demodulate=False))
            inputs = outputs

    def forward(self, latent: Tensor) -> Tensor:
        w = latent
        for layer in self.mapping:
            w = F.leaky_relu(layer(w), 0.2)
        x = self.start.expand(latent.shape[0], -1, -1, -1)
        x = F.leaky_relu(self.convolutions[0](x, w), 0.2)
        rgb = self.to_rgb[0](x, w)
        for level in range(1, len(self.to_rgb)):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            for convolution in self.convolutions[2 * level - 1 : 2 * level + 1]:
                x = F.leaky_relu(convolution(x, w), 0.2)
            rgb = F.interpolate(rgb, scale_factor=2.0, mode="nearest") + self.to_rgb[level](x, w)
        return rgb
