"""What else a microphone hears: rooms and fans, mains hum, other people; and how loud beside the speech."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import fft

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.audio.level import frame_energy
from edge_s2i.errors import RequestError

_RMS = 0.1  # of the noises made here, -20 dB below full scale
_LOWEST_HZ = 20.0  # noise does not grow any further below
_DRIFT_SECONDS = 0.4  # between the points of the level's slow course
_DRIFT_DB = 2.5  # deviation of those points
_HARMONICS = 20  # up to 1,000 or 1,200 Hz
_MAINS_HZ = (50.0, 60.0)
_MAINS_SPREAD = 0.002  # power grids keep to within 0.1 Hz
_TALKER_DB = 4.0  # deviation of the talkers' levels: people are at different distances
_ACTIVE_DB = 30.0


def coloured_noise(length: int, generator: np.random.Generator, db_per_octave: float = -3.0) -> np.ndarray:
    """Gaussian noise with a spectrum that rises by `db_per_octave` and a level that wanders by a few dB.

    -3 is pink, -6 brown (traffic, ventilation), 0 white (microphone hiss). Returns (length,) float32, RMS 0.1.
    """
    _check_length(length)
    # A length that FFTs like, and no wrap-around: the end of periodic noise would sound like its start.
    size = fft.next_fast_len(length + SAMPLE_RATE // 10, real=True)
    spectrum = fft.rfft(generator.standard_normal(size, dtype=np.float32))
    hertz = np.maximum(np.arange(len(spectrum), dtype=np.float32) * (SAMPLE_RATE / size), _LOWEST_HZ)
    exponent = np.float32(db_per_octave / (20.0 * math.log10(2.0)))
    spectrum *= (hertz / np.float32(1000.0)) ** exponent
    spectrum[0] = 0.0
    noise = fft.irfft(spectrum, size)[:length]
    points = 2 + math.ceil(length / (_DRIFT_SECONDS * SAMPLE_RATE))
    course_db = np.interp(
        np.arange(length) / (_DRIFT_SECONDS * SAMPLE_RATE),
        np.arange(points),
        _DRIFT_DB * generator.standard_normal(points),
    )
    return _at_rms(noise * np.exp(course_db.astype(np.float32) * np.float32(math.log(10.0) / 20.0)))


def hum(length: int, generator: np.random.Generator) -> np.ndarray:
    """Mains hum: 50 or 60 Hz and its harmonics, of random strength and phase; (length,) float32, RMS 0.1."""
    _check_length(length)
    mains = generator.choice(_MAINS_HZ) * (1.0 + generator.uniform(-_MAINS_SPREAD, _MAINS_SPREAD))
    # Weaker by 6 dB an octave on the whole, and each by chance: what transformers and bad earths do.
    strengths = generator.exponential(size=_HARMONICS) / np.arange(1, _HARMONICS + 1)
    phases = np.exp(2j * np.pi * generator.uniform(size=_HARMONICS))
    rotation = np.exp(2j * np.pi * mains / SAMPLE_RATE * np.arange(length))
    # Powers of one rotation are its harmonics, and a polynomial in it (Horner) needs no further sine.
    total = np.zeros(length, dtype=np.complex128)
    for coefficient in (strengths * phases)[::-1]:
        total += coefficient
        total *= rotation
    return _at_rms(total.real)


def babble(
    voices: Sequence[np.ndarray], length: int, generator: np.random.Generator, talkers: tuple[int, int] = (3, 8)
) -> np.ndarray:
    """Several people talking at once, each saying clips of `voices` one after another from some moment on.

    voices: clips, each (N,) float32 at 16 kHz; talkers: fewest and most of them. Returns (length,) float32, RMS 0.1,
    or zeros where every clip that was drawn is silent.
    """
    _check_length(length)
    if not len(voices):
        raise RequestError("there are 0 voices to make babble of; give at least 1 clip")
    if not 1 <= talkers[0] <= talkers[1]:
        raise RequestError(f"talkers is {talkers}; give the fewest and the most, at least 1")
    total = np.zeros(length, dtype=np.float32)
    for _ in range(int(generator.integers(talkers[0], talkers[1], endpoint=True))):
        loudness = 10.0 ** (_TALKER_DB / 20.0 * generator.standard_normal())
        position = 0
        while position < length:
            clip = voices[int(generator.integers(len(voices)))]
            if position == 0:
                clip = clip[int(generator.uniform() * len(clip)) :]  # in the middle of a word
            power = active_power(clip)
            piece = clip[: length - position]
            if power > 0.0:
                total[position : position + len(piece)] += piece * np.float32(loudness / math.sqrt(power))
            position += max(len(piece), SAMPLE_RATE // 10)  # an empty clip is a pause of 100 ms
    return _at_rms(total)


def active_power(samples: np.ndarray) -> float:
    """Mean square of the 10 ms frames of `samples` ((N,) float32) that are within 30 dB of the loudest one.

    So pauses and padding do not count; a simple stand-in for the active speech level of ITU-T P.56.
    """
    energy = frame_energy(samples)
    if len(energy) == 0:
        return float(np.mean(np.square(samples))) if len(samples) else 0.0
    return float(energy[energy >= energy.max() * 10.0 ** (-_ACTIVE_DB / 10.0)].mean())


def mix(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """speech + noise, the noise scaled so that active_power(speech) is `snr_db` above the noise's mean square.

    speech, noise: (N,) float32, of one length; returns (N,) float32, not limited to [-1, 1]. Where either is
    silent no ratio is possible, and speech comes back as it is.
    """
    if speech.shape != noise.shape:
        raise RequestError(f"speech has {speech.shape} samples and noise {noise.shape}; give as many of each")
    heard, disturbing = active_power(speech), float(np.mean(np.square(noise))) if len(noise) else 0.0
    if heard <= 0.0 or disturbing <= 0.0:
        return speech.astype(np.float32)
    return speech + noise * np.float32(math.sqrt(heard / disturbing) * 10.0 ** (-snr_db / 20.0))


def _at_rms(samples: np.ndarray) -> np.ndarray:
    rms = math.sqrt(float(np.mean(np.square(samples))))
    return (samples * (_RMS / rms if rms > 0.0 else 0.0)).astype(np.float32)


def _check_length(length: int) -> None:
    if length < 1:
        raise RequestError(f"the noise would be {length} samples long; give 1 or more")
