"""Log-mel spectrogram in NumPy: the definition that the torch twin, ONNX graphs and the C runner match."""

from functools import lru_cache

import numpy as np

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

# Frames at a time: few enough to stay in the cache, and for a BLAS not to start threads for the products of
# `_filter_halves`. On a busy machine waiting for those took longer than all the rest.
_BLOCK = 48
_LEFT = (FFT_LENGTH - WINDOW_LENGTH) // 2  # zeros in front of the window


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
def _filter_halves() -> list[tuple[slice, slice, np.ndarray]]:
    """The filterbank as two products of half the arithmetic: (bins, bands, filters) of the lower and upper bands."""
    filters = mel_filterbank()
    halves = []
    for bands in (slice(0, MEL_BANDS // 2), slice(MEL_BANDS // 2, MEL_BANDS)):
        heard = np.flatnonzero(filters[:, bands].any(axis=1))
        bins = slice(int(heard[0]), int(heard[-1]) + 1)
        halves.append((bins, bands, np.ascontiguousarray(filters[bins, bands])))
    return halves


@lru_cache(maxsize=1)
def analysis_window() -> np.ndarray:
    """Periodic Hann window of WINDOW_LENGTH samples, centred in FFT_LENGTH, float32."""
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(WINDOW_LENGTH) / WINDOW_LENGTH)
    return np.pad(hann, (_LEFT, FFT_LENGTH - WINDOW_LENGTH - _LEFT)).astype(np.float32)


@lru_cache(maxsize=1)
def _hann64() -> np.ndarray:
    """What `analysis_window` is where it is not zero, (WINDOW_LENGTH,) float64."""
    return analysis_window()[_LEFT : _LEFT + WINDOW_LENGTH].astype(np.float64)


def frame_count(samples: int) -> int:
    """How many log-mel frames `samples` samples at 16 kHz give; not centred, so a stream agrees."""
    return max(0, 1 + (samples - FFT_LENGTH) // HOP_LENGTH)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Natural-log mel power spectrogram.

    samples: (N,) float32 in [-1, 1] at 16 kHz, N >= FFT_LENGTH.
    Returns (MEL_BANDS, frame_count(N)) float32, in nats, not normalized.
    """
    power = mel_power(samples)
    power += np.float32(LOG_FLOOR)
    return np.log(power, out=power).T


def mel_power(samples: np.ndarray) -> np.ndarray:
    """Mel power of every frame of (N,) float32 `samples`, N >= FFT_LENGTH: (frame_count(N), MEL_BANDS) float32."""
    samples = np.ascontiguousarray(samples, np.float32)
    count, stride = frame_count(len(samples)), samples.itemsize
    # A view made by hand: sliding_window_view took a third of the time of all that is done here.
    frames = np.ndarray(
        (count, WINDOW_LENGTH), np.float32, samples, _LEFT * stride, strides=(HOP_LENGTH * stride, stride)
    )
    power = np.empty((count, MEL_BANDS), np.float32)
    # In float64: beside a loud low band the rounding of a float32 transform reaches above the floor in the
    # quiet high bands of lossy recordings, and shifts their logarithm by up to 1e-3.
    windowed = np.zeros((min(count, _BLOCK), FFT_LENGTH))
    for start in range(0, count, _BLOCK):
        rows = power[start : start + _BLOCK]
        part = windowed[: len(rows)]
        np.multiply(frames[start : start + _BLOCK], _hann64(), out=part[:, _LEFT : _LEFT + WINDOW_LENGTH])
        parts = np.fft.rfft(part).view(np.float64)  # (frames, 2 * bins): real and imaginary parts by turns
        parts *= parts
        spectrum = np.add(parts[:, 0::2], parts[:, 1::2], dtype=np.float64).astype(np.float32)
        for bins, bands, filters in _filter_halves():
            np.matmul(spectrum[:, bins], filters, out=rows[:, bands])
    return power


def normalize_log_mel(features: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance over one whole utterance, (MEL_BANDS, T) -> (MEL_BANDS, T) float32.

    One mean and one deviation for all bands: a band's own mean carries phonetic content in words this short.
    """
    centred = features - np.add.reduce(features, axis=None) / np.float32(features.size)
    deviation = np.sqrt(np.add.reduce(np.square(centred), axis=None) / np.float32(features.size))
    # Into C order: `log_mel` has bands last in memory, and an engine wants them first.
    normalized = np.empty(features.shape, np.float32)
    return np.divide(centred, deviation + np.float32(NORMALIZE_EPSILON), out=normalized, casting="same_kind")
