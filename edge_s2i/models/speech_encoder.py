"""SpeechEncoder: log-mel in, unit-length embedding out; 1-D depthwise-separable convolutions and attention pooling.

The family is QuartzNet / TC-ResNet (arXiv 1910.10261, 1904.03814): convolutions run along time only, mel bands
are input channels. They are written as 2-D convolutions over a (B, C, 1, T) tensor, because that is the layout that
channels-last kernels, TFLite and the NPU delegates run fastest.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from edge_s2i.audio.constants import MEL_BANDS


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """Shape of a SpeechEncoder; travels with its weights."""

    channels: tuple[int, ...] = (128, 192, 384)  # every stage halves the frame rate: 50, 25, 12.5 Hz
    blocks: tuple[int, ...] = (2, 3, 2)  # residual blocks after a stage's first, strided one
    kernels: tuple[int, ...] = (9, 9, 7)  # frames at the stage's own rate
    stem_kernel: int = 5
    squeeze: int = 8  # squeeze-excite reduction
    heads: int = 4  # attention-pooling heads
    embedding_dim: int = 256
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("channels", "blocks", "kernels"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not len(self.channels) == len(self.blocks) == len(self.kernels) >= 1:
            raise ValueError(
                f"channels, blocks and kernels need one entry a stage; got {len(self.channels)}, "
                f"{len(self.blocks)} and {len(self.kernels)}"
            )
        if any(kernel % 2 == 0 for kernel in (*self.kernels, self.stem_kernel)):
            raise ValueError(f"kernels must be odd to keep frames aligned; got {self.kernels}, {self.stem_kernel}")
        if self.channels[-1] % self.heads:
            raise ValueError(f"channels[-1]={self.channels[-1]} is not divisible by heads={self.heads}")


def _frame_mask(lengths: torch.Tensor, frames: int) -> torch.Tensor:
    """(B,) valid frames -> (B, 1, 1, frames) of 1 and 0."""
    index = torch.arange(frames, device=lengths.device)
    return (index[None, :] < lengths[:, None]).to(torch.float32)[:, None, None, :]


class SqueezeExcite(nn.Module):
    """Channel gates from the masked mean over time (arXiv 1709.01507)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // reduction, 1)
        self.expand = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        mean = (x * mask).sum(3, keepdim=True) / mask.sum(3, keepdim=True)
        return x * torch.sigmoid(self.expand(F.relu(self.reduce(mean))))


class SeparableBlock(nn.Module):
    """Depthwise convolution along time, pointwise convolution, squeeze-excite; residual where the shape allows."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, squeeze: int) -> None:
        super().__init__()
        self.stride = stride
        self.residual = channels_in == channels_out and stride == 1
        self.depthwise = nn.Conv2d(
            channels_in,
            channels_in,
            (1, kernel),
            stride=(1, stride),
            padding=(0, kernel // 2),
            groups=channels_in,
            bias=False,
        )
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)
        self.gate = SqueezeExcite(channels_out, squeeze)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y = self.gate(self.norm(self.pointwise(self.depthwise(x))), mask)
        y = F.relu(x + y if self.residual else y)
        return y * mask  # padding stays zero, so that a padded utterance gives what the bare one gives


class AttentivePooling(nn.Module):
    """Mean and deviation over time under learned per-head attention (arXiv 1803.10963), masked."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.score = nn.Conv2d(channels, heads, 1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, channels, _, frames = x.shape
        scores = self.score(x) + (mask - 1.0) * 1e4
        attention = torch.softmax(scores.float(), dim=3).reshape(batch, self.heads, 1, frames)
        split = x.float().reshape(batch, self.heads, channels // self.heads, frames)
        mean = (split * attention).sum(3)
        variance = (split.square() * attention).sum(3) - mean.square()
        deviation = (variance.clamp(min=0.0) + 1e-4).sqrt()
        return torch.cat([mean.reshape(batch, channels), deviation.reshape(batch, channels)], dim=1)


class SpeechEncoder(nn.Module):
    """Normalized log-mel (B, MEL_BANDS, T) and valid frames (B,) -> embedding (B, embedding_dim), unit length."""

    def __init__(self, config: SpeechEncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SpeechEncoderConfig()
        first = config.channels[0]
        self.stem = nn.Conv2d(
            MEL_BANDS,
            first,
            (1, config.stem_kernel),
            stride=(1, 2),
            padding=(0, config.stem_kernel // 2),
            bias=False,
        )
        self.stem_norm = nn.BatchNorm2d(first)
        blocks: list[SeparableBlock] = []
        width = first
        for stage, (channels, count, kernel) in enumerate(
            zip(config.channels, config.blocks, config.kernels, strict=True)
        ):
            if stage > 0:
                blocks.append(SeparableBlock(width, channels, kernel, 2, config.squeeze))
            blocks.extend(SeparableBlock(channels, channels, kernel, 1, config.squeeze) for _ in range(count))
            width = channels
        self.blocks = nn.ModuleList(blocks)
        self.pooling = AttentivePooling(width, config.heads)
        self.pooled_norm = nn.BatchNorm1d(2 * width)
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(2 * width, config.embedding_dim)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        x = features.unsqueeze(2)
        if x.device.type == "cuda" or self.training:
            x = x.contiguous(memory_format=torch.channels_last)
        lengths = (lengths + 1) // 2  # a stride-2 layer keeps frames 0, 2, 4 ...
        x = self.stem_norm(self.stem(x))
        mask = _frame_mask(lengths, x.shape[3])
        x = F.relu(x) * mask
        for block in self.blocks:
            if block.stride == 2:
                lengths = (lengths + 1) // 2
                mask = _frame_mask(lengths, (x.shape[3] + 1) // 2)
            x = block(x, mask)
        pooled = self.dropout(self.pooled_norm(self.pooling(x, mask)))
        return F.normalize(self.project(pooled).float(), dim=1)
