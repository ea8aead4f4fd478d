"""SpeechEncoder: log-mel in, unit-length embedding out; 1-D depthwise-separable convolutions and attention pooling.

The family is QuartzNet / TC-ResNet (arXiv 1910.10261, 1904.03814): convolutions run along time only, mel bands
are input channels. They are written as 2-D convolutions over a (B, C, 1, T) tensor, because that is the layout that
channels-last kernels, TFLite and the NPU delegates run fastest. A spectral stem before them (after BC-ResNet, arXiv
2106.04140) sees a formant as the same thing wherever a speaker's throat puts it; a pretrained trunk in its place has
heard more people than any pack holds, and a separable one learns from one that has. A teacher listens with Whisper.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.models.dense_stages import DenseStem, DenseStep, NarrowBlock
from edge_s2i.models.separable_trunk import SeparableTrunk
from edge_s2i.models.spectral_trunk import SpectralTrunk
from edge_s2i.models.whisper_listener import NAME as WHISPER
from edge_s2i.models.whisper_listener import WhisperListener


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """Shape of a SpeechEncoder; travels with its weights."""

    trunk: tuple[int, ...] = ()  # channels of a SpectralTrunk's five stages; the first stage behind it is at 12.5 Hz
    trunk_blocks: tuple[int, ...] = ()  # of a SeparableTrunk, whose six numbers of channels `trunk` then is
    listener: str = ""  # "whisper-base" in a trunk's place, for a teacher; the first stage behind it is at 25 Hz
    channels: tuple[int, ...] = (128, 192, 384)  # every stage halves the frame rate: 50, 25, 12.5 Hz
    blocks: tuple[int, ...] = (2, 3, 2)  # residual blocks after a stage's first, strided one
    kernels: tuple[int, ...] = (9, 9, 7)  # frames at the stage's own rate
    stem_kernel: int = 5
    spectral_channels: tuple[int, ...] = ()  # of convolutions over bands and frames first, each halving the bands
    narrow: tuple[int, ...] = ()  # of every stage's blocks' middle, which then are dense; the first stage is at 25 Hz
    squeeze: int = 8  # squeeze-excite reduction; 0 for no gates
    look_ahead: int | None = None  # frames that a convolution may wait for, at its own rate; None for half its kernel
    heads: int = 4  # attention-pooling heads
    embedding_dim: int = 256
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("trunk", "trunk_blocks", "channels", "blocks", "kernels", "spectral_channels", "narrow"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not len(self.channels) == len(self.blocks) == len(self.kernels) >= 1:
            raise ValueError(
                f"channels, blocks and kernels need one entry a stage; got {len(self.channels)}, "
                f"{len(self.blocks)} and {len(self.kernels)}"
            )
        if any(kernel % 2 == 0 for kernel in (*self.kernels, self.stem_kernel)):
            raise ValueError(f"kernels must be odd to keep frames aligned; got {self.kernels}, {self.stem_kernel}")
        if len(self.spectral_channels) > 4:
            raise ValueError(
                f"spectral_channels has {len(self.spectral_channels)} layers; 64 bands can be halved 4 times"
            )
        if self.narrow and (
            len(self.narrow) != len(self.channels)
            or len(self.spectral_channels) != 2
            or self.squeeze
            or self.look_ahead is not None
            or self.trunk
            or self.listener
        ):
            raise ValueError(
                f"narrow {self.narrow} needs one entry a stage, two spectral_channels and squeeze 0, and neither "
                "look_ahead nor a trunk nor a listener"
            )
        if self.listener not in ("", WHISPER) or (self.listener and self.trunk):
            raise ValueError(f"listener {self.listener!r} must be {WHISPER!r}, without a trunk, or empty")
        if (self.trunk or self.listener) and (self.spectral_channels or self.look_ahead is not None):
            raise ValueError(
                "a trunk or listener takes the place of spectral_channels, and hears too far ahead for a look_ahead"
            )
        if (len(self.trunk), len(self.trunk_blocks)) not in ((0, 0), (5, 0), (6, 4)):
            raise ValueError(
                f"trunk {self.trunk} and trunk_blocks {self.trunk_blocks} need channels of five stages, or six numbers "
                "of channels and the blocks of four stages"
            )
        if self.look_ahead is not None and (self.look_ahead < 0 or self.squeeze):
            # A gate is the mean over the whole utterance.
            raise ValueError(f"look_ahead {self.look_ahead} must be 0 or more frames, with squeeze 0")
        if self.channels[-1] % self.heads:
            raise ValueError(f"channels[-1]={self.channels[-1]} is not divisible by heads={self.heads}")


def _frame_mask(lengths: torch.Tensor, frames: int) -> torch.Tensor:
    """(B,) valid frames -> (B, 1, 1, frames) of 1 and 0."""
    index = torch.arange(frames, device=lengths.device)
    return (index[None, :] < lengths[:, None]).to(torch.float32)[:, None, None, :]


def _unshortened(x: torch.Tensor) -> torch.Tensor:
    """Back in float32 from what autocast shortened; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()


class SqueezeExcite(nn.Module):
    """Channel gates from the masked mean over time (arXiv 1709.01507)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // reduction, 1)
        self.expand = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        mean = (x * mask).sum(3, keepdim=True) / mask.sum(3, keepdim=True)
        return x * torch.sigmoid(self.expand(F.relu(self.reduce(mean))))


class TimeConv(nn.Conv2d):
    """Convolution along time that keeps frames aligned and waits for at most `look_ahead` frames (None: half of it)."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int, groups: int, look_ahead: int | None
    ) -> None:
        ahead = kernel // 2 if look_ahead is None else min(look_ahead, kernel // 2)
        self.sides = (kernel - 1 - ahead, ahead)
        even = self.sides[0] == self.sides[1]
        super().__init__(
            channels_in,
            channels_out,
            (1, kernel),
            stride=(1, stride),
            padding=(0, ahead if even else 0),
            groups=groups,
            bias=False,
        )
        self.padded_alone = even

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x if self.padded_alone else F.pad(x, self.sides))


class PointwiseConv(nn.Conv2d):
    """1x1 convolution. In training with `short` set it is one product of bfloat16 numbers, summed up in float32.

    On a CPU with AVX-512 BF16 that product takes two fifths of the time, and torch's autocast, which shortens the
    convolutions along time as well, gains nothing.
    """

    short = False

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(channels_in, channels_out, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not (self.short and self.training):
            return super().forward(x)
        frames = x.permute(0, 2, 3, 1).to(torch.bfloat16)
        return F.linear(frames, self.weight[:, :, 0, 0].to(torch.bfloat16)).float().permute(0, 3, 1, 2)


class SpectralStem(nn.Module):
    """Convolutions over bands and frames, then over all bands: (B, 1, MEL_BANDS, T) -> (B, C, 1, (T + 1) // 2)."""

    def __init__(self, channels: tuple[int, ...], channels_out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels[0], 5, stride=2, padding=2, bias=False)
        self.first_norm = nn.BatchNorm2d(channels[0])
        pairs = list(pairwise(channels))
        self.depthwise = nn.ModuleList(
            nn.Conv2d(c_in, c_in, 3, stride=(2, 1), padding=1, groups=c_in, bias=False) for c_in, _ in pairs
        )
        self.pointwise = nn.ModuleList(nn.Conv2d(c_in, c_out, 1, bias=False) for c_in, c_out in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(c_out) for _, c_out in pairs)
        self.gather = nn.Conv2d(channels[-1], channels_out, (MEL_BANDS >> len(channels), 1), bias=False)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.first_norm(self.first(x))) * mask
        for depthwise, pointwise, norm in zip(self.depthwise, self.pointwise, self.norms, strict=True):
            x = F.relu(norm(pointwise(depthwise(x)))) * mask
        return self.gather(x)


class SeparableBlock(nn.Module):
    """Depthwise convolution along time, pointwise convolution, squeeze-excite; residual where the shape allows."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int, squeeze: int, look_ahead: int | None
    ) -> None:
        super().__init__()
        self.stride = stride
        self.residual = channels_in == channels_out and stride == 1
        self.depthwise = TimeConv(channels_in, channels_in, kernel, stride, channels_in, look_ahead)
        self.pointwise = PointwiseConv(channels_in, channels_out)
        self.norm = nn.BatchNorm2d(channels_out)
        self.gate = SqueezeExcite(channels_out, squeeze) if squeeze else None

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.pointwise(self.depthwise(x)))
        if self.gate is not None:
            y = self.gate(y, mask)
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
        attention = torch.softmax(_unshortened(scores), dim=3).reshape(batch, self.heads, 1, frames)
        split = _unshortened(x).reshape(batch, self.heads, channels // self.heads, frames)
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
        self._short = False
        self.trunk: SpectralTrunk | SeparableTrunk | WhisperListener | None = None
        if config.listener:
            self.trunk = WhisperListener()
        elif config.trunk_blocks:
            self.trunk = SeparableTrunk(config.trunk, config.trunk_blocks)
        elif config.trunk:
            self.trunk = SpectralTrunk(config.trunk)
        self.stem: nn.Module
        if self.trunk is not None:
            self.stem = TimeConv(self.trunk.channels[-1], first, config.stem_kernel, 1, 1, None)
        elif config.narrow:
            self.stem = DenseStem(config.spectral_channels, first)
        elif config.spectral_channels:
            self.stem = SpectralStem(config.spectral_channels, first)
        else:
            self.stem = TimeConv(MEL_BANDS, first, config.stem_kernel, 2, 1, config.look_ahead)
        self.stem_norm = nn.BatchNorm2d(first)
        self.blocks = nn.ModuleList(self._dense_blocks(config) if config.narrow else self._separable_blocks(config))
        width = config.channels[-1]
        self.pooling = AttentivePooling(width, config.heads)
        self.pooled_norm = nn.BatchNorm1d(2 * width)
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(2 * width, config.embedding_dim)

    @staticmethod
    def _separable_blocks(config: SpeechEncoderConfig) -> Iterator[nn.Module]:
        width = config.channels[0]
        for stage, (channels, count, kernel) in enumerate(
            zip(config.channels, config.blocks, config.kernels, strict=True)
        ):
            if stage > 0:
                yield SeparableBlock(width, channels, kernel, 2, config.squeeze, config.look_ahead)
            for _ in range(count):
                yield SeparableBlock(channels, channels, kernel, 1, config.squeeze, config.look_ahead)
            width = channels

    @staticmethod
    def _dense_blocks(config: SpeechEncoderConfig) -> Iterator[nn.Module]:
        width = config.channels[0]
        for stage, (channels, count, kernel, narrow) in enumerate(
            zip(config.channels, config.blocks, config.kernels, config.narrow, strict=True)
        ):
            if stage > 0:
                yield DenseStep(width, channels, kernel)
            for _ in range(count):
                yield NarrowBlock(channels, narrow, kernel)
            width = channels

    @property
    def spectral_trunk(self) -> SpectralTrunk | None:
        """The trunk, where it is one that has published weights and can be cut off."""
        return self.trunk if isinstance(self.trunk, SpectralTrunk) else None

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        *_, (x, mask) = self.stages(features, lengths)
        return self.embed(x, mask)

    def stages(self, features: torch.Tensor, lengths: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yields every stage's (B, C, 1, frames) and the mask (B, 1, 1, frames) of its valid frames."""
        if self.trunk is not None:
            yield from self.stages_of_heard(self.trunk(features, lengths), self.trunk.frames_of(lengths))
            return
        lengths = (lengths + 1) // 2  # a stride-2 layer keeps frames 0, 2, 4 ...
        mask = _frame_mask(lengths, (features.shape[2] + 1) // 2)
        x = features.unsqueeze(1 if self.config.spectral_channels else 2)
        if x.device.type == "cuda" or self.training:
            x = x.contiguous(memory_format=torch.channels_last)
        if self.config.narrow:
            yield from self._dense_stages(x, lengths, mask)
            return
        x = self.stem(x, mask) if self.config.spectral_channels else self.stem(x)
        yield from self._stages(x, lengths, mask)

    def _dense_stages(
        self, x: torch.Tensor, lengths: torch.Tensor, early_mask: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        lengths = (lengths + 1) // 2
        mask = _frame_mask(lengths, (early_mask.shape[3] + 1) // 2)
        # Memory is what training costs; in bfloat16 a CPU moves half of it and multiplies in a fifth of the time.
        short = self._short and self.training
        dtype = torch.bfloat16 if short else x.dtype
        with torch.autocast(x.device.type, torch.bfloat16, enabled=short):
            x = self.stem(x.to(dtype), early_mask.to(dtype), mask.to(dtype))
            stages = list(self._stages(x, lengths, mask.to(dtype)))
        yield from ((_unshortened(x), _unshortened(mask)) for x, mask in stages)

    def stages_of_heard(
        self, heard: torch.Tensor, lengths: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The same from what the trunk gave: (B, C, 1, T), of which `lengths` (B,) are valid."""
        mask = _frame_mask(lengths, heard.shape[3])
        yield from self._stages(self.stem(heard * mask), lengths, mask)

    def _stages(
        self, x: torch.Tensor, lengths: torch.Tensor, mask: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        x = F.relu(self.stem_norm(x)) * mask
        for block in self.blocks:
            if block.stride == 2:
                yield x, mask
                lengths = (lengths + 1) // 2
                mask = _frame_mask(lengths, (x.shape[3] + 1) // 2).to(x.dtype)
            x = block(x, mask)
        yield x, mask

    def shorten_products(self, short: bool = True) -> None:
        """Has training multiply in bfloat16 where that is quick; see PointwiseConv, the trunks and _dense_stages."""
        self._short = short
        for module in self.modules():
            if isinstance(module, PointwiseConv | SpectralTrunk | SeparableTrunk):
                module.short = short

    def embed(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The last stage's output, pooled and projected: (B, embedding_dim), unit length."""
        pooled = self.dropout(self.pooled_norm(self.pooling(x, mask)))
        return F.normalize(_unshortened(self.project(pooled)), dim=1)
