"""What every synthesizer offers, so that the builder treats them alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge_s2i.data.records import Clip, Voice

Audio = tuple[np.ndarray, int] | bytes
"""(samples, rate), or the bytes of an audio file."""


@dataclass(frozen=True)
class Casting:
    """A voice for a text, who that is, and the timbre that is held out as one where speakers share it."""

    voice: Voice
    speaker: str
    timbre: str | None = None


class Engine(Protocol):
    """A synthesizer. `speak` is a function of the clips alone: same clips, same samples, in any process."""

    name: str
    licence: str
    attribution: str
    packages: str  # what to install to have it
    dear: bool  # whether a clip costs about as much time as it lasts: such engines say main names only
    repeats_alone: bool  # whether a clip's samples are the same whatever else is in its batch

    def version(self) -> str | None:
        """The installed version, or None where it cannot run."""

    def cast(self, seed: int, language: str, text: str, count: int) -> list[Casting]:
        """The voices that say a text, by hash. `count`: how many, for an engine whose voices are endless."""

    def speak(self, clips: Sequence[Clip]) -> Iterator[tuple[str, Audio]]:
        """Yields (clip key, audio); a clip the engine cannot say is left out."""
