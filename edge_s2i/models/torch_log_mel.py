"""The log-mel's torch twin, on torchaudio, for training on waveforms; equal to the NumPy one to 1e-4."""

import torch

from edge_s2i.audio.constants import (
    FFT_LENGTH,
    HOP_LENGTH,
    LOG_FLOOR,
    MEL_BANDS,
    MEL_HIGH_HZ,
    MEL_LOW_HZ,
    NORMALIZE_EPSILON,
    SAMPLE_RATE,
    WINDOW_LENGTH,
)
from edge_s2i.audio.log_mel import analysis_window, mel_filterbank
from edge_s2i.models.torchaudio_import import import_torchaudio


class TorchLogMel(torch.nn.Module):
    """Waveform (B, N) at 16 kHz -> natural-log mel power (B, MEL_BANDS, T), not normalized."""

    def __init__(self) -> None:
        super().__init__()
        self.mel = (
            import_torchaudio()
            .transforms.MelSpectrogram(
                sample_rate=SAMPLE_RATE,
                n_fft=FFT_LENGTH,
                win_length=WINDOW_LENGTH,
                hop_length=HOP_LENGTH,
                f_min=MEL_LOW_HZ,
                f_max=MEL_HIGH_HZ,
                n_mels=MEL_BANDS,
                power=2.0,
                center=False,
                norm=None,
                mel_scale="htk",
            )
            .double()
        )  # as in NumPy: float32 would differ by up to 1e-3 in quiet bands beside loud ones
        # torchaudio computes its filters and window in float32, which shows at the feet of the triangles.
        window = torch.from_numpy(analysis_window())
        left = (FFT_LENGTH - WINDOW_LENGTH) // 2
        self.mel.spectrogram.window.copy_(window[left : left + WINDOW_LENGTH])
        self.mel.mel_scale.fb.copy_(torch.from_numpy(mel_filterbank()))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """samples: (B, N) float, N >= FFT_LENGTH."""
        return torch.log(self.mel(samples.double()) + LOG_FLOOR).float()


def normalize_log_mel(features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Zero mean, unit variance over each utterance's own frames; padding comes out as 0.

    features: (B, MEL_BANDS, T); lengths: (B,) valid frames of each.
    """
    mask = (torch.arange(features.shape[-1], device=features.device) < lengths[:, None])[:, None]
    count = lengths.clamp(min=1)[:, None, None] * features.shape[1]
    mean = (features * mask).sum((1, 2), keepdim=True) / count
    centred = (features - mean) * mask
    deviation = (centred.square().sum((1, 2), keepdim=True) / count).sqrt()
    return centred / (deviation + NORMALIZE_EPSILON)
