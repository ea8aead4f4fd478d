"""Reading speech from a path, bytes or array: any format, rate and channels to 16 kHz mono float32."""

import io
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from edge_s2i.audio.constants import MAX_SECONDS, MIN_SECONDS, SAMPLE_RATE
from edge_s2i.audio.level import frame_energy
from edge_s2i.audio.ogg import is_truncated_ogg
from edge_s2i.audio.trimming import loud_span
from edge_s2i.errors import AudioError

# Silence is trimmed after reading, so a recording may be longer than an utterance, but not by hours: a
# ten-minute file is refused from its header, before it is decoded into memory.
MAX_READ_SECONDS = 60.0

AudioInput = str | os.PathLike | bytes | tuple[np.ndarray, int]


def read_audio(source: AudioInput) -> np.ndarray:
    """Reads `source` as 16 kHz mono float32, shape (N,).

    source: a path, the bytes of an audio file, or (samples, rate) with samples (N,) or (N, channels), float
    in [-1, 1] or signed integers. Raises AudioError for anything that is not usable audio.
    """
    if isinstance(source, tuple):
        samples, rate = source
        return to_mono_16k(samples, rate, "the array")
    if isinstance(source, bytes):
        if not source:
            raise AudioError("the audio has 0 bytes; give the bytes of a WAV, FLAC, Ogg or MP3 file")
        return _decode(io.BytesIO(source), "the audio bytes")
    path = Path(source)
    if path.is_dir():
        raise AudioError(f"{path} is a folder; give an audio file")
    if not path.exists():
        raise AudioError(f"{path} does not exist; give a path to an audio file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path} is empty (0 bytes); give a recording of 0.2 to 4 s of speech")
    try:
        with path.open("rb") as file:
            return _decode(file, str(path))
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error


def _decode(file: BinaryIO, name: str) -> np.ndarray:
    if is_truncated_ogg(file):
        raise AudioError(f"{name} is damaged: the Ogg stream ends in the middle of a page; copy or record it again")
    try:
        with soundfile.SoundFile(file) as audio:
            rate, frames = audio.samplerate, audio.frames
            if frames > MAX_READ_SECONDS * rate:
                raise AudioError(
                    f"{name} is {frames / rate:.0f} s long; an utterance is {MIN_SECONDS} to "
                    f"{MAX_SECONDS:.0f} s: cut it into words or phrases"
                )
            samples = audio.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{name} is not audio that libsndfile can read ({error.error_string.rstrip('.')}); "
            "give WAV, FLAC, Ogg, Opus or MP3"
        ) from error
    if frames > 0 and len(samples) < 0.98 * frames:
        raise AudioError(f"{name} is damaged: {len(samples)} of {frames} samples can be read; record it again")
    if len(samples) == 0:
        raise AudioError(f"{name} holds 0 samples; give a recording of {MIN_SECONDS} to {MAX_SECONDS:.0f} s of speech")
    return to_mono_16k(samples, rate, name)


def to_mono_16k(samples: np.ndarray, rate: int, name: str = "the audio") -> np.ndarray:
    """Mixes channels to one and resamples to 16 kHz with soxr; (N,) or (N, channels) -> (M,) float32."""
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2) or samples.size == 0:
        raise AudioError(f"{name} has shape {samples.shape}; give samples of shape (N,) or (N, channels), N at least 1")
    if not 1_000 <= rate <= 768_000:
        raise AudioError(f"{name} has a sample rate of {rate} Hz; 1,000 to 768,000 Hz can be resampled")
    if np.issubdtype(samples.dtype, np.signedinteger):
        samples = samples.astype(np.float32) / float(-np.iinfo(samples.dtype).min)
    elif np.issubdtype(samples.dtype, np.floating):
        samples = samples.astype(np.float32)
    else:
        raise AudioError(f"{name} has samples of type {samples.dtype}; give floats in [-1, 1] or signed integers")
    if len(samples) > MAX_READ_SECONDS * rate:
        raise AudioError(
            f"{name} is {len(samples) / rate:.0f} s long; an utterance is {MIN_SECONDS} to "
            f"{MAX_SECONDS:.0f} s: cut it into words or phrases"
        )
    if not np.isfinite(samples).all():
        bad = int((~np.isfinite(samples)).sum())
        raise AudioError(f"{name} has {bad} samples that are NaN or infinite; give finite samples")
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.ascontiguousarray(mono, dtype=np.float32)


def check_utterance(samples: np.ndarray, name: str = "the audio", energy: np.ndarray | None = None) -> np.ndarray:
    """Trims silence off 16 kHz `samples`; AudioError if the utterance is not 0.2 to 4 s long.

    energy: what `frame_energy` says of the samples, where that is known already.
    """
    first, last = utterance_span(samples, name, energy)
    return samples[first:last]


def utterance_span(samples: np.ndarray, name: str = "the audio", energy: np.ndarray | None = None) -> tuple[int, int]:
    """First sample and the one past the last of what `check_utterance` returns."""
    length = len(samples) / SAMPLE_RATE
    if length < MIN_SECONDS:
        raise AudioError(f"{name} is {length:.2f} s long; an utterance is at least {MIN_SECONDS} s")
    first, last = loud_span(frame_energy(samples) if energy is None else energy, len(samples))
    length = (last - first) / SAMPLE_RATE
    if length > MAX_SECONDS:
        raise AudioError(
            f"{name} holds {length:.1f} s of sound; an utterance is at most {MAX_SECONDS:.0f} s: "
            "cut it into words or phrases"
        )
    if length >= MIN_SECONDS:
        return first, last
    # A single loud moment: what an utterance needs at least, around its peak.
    shortest = int(MIN_SECONDS * SAMPLE_RATE)
    start = int(np.abs(samples).argmax()) - shortest // 2
    start = min(max(start, 0), len(samples) - shortest)
    return start, start + shortest
