"""How to listen: when an utterance starts and ends, and how often it is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edge_s2i.audio.constants import MAX_SECONDS, MIN_SECONDS
from edge_s2i.errors import RequestError
from edge_s2i.runtime.speech_to_picture import MAX_PICTURES

VOICE_DETECTORS = ("silero", "energy")


@dataclass(frozen=True)
class ListenSettings:
    """Settings of a listening session; RequestError for one out of range. Times are in seconds."""

    pre_roll: float = 0.5  # kept from before the voice was noticed: soft onsets come before it
    trailing_silence: float = 0.3  # without voice that ends an utterance
    max_utterance: float = MAX_SECONDS  # pre-roll included; longer speech is drawn up to here
    refractory: float = 0.2  # after an utterance in which none can start
    min_voice: float = 0.064  # of likely voice that starts an utterance: two windows of the detector, one of them sure
    partial_every: float = 0.16  # of speech between partial pictures; 0 draws none
    partial_strength: float = 0.0  # partial pictures fainter than this are kept back; 1 is understood
    push_to_talk: bool = False  # only `press` starts an utterance
    vad: str = "silero"  # the voice detector: "silero", or "energy", which needs no network
    vad_threshold: float = 0.6  # probability at which a voice is sure; from a third it is likely, below 0.6 of it quiet
    n: int = 1  # pictures of an utterance; partial pictures are one each
    seed: int = 0
    style: str | Mapping[str, float] | None = None
    draw_anyway: bool = False  # final pictures also of what was heard but not understood
    queue_seconds: float = 4.0  # of audio that may wait for a slow model; what does not fit is dropped and counted

    def __post_init__(self) -> None:
        _check("pre_roll", self.pre_roll, 0.0, 1.0)
        _check("trailing_silence", self.trailing_silence, 0.1, 2.0)
        _check("max_utterance", self.max_utterance, 2 * MIN_SECONDS, MAX_SECONDS)
        _check("refractory", self.refractory, 0.0, 10.0)
        _check("min_voice", self.min_voice, 0.032, 1.0)
        if self.partial_every:
            _check("partial_every", self.partial_every, 0.08, MAX_SECONDS)
        _check("partial_strength", self.partial_strength, 0.0, 1.0)
        _check("vad_threshold", self.vad_threshold, 0.2, 0.95)
        _check("queue_seconds", self.queue_seconds, 0.5, 60.0)
        if self.pre_roll + self.min_voice >= self.max_utterance:
            raise RequestError(
                f"pre_roll is {self.pre_roll} s and max_utterance {self.max_utterance} s; leave room for speech"
            )
        if self.vad not in VOICE_DETECTORS:
            raise RequestError(f"vad {self.vad!r} is unknown; there are {', '.join(VOICE_DETECTORS)}")
        if not isinstance(self.n, int) or not 1 <= self.n <= MAX_PICTURES:
            raise RequestError(f"n is {self.n}; 1 to {MAX_PICTURES} pictures can be drawn at once")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise RequestError(f"seed is {self.seed}; give 0 or more")


def _check(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RequestError(f"{name} is {value!r}; give a number of seconds or a share, {low:g} to {high:g}")
    if not low <= value <= high:
        raise RequestError(f"{name} is {value:g}; give {low:g} to {high:g}")
