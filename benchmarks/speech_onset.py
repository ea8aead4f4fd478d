"""Where speech starts in a recording, by its own loudness: the label that live latency is counted from."""

import numpy as np

from edge_s2i.audio.constants import HOP_LENGTH
from edge_s2i.audio.level import frame_energy

_BELOW_DB = 25.0  # under the loudest 80 ms: soft consonants are above it, breath and these recordings' rooms below
_LOUDEST = 8  # frames of 10 ms
_LASTS, _WITHIN = 6, 8  # frames that are loud out of those that follow: a click or a knock is no speech


def speech_onset(recording: np.ndarray) -> int:
    """First sample of the first sound that lasts, in (N,) float32 at 16 kHz; 0 where nothing does.

    Nobody labelled these recordings by hand. No voice detector is asked: a detector that notices a voice late must not
    be measured from where it noticed it.
    """
    energy = frame_energy(recording)
    if len(energy) < _WITHIN:
        return 0
    reference = np.partition(energy, -_LOUDEST)[-_LOUDEST]
    loud = energy > reference * 10 ** (-_BELOW_DB / 10)
    starts = (frame for frame in range(len(loud)) if loud[frame] and loud[frame : frame + _WITHIN].sum() >= _LASTS)
    return next(starts, 0) * HOP_LENGTH
