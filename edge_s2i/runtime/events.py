"""What a listening session reports. Times are seconds of the audio stream, from its first sample.

Every `SpeechStarted` is followed by exactly one `FinalPicture` of the same utterance, whatever happens in between.
An utterance that was not understood ends in a `FinalPicture` too: its drawing says so and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edge_s2i.runtime.drawing import Drawing

FAINTEST = 0.05  # strength of a partial picture: what shows no more than this cannot be seen

Ending = Literal["pause", "release", "length", "gap", "end"]


@dataclass(frozen=True)
class Event:
    """At what point of the stream something was decided, and how long after that point's sound had arrived."""

    at: float  # s of stream heard when this was decided
    latency_ms: float = field(compare=False)  # from the arrival of the sample that decided it to this event


@dataclass(frozen=True)
class SpeechStarted(Event):
    """Somebody began to speak, or pressed the button."""

    utterance: int  # numbered from 1
    start: float  # s: where the voice began, by the detector; before `at`


@dataclass(frozen=True)
class PartialPicture(Event):
    """What the speech so far would be; each replaces the one before it."""

    utterance: int
    number: int  # within the utterance, from 1
    drawing: Drawing  # one picture, of the first latent of the seed
    strength: float  # FAINTEST to 1: how much of the picture to show; 1 where the utterance is understood already
    settled: bool  # nothing more was said for a moment: the final picture will be this one unless speech goes on
    start: float
    end: float  # s: the span of the stream that was drawn, silence trimmed off
    timings: Mapping[str, float] = field(compare=False)  # ms by stage: log_mel, encoder, confidence, generator


@dataclass(frozen=True)
class FinalPicture(Event):
    """The utterance is over: what `draw((samples, 16000))` answers, bit for bit, or why nothing could be drawn."""

    utterance: int
    drawing: Drawing  # `drawing.understood` is False, and `reason` says why, for what was not understood
    ending: Ending  # a pause; the button's release; the greatest length; lost audio; the end of the stream
    start: float
    end: float  # s: the span of `samples` in the stream
    speech_end: float  # s: where the voice was heard last
    samples: np.ndarray = field(repr=False, compare=False)  # (N,) float32 at 16 kHz: pre-roll to end, untrimmed
    timings: Mapping[str, float] = field(compare=False)  # ms by stage; vad: of one window

    @property
    def understood(self) -> bool:
        """Whether the drawing was understood."""
        return self.drawing.understood


@dataclass(frozen=True)
class Dropped(Event):
    """The listener could not keep up; counts are since the last such event."""

    samples: int  # of audio at 16 kHz that nobody heard
    partials: int  # partial pictures that were due and not drawn
    overflows: int  # times that the sound device itself lost audio


SpeechEvent = SpeechStarted | PartialPicture | FinalPicture | Dropped
