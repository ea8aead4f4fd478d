"""What is exported: the trained networks, cut and joined as devices want them, each computing what torch computes.

A pretrained encoder is 95% trunk, plain convolutions that any NPU runs in int8 and that know nothing of an utterance's
end; its head pools over the whole utterance. A generator is a memory, whose sharp attention wants float32, and a
synthesis, plain convolutions again. Cut there, the large parts are all-integer graphs without fallback, the small ones
float graphs for the CPU, and the trunk streams.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.models.generator import RGB_BLOCK, START_SIZE, Generator, Level
from edge_s2i.models.spectral_trunk import BANDS, CONTEXT, FRAMES_A_STEP, POOLS, QUIET, SpectralTrunk
from edge_s2i.models.speech_encoder import SpeechEncoder
from export.log_mel_graph import LogMelGraph
from export.onnx_graphs import ExportError

WINDOW = 2 * CONTEXT  # frames that one frame of the trunk is about
LEAD = 4  # quiet frames that a stream begins with, beside CONTEXT, so that its pools fall where the trunk's do
STREAM_DELAY = (LEAD + 2 * CONTEXT - FRAMES_A_STEP) // FRAMES_A_STEP  # chunks of 8 frames before the first answer


def trunk_of(encoder: SpeechEncoder) -> SpectralTrunk:
    """The encoder's trunk; ExportError for an encoder without one, which cannot be cut."""
    if encoder.spectral_trunk is None:
        raise ExportError(
            "this encoder has no SpectralTrunk to cut off: its gates are means over the whole utterance, "
            "so it runs whole"
        )
    return encoder.spectral_trunk


class TrunkWindow(nn.Module):
    """Frames first: normalized log-mel (B, frames + 2 * CONTEXT, MEL_BANDS), quiet around it -> (B, C, 1, steps).

    With bands as width a frame's bands lie together, as the bands' own convolution leaves them: nothing to transpose.
    """

    def __init__(self, trunk: SpectralTrunk) -> None:
        super().__init__()
        self.bands = nn.Conv2d(MEL_BANDS, BANDS, 1)
        self.bands.load_state_dict(trunk.bands.state_dict())
        self.stages = nn.ModuleList(nn.ModuleList(_turned(layer) for layer in stage) for stage in trunk.stages)  # type: ignore[union-attr, arg-type, attr-defined]
        self.last = _turned(trunk.last)

    def forward(self, log_mel: Tensor) -> Tensor:
        x = self.bands(log_mel.transpose(1, 2).unsqueeze(3))  # (B, BANDS, T, 1)
        x = x.permute(0, 3, 2, 1)
        for stage, (bands, frames) in zip(self.stages, POOLS, strict=True):
            for layer in stage:  # type: ignore[union-attr, attr-defined]
                x = torch.clamp(F.leaky_relu(layer(x), 0.2), min=-0.4)
            x = F.max_pool2d(x, (frames, bands))
        return self.last(x).permute(0, 1, 3, 2)


def _turned(layer: nn.Conv2d) -> nn.Conv2d:
    """The same convolution with frames before bands."""
    turned = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size[::-1],  # type: ignore[arg-type]
        padding=layer.padding[::-1],  # type: ignore[arg-type]
        bias=layer.bias is not None,
    )
    with torch.no_grad():
        turned.weight.copy_(layer.weight.transpose(2, 3))
        if layer.bias is not None:
            assert turned.bias is not None
            turned.bias.copy_(layer.bias)
    return turned


class TrunkChunk(nn.Module):
    """The trunk over a stream: chunk (B, MEL_BANDS, 8 k) and one state -> (B, C, 1, k) and the next state.

    A convolution along time keeps the last two columns that it heard; all of them lie in one flat state (B, state),
    zeros at first. A stream is LEAD + CONTEXT frames of QUIET, the utterance, CONTEXT frames of QUIET and what is
    missing to whole chunks; the first STREAM_DELAY frames that come out are no answer. What follows is exactly the
    trunk's.
    """

    def __init__(self, trunk: SpectralTrunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.shapes = tuple(self._state_shapes())
        self.state_size = sum(channels * bands * 2 for channels, bands in self.shapes)

    def _state_shapes(self) -> list[tuple[int, int]]:
        bands, shapes = BANDS, []
        for stage, (pool, _) in zip(self.trunk.stages, POOLS, strict=True):
            for layer in stage:  # type: ignore[union-attr, attr-defined]
                if layer.kernel_size[1] > 1:  # type: ignore[union-attr, operator]
                    shapes.append((layer.in_channels, bands))  # type: ignore[union-attr]
            bands //= pool
        return [*shapes, (self.trunk.last.in_channels, bands)]  # type: ignore[list-item]

    def forward(self, log_mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        sizes = [channels * bands * 2 for channels, bands in self.shapes]
        states = iter(zip(torch.split(state, sizes, 1), self.shapes, strict=True))
        kept: list[Tensor] = []

        def along_time(x: Tensor, layer: nn.Module) -> Tensor:
            if layer.kernel_size[1] == 1:  # type: ignore[index, operator]
                return layer(x)
            before, (channels, bands) = next(states)
            x = torch.cat([before.reshape(-1, channels, bands, 2), x], 3)
            kept.append(x[:, :, :, -2:].reshape(-1, channels * bands * 2))
            return layer(x)

        x = self.trunk.bands(log_mel.unsqueeze(2)).transpose(1, 2)
        for stage, pool in zip(self.trunk.stages, POOLS, strict=True):
            for layer in stage:  # type: ignore[union-attr, attr-defined]
                x = torch.clamp(F.leaky_relu(along_time(x, layer), 0.2), min=-0.4)
            x = F.max_pool2d(x, pool)
        return along_time(x, self.trunk.last), torch.cat(kept, 1)


class EncoderHead(nn.Module):
    """What the trunk gave (B, C, 1, steps) and how many steps are the utterance's (B,) -> embedding (B, D)."""

    def __init__(self, encoder: SpeechEncoder) -> None:
        super().__init__()
        trunk_of(encoder)
        self.encoder = encoder

    def forward(self, heard: Tensor, steps: Tensor) -> Tensor:
        *_, (x, mask) = self.encoder.stages_of_heard(heard, steps)
        return self.encoder.embed(x, mask)


class ConceptMapping(nn.Module):
    """embedding (B, E), latent (B, Z), style (B, S) -> w (B, w_dim): the generator's memory and mixing, for the CPU."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.mapping = generator.mapping

    def forward(self, embedding: Tensor, latent: Tensor, style: Tensor) -> Tensor:
        return self.mapping(embedding, latent, style)


class Synthesis(nn.Module):
    """w (B, w_dim) -> picture (B, 3, H, W) in [-1, 1]: all convolutions, for an NPU.

    The last 1x1 convolution and depth-to-space are one transposed convolution, which has a kernel on every delegate;
    written apart, converters make six-dimensional transposes of it.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator
        to_rgb = generator.to_rgb
        self.rgb_filter = copy.deepcopy(generator.rgb_filter)
        self.to_rgb = nn.ConvTranspose2d(to_rgb.in_channels, 3, RGB_BLOCK, stride=RGB_BLOCK)
        with torch.no_grad():
            weight = to_rgb.weight.reshape(3, RGB_BLOCK, RGB_BLOCK, to_rgb.in_channels)
            self.to_rgb.weight.copy_(weight.permute(3, 0, 1, 2))
            assert to_rgb.bias is not None
            assert self.to_rgb.bias is not None
            assert self.rgb_filter.bias is not None
            bias = to_rgb.bias.double().reshape(3, RGB_BLOCK * RGB_BLOCK)
            self.to_rgb.bias.copy_(bias.mean(1))
            # A pixel of each block has a bias of its own, a transposed convolution has none: what differs is put into
            # the bias of the filter before, as the smallest constant input that this convolution makes it of.
            rest = (bias - bias.mean(1, keepdim=True)).reshape(-1, 1)
            constant = torch.linalg.pinv(to_rgb.weight.double().flatten(1)) @ rest
            self.rgb_filter.bias.add_(constant[:, 0])

    def forward(self, w: Tensor) -> Tensor:
        generator = self.generator
        x = generator.start_from_w(w).reshape(-1, generator.config.start_channels, START_SIZE, START_SIZE)
        x = x + generator.start
        for level in generator.levels.values():
            assert isinstance(level, Level)
            x = level(x, w)
        return self.to_rgb(self.rgb_filter(x)).clamp(-1.0, 1.0)


class SpeechToPictureGraph(nn.Module):
    """PCM in, picture out, in one graph: samples (B, N), lengths (B,), latent (B, Z), style (B, S) ->
    picture (B, 3, H, W) in [-1, 1], or (B, H, W, 3) uint8 if `pixels`; and the embedding (B, D), for the confidence.
    """

    def __init__(self, encoder: SpeechEncoder, generator: Generator, samples: int, pixels: bool) -> None:
        super().__init__()
        self.log_mel = LogMelGraph(samples)
        self.encoder = encoder
        self.generator = generator
        self.pixels = pixels

    def forward(self, samples: Tensor, lengths: Tensor, latent: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        features, frames = self.log_mel(samples, lengths)
        embedding = self.encoder(features, frames)
        picture = self.generator(embedding, latent, style)
        if self.pixels:
            picture = torch.round((picture + 1.0) * 127.5).permute(0, 2, 3, 1).to(torch.uint8)
        return picture, embedding


def quiet_window(features: Tensor, frames: int) -> Tensor:
    """Normalized log-mel (B, MEL_BANDS, T) -> what a TrunkWindow hears, (B, frames + 2 * CONTEXT, MEL_BANDS)."""
    features = features[:, :, :frames]
    behind = CONTEXT + frames - features.shape[2]
    return F.pad(features, (CONTEXT, behind), value=QUIET).transpose(1, 2)
