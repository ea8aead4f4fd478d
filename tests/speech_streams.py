"""Streams of the tiny bundle's words among silence and noise, for tests of listening."""

from __future__ import annotations

import numpy as np
import tiny_bundle as tiny

from edge_s2i.audio.constants import SAMPLE_RATE


def silence(seconds: float, seed: int = 0) -> np.ndarray:
    """What a microphone hears when nobody speaks: noise at -80 dB of full scale, (N,) float32."""
    count = round(seconds * SAMPLE_RATE)
    return (1e-4 * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def spoken(*words: int, pause: float = 1.0) -> np.ndarray:
    """The tiny bundle's words by index, each after `pause` seconds of silence, and silence at the end."""
    parts = [silence(pause)]
    for number, word in enumerate(words):
        parts += [tiny.word(word), silence(pause, number + 1)]
    return np.concatenate(parts)
