"""How loud a recording is, setting its level, and whether anything happens in it."""

import math

import numpy as np

from edge_s2i.audio.constants import HOP_LENGTH

UTTERANCE_PEAK = 0.8  # of full scale: the level at which utterances are packed for training, and heard
_LOUD_FRAMES = 8  # 80 ms: less than the voiced part of a short word, more than a click
_QUIETEST_DB = -120.0  # what digital silence is reported as


def level_db(samples: np.ndarray) -> float:
    """Level in dB below full scale of the loud part of 16 kHz `samples` ((N,) float32)."""
    return energy_db(frame_energy(samples))


def energy_db(energy: np.ndarray) -> float:
    """What `level_db` says of samples whose `frame_energy` is (T,) `energy`."""
    if len(energy) == 0:
        return _QUIETEST_DB
    return max(_QUIETEST_DB, 10.0 * math.log10(loud_energy(energy) + 1e-12))


def frame_energy(samples: np.ndarray) -> np.ndarray:
    """Mean square of each whole 10 ms frame of 16 kHz `samples` ((N,) float32), (N // HOP_LENGTH,)."""
    frames = len(samples) // HOP_LENGTH
    squares = np.square(samples[: frames * HOP_LENGTH])
    return np.add.reduce(squares.reshape(frames, HOP_LENGTH), axis=1) / np.float32(HOP_LENGTH)


def loud_energy(energy: np.ndarray) -> float:
    """Energy that the loudest 80 ms of a recording reach: of its eighth loudest frame ((T,), T >= 1), or its quietest.

    A count and no share of the frames: silence around a word changes nothing, so that a file with much of it is heard
    as the stream is in which the same word was cut out.
    """
    place = len(energy) - min(_LOUD_FRAMES, len(energy))
    return float(np.partition(energy, place)[place])


def set_peak(samples: np.ndarray) -> np.ndarray:
    """Scales (N,) float32 samples to UTTERANCE_PEAK; digital silence comes back as it is."""
    peak = float(max(np.maximum.reduce(samples, initial=0.0), -np.minimum.reduce(samples, initial=0.0)))
    return samples * np.float32(UTTERANCE_PEAK / peak) if peak > 0.0 else samples


def modulation(features: np.ndarray) -> float:
    """How much an unnormalized log-mel (MEL_BANDS, T) goes up and down, in nats.

    It is the deviation over time of the mean over bands.

    Syllables modulate speech; a fan, hiss, hum or tone stays level. Measured: white, pink and brown noise of
    0.3 to 3 s 0.10 to 0.16, a tone or hum below 0.01; recorded words 0.76 to 4.2, and with white noise at 0
    dB SNR 0.19 to 0.5.
    """
    means = np.add.reduce(features, axis=0) / np.float32(len(features))
    means -= np.add.reduce(means) / np.float32(len(means))
    return math.sqrt(np.dot(means, means) / len(means))
