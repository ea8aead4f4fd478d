"""The same clips as they sound elsewhere: in rooms, and through other talkers or steady noise at a set SNR."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edge_s2i.audio.constants import MAX_SECONDS, SAMPLE_RATE
from edge_s2i.evaluation.choosing import place

BABBLE, STEADY = "babble", "steady noise"
SNRS_DB = (24.0, 18.0, 12.0, 6.0, 0.0, -3.0)

_LONGEST = int(MAX_SECONDS * SAMPLE_RATE)
_SLOPES_DB = (0.0, -3.0, -6.0)  # an octave: hiss, rain and fans, traffic behind a wall
_ROOMS = 16
_ROOM_SEED = 20_261_122  # apart from the seeds of training's rooms, which are small numbers


@dataclass(frozen=True)
class Condition:
    """noise: BABBLE, STEADY or None, then snr_db is None too; room: whether the talker is in a room or at the ear."""

    noise: str | None
    snr_db: float | None
    room: bool

    @property
    def name(self) -> str:
        """For people: "babble 6 dB, in a room"."""
        noise = "clean" if self.noise is None else f"{self.noise} {self.snr_db:g} dB"
        return f"{noise}, {'in a room' if self.room else 'dry'}"


def all_conditions(snrs_db: Sequence[float] = SNRS_DB) -> tuple[Condition, ...]:
    """Clean speech and every noise at every SNR, each dry and in a room."""
    found = []
    for room in (False, True):
        found.append(Condition(None, None, room))
        found += [Condition(noise, snr, room) for noise in (BABBLE, STEADY) for snr in snrs_db]
    return tuple(found)


class Surroundings:
    """Rooms, talkers and noise that training never heard; the same seed gives a clip the same ones everywhere.

    A clip gets the same room in all conditions in a room, and the same noise at every SNR, so that conditions differ
    in one thing at a time.
    """

    def __init__(self, talkers: Sequence[tuple[str, np.ndarray]], seed: int = 0) -> None:
        """talkers: (concept, (N,) float32 at 16 kHz) of held-out clips that babble is made of."""
        self._talkers = talkers
        self._seed = seed

    @cached_property
    def _rooms(self) -> list[np.ndarray]:
        from edge_s2i.acoustics.rooms import room_bank

        return room_bank(_ROOMS, _ROOM_SEED + self._seed)

    def speech(self, key: str, samples: np.ndarray, room: bool) -> np.ndarray:
        """The clip as it reaches the microphone without noise; (N,) -> (M,) float32, M at most 4 s."""
        if not room:
            return samples
        from edge_s2i.acoustics.rooms import reverberate

        response = self._rooms[self._number(key, "room") % len(self._rooms)]
        return reverberate(samples, response)[:_LONGEST]

    def noise(self, key: str, concept: str, length: int, condition: Condition) -> np.ndarray:
        """`length` samples of the condition's noise, float32 of no particular level.

        Nobody in the babble says `concept`. In a room the noise comes from elsewhere in another room of the bank:
        where noise stands is not where the talker stands.
        """
        from edge_s2i.acoustics.noise import babble, coloured_noise
        from edge_s2i.acoustics.rooms import reverberate

        generator = np.random.default_rng([self._seed, self._number(key, str(condition.noise))])
        if condition.noise == STEADY:
            return coloured_noise(length, generator, float(generator.choice(_SLOPES_DB)))
        voices = [samples for said, samples in self._talkers if said != concept]
        response = self._rooms[(self._number(key, "room") + 1) % len(self._rooms)] if condition.room else None
        lead = 0 if response is None else len(response) - 1  # the room has filled with voices before the clip begins
        made = babble(voices, length + lead, generator)
        return made if response is None else reverberate(made, response)[lead : lead + length]

    def around(self, key: str, concept: str, samples: np.ndarray, condition: Condition) -> np.ndarray:
        """A clip under a condition, (M,) float32; the SNR is of the speech as it reaches the microphone."""
        speech = self.speech(key, samples, condition.room)
        if condition.snr_db is None:
            return speech
        from edge_s2i.acoustics.noise import mix

        return mix(speech, self.noise(key, concept, len(speech), condition), condition.snr_db)

    def _number(self, key: str, what: str) -> int:
        return int(place(self._seed, f"{what}:{key}")[:8], 16)
