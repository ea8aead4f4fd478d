"""The utterance that is timed: 1.5 s of a voiced sound that every check of the runtime takes for speech."""

import numpy as np

from benchmarks.graphs import SECONDS
from edge_s2i.audio.constants import SAMPLE_RATE


def utterance(seconds: float = SECONDS) -> np.ndarray:
    """Three syllables of harmonics under formants, (seconds * 16000,) float32, peak 0.5."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros_like(time)
    for harmonic in np.arange(140.0, 3900.0, 140.0):
        gain = sum(np.exp(-(((harmonic - formant) / 200.0) ** 2)) for formant in (600.0, 1500.0, 2600.0))
        sound += (gain + 0.003) * np.sin(2 * np.pi * harmonic * time + harmonic)
    sound *= np.clip(np.sin(2 * np.pi * time / seconds * 3 - np.pi / 2) * 0.5 + 0.5, 0, 1) ** 2
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)
