"""Log-mel spectrogram in NumPy: the definition that the torch twin, ONNX graphs and the C runner match."""

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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

# Frames at a time: few enough to stay in the cache, and for a BLAS not to start threads for 5 MFLOP. On a
# busy machine waiting for those took longer than all the rest.
_BLOCK = 16


def _hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


@lru_cache(maxsize=1)
def mel_filterbank() -> np.ndarray:
    """Triangular HTK-mel filters of peak 1, shape (FFT_LENGTH // 2 + 1, MEL_BANDS), float32."""
    bins = np.linspace(0.0, SAMPLE_RATE / 2, FFT_LENGTH // 2 + 1)
    edges = _mel_to_hz(np.linspace(_hz_to_mel(MEL_LOW_HZ), _hz_to_mel(MEL_HIGH_HZ), MEL_BANDS + 2))
    widths = np.diff(edges)
    slopes = edges[None, :] - bins[:, None]
    rising = -slopes[:, :-2] / widths[:-1]
    falling = slopes[:, 2:] / widths[1:]
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


@lru_cache(maxsize=1)
def analysis_window() -> np.ndarray:
    """Periodic Hann window of WINDOW_LENGTH samples, centred in FFT_LENGTH, float32."""
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW_LENGTH) / WINDOW_LENGTH)
    left = (FFT_LENGTH - WINDOW_LENGTH) // 2
    return np.pad(hann, (left, FFT_LENGTH - WINDOW_LENGTH - left)).astype(np.float32)


def frame_count(samples: int) -> int:
    """How many log-mel frames `samples` samples at 16 kHz give; not centred, so a stream agrees."""
    return max(0, 1 + (samples - FFT_LENGTH) // HOP_LENGTH)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Natural-log mel power spectrogram.

    samples: (N,) float32 in [-1, 1] at 16 kHz, N >= FFT_LENGTH.
    Returns (MEL_BANDS, frame_count(N)) float32, in nats, not normalized.
    """
    return np.log(mel_power(samples) + np.float32(LOG_FLOOR)).T


def mel_power(samples: np.ndarray) -> np.ndarray:
    """Mel power of every frame of (N,) float32 `samples`, N >= FFT_LENGTH: (frame_count(N), MEL_BANDS) float32."""
    frames = sliding_window_view(np.asarray(samples, np.float32), FFT_LENGTH)[::HOP_LENGTH]
    # In float64: beside a loud low band the rounding of a float32 transform reaches above the floor in the
    # quiet high bands of lossy recordings, and shifts their logarithm by up to 1e-3.
    window = analysis_window().astype(np.float64)
    power = np.empty((len(frames), MEL_BANDS), np.float32)
    for start in range(0, len(frames), _BLOCK):
        spectrum = np.fft.rfft(frames[start : start + _BLOCK] * window, axis=-1)
        block = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        np.matmul(block, mel_filterbank(), out=power[start : start + _BLOCK])
    return power


def normalize_log_mel(features: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance over one whole utterance, (MEL_BANDS, T) -> (MEL_BANDS, T) float32.

    One mean and one deviation for all bands: a band's own mean carries phonetic content in words this short.
    """
    centred = features - features.mean()
    return (centred / (centred.std() + NORMALIZE_EPSILON)).astype(np.float32)
