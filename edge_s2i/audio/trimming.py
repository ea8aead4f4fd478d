"""Cutting leading and trailing silence by frame energy, the same way in training and on the device."""

import numpy as np

from edge_s2i.audio.constants import HOP_LENGTH, SAMPLE_RATE
from edge_s2i.audio.level import frame_energy, loud_energy

_RANGE_DB = 35.0  # frames this far below the loud part of the utterance are silence
_CLICK_DB = 30.0  # the loud part is at most this far below the loudest frame: a click may be all that there is
_ONSET_RANGE_DB = 25.0  # a soft first consonant is this far below the vowel after it, a room's noise further
_BREAK_FRAMES = 6  # 60 ms: a stop consonant's silence is no longer, the pause after a click is
_MARGIN_FRAMES = 8  # 80 ms kept on each side, so that soft onsets and final plosives survive


def trim_silence(samples: np.ndarray) -> np.ndarray:
    """Returns the view of `samples` ((N,) float32, 16 kHz) from its first to its last loud frame, plus 80 ms.

    Loud means within 35 dB of what `loud_energy` says, or within 65 dB of the loudest frame where only a click is
    loud. A signal with no loud part comes back whole.
    """
    first, last = loud_span(frame_energy(samples), len(samples))
    return samples[first:last]


def loud_span(energy: np.ndarray, length: int) -> tuple[int, int]:
    """First sample and the one past the last that `trim_silence` keeps.

    energy: (T,) of `frame_energy`; length: samples that it was computed from.
    """
    frames = len(energy)
    if frames < 2 * _MARGIN_FRAMES:
        return 0, length
    reference = max(loud_energy(energy), float(energy.max()) * 10 ** (-_CLICK_DB / 10))
    loud = np.flatnonzero(energy > reference * 10 ** (-_RANGE_DB / 10))
    if reference <= 0.0 or len(loud) == 0:
        return 0, length
    first = max(0, int(loud[0]) - _MARGIN_FRAMES)
    last = min(frames, int(loud[-1]) + 1 + _MARGIN_FRAMES)
    return first * HOP_LENGTH, length if last == frames else last * HOP_LENGTH


def loud_since(energy: np.ndarray) -> int:
    """First sample of the sound that goes on at the end: loud frames with less than 60 ms between them.

    energy: (T,) of `frame_energy`. Loud means within 25 dB of the loudest frame: the recording has only begun, and
    there may not be 80 ms of a loud part yet. T frames without sound at their end give their length in samples.
    """
    frames = len(energy)
    loud = np.flatnonzero(energy > energy.max(initial=0.0) * 10 ** (-_ONSET_RANGE_DB / 10))
    if len(loud) == 0 or frames - int(loud[-1]) > _BREAK_FRAMES:
        return frames * HOP_LENGTH
    breaks = np.flatnonzero(np.diff(loud) > _BREAK_FRAMES)
    return int(loud[breaks[-1] + 1 if len(breaks) else 0]) * HOP_LENGTH


def seconds(samples: np.ndarray) -> float:
    """Length of 16 kHz `samples` in seconds."""
    return len(samples) / SAMPLE_RATE
