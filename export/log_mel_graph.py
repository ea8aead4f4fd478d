"""The log-mel inside a graph: frames by slicing, the Fourier transform as one product of matrices.

Every engine and delegate multiplies matrices; an STFT operator few have, and it does not convert to TFLite.
"""

import numpy as np
import torch
from torch import nn

from edge_s2i.audio.constants import FFT_LENGTH, HOP_LENGTH, LOG_FLOOR, MEL_BANDS, NORMALIZE_EPSILON
from edge_s2i.audio.level import UTTERANCE_PEAK
from edge_s2i.audio.log_mel import analysis_window, frame_count, mel_filterbank


class LogMelGraph(nn.Module):
    """Samples (B, N) float32 at 16 kHz and how many of each are speech (B,) -> normalized log-mel and frames.

    samples: any level, silence trimmed, zeros behind the speech. Returns (B, MEL_BANDS, frame_count(N)), zero behind
    the speech, and (B,) int64. As `edge_s2i.audio` computes it: peak to UTTERANCE_PEAK, log-mel, zero mean and unit
    deviation. N is fixed when the graph is made.
    """

    basis: torch.Tensor
    filters: torch.Tensor

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.samples = samples
        self.frames = frame_count(samples)
        window = analysis_window().astype(np.float64)
        angles = 2.0 * np.pi * np.outer(np.arange(FFT_LENGTH), np.arange(FFT_LENGTH // 2 + 1)) / FFT_LENGTH
        # The window is zero outside WINDOW_LENGTH samples: a fifth of the products need not be made.
        self.first = int(np.flatnonzero(window)[0])
        inside = slice(self.first, int(np.flatnonzero(window)[-1]) + 1)
        basis = window[inside, None] * np.concatenate([np.cos(angles), -np.sin(angles)], 1)[inside]
        self.register_buffer("basis", torch.from_numpy(basis.astype(np.float32)))
        self.register_buffer("filters", torch.from_numpy(mel_filterbank()))

    def forward(self, samples: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        peak = samples.abs().amax(1, keepdim=True)
        samples = samples * (UTTERANCE_PEAK / peak.clamp(min=1e-5))
        spectrum = self._frames(samples) @ self.basis
        bins = FFT_LENGTH // 2 + 1
        power = spectrum[:, :, :bins].square() + spectrum[:, :, bins:].square()
        features = torch.log(power @ self.filters + LOG_FLOOR)
        frames = (lengths - FFT_LENGTH) // HOP_LENGTH + 1
        inside = torch.arange(self.frames, device=samples.device)[None, :, None] < frames[:, None, None]
        valid = inside.to(features.dtype)
        count = valid.sum((1, 2), keepdim=True) * MEL_BANDS
        mean = (features * valid).sum((1, 2), keepdim=True) / count
        centred = (features - mean) * valid
        deviation = (centred.square().sum((1, 2), keepdim=True) / count).sqrt()
        return (centred / (deviation + NORMALIZE_EPSILON)).transpose(1, 2), frames

    def _frames(self, samples: torch.Tensor) -> torch.Tensor:
        """(B, N) -> (B, frames, window): a frame is a few whole hops and a part of one, each a slice of a reshape."""
        width = self.basis.shape[0]
        pieces = []
        for start in range(0, width, HOP_LENGTH):
            length = min(HOP_LENGTH, width - start)
            begin = self.first + start
            hops = samples[:, begin : begin + self.frames * HOP_LENGTH]
            missing = self.frames * HOP_LENGTH - hops.shape[1]
            if missing > 0:
                hops = nn.functional.pad(hops, (0, missing))
            pieces.append(hops.reshape(-1, self.frames, HOP_LENGTH)[:, :, :length])
        return torch.cat(pieces, 2)
