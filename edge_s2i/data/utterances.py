"""One clip's way into the pack: read, mono 16 kHz, silence trimmed, level set, FLAC."""

import io

import numpy as np
import soundfile

from edge_s2i.audio import read_audio, trim_silence
from edge_s2i.audio.constants import MAX_SECONDS, MIN_SECONDS, SAMPLE_RATE
from edge_s2i.errors import AudioError

PEAK = 0.8
_QUIETEST_PEAK = 1e-3  # -60 dB: below this a "recording" is dither


class UnfitClipError(Exception):
    """Why a clip is left out, in one word or two for the summary."""


def prepare(source: bytes | tuple[np.ndarray, int]) -> np.ndarray:
    """16 kHz mono float32 of peak 0.8, without outer silence; UnfitClipError says why it cannot be."""
    try:
        samples = read_audio(source)
    except AudioError as error:
        raise UnfitClipError("unreadable") from error
    samples = trim_silence(samples)
    if len(samples) > MAX_SECONDS * SAMPLE_RATE:
        raise UnfitClipError("longer than 4 s")
    if len(samples) < MIN_SECONDS * SAMPLE_RATE:
        raise UnfitClipError("shorter than 0.2 s")
    peak = float(np.abs(samples).max())
    if peak < _QUIETEST_PEAK:
        raise UnfitClipError("silent")
    return samples * np.float32(PEAK / peak)


def to_flac(samples: np.ndarray) -> bytes:
    """(N,) float32 -> FLAC bytes, 16 bit."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.round(samples * 32767.0).astype(np.int16), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
