"""Speech that comes in frames, put together: every sample is accounted for, and what is missing is silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_bridge.link.adpcm import AdpcmState, decode_adpcm
from firmware_bridge.link.messages import Audio
from firmware_bridge.link.spec import SAMPLE_RATE, AudioFormat

MAX_SAMPLES = 60 * SAMPLE_RATE  # of one utterance: what lies beyond is counted and dropped


@dataclass(frozen=True)
class Account:
    """Where the samples of an utterance are; received + missing = total."""

    total: int
    received: int
    missing: int
    gaps: int  # runs of missing samples
    duplicates: int  # samples that came again
    beyond: int  # samples past the announced end or the most that is kept


class Utterance:
    """One utterance while it arrives, in any order. Bounded by MAX_SAMPLES."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.total: int | None = None  # as the board announced it at the end
        self._samples = np.zeros(SAMPLE_RATE, np.int16)
        self._there = np.zeros(SAMPLE_RATE, bool)
        self._end = 0  # past the last sample that came
        self._duplicates = 0
        self._beyond = 0

    def add(self, audio: Audio) -> None:
        """Takes a frame; LinkError where it is impossible."""
        samples = audio_samples(audio)
        first, last = audio.sample_index, audio.sample_index + audio.count
        limit = MAX_SAMPLES if self.total is None else min(MAX_SAMPLES, self.total)
        if last > limit:
            kept = max(limit - first, 0)
            self._beyond += audio.count - kept
            samples, last = samples[:kept], first + kept
        if not len(samples):
            return
        self._grow(last)
        there = self._there[first:last]
        self._duplicates += int(there.sum())
        place = self._samples[first:last]
        place[~there] = samples[~there]
        there[:] = True
        self._end = max(self._end, last)

    def finish(self, total: int) -> None:
        """The board says that the utterance has `total` samples."""
        self.total = total
        kept = min(total, MAX_SAMPLES)
        self._grow(kept)
        if self._end > kept:
            self._beyond += int(self._there[kept : self._end].sum())
            self._there[kept : self._end] = False
            self._samples[kept : self._end] = 0
        self._end = kept

    @property
    def samples(self) -> np.ndarray:
        """(N,) int16 from the start to the end, or to the last sample that came; missing ones are 0."""
        return self._samples[: self._end].copy()

    @property
    def complete(self) -> bool:
        """Has every sample of an utterance that is over come?"""
        return self.total is not None and bool(self._there[: self._end].all())

    def account(self) -> Account:
        """Every sample up to the end, exactly."""
        there = self._there[: self._end]
        starts = np.flatnonzero(~there & np.concatenate([[True], there[:-1]])) if len(there) else there
        received = int(there.sum())
        cut = max((self.total or 0) - MAX_SAMPLES, 0)
        missing = len(there) - received + cut
        return Account(len(there) + cut, received, missing, len(starts) + (cut > 0), self._duplicates, self._beyond)

    def _grow(self, needed: int) -> None:
        if needed > len(self._samples):
            size = min(max(needed, 2 * len(self._samples)), MAX_SAMPLES)
            self._samples = np.concatenate([self._samples, np.zeros(size - len(self._samples), np.int16)])
            self._there = np.concatenate([self._there, np.zeros(size - len(self._there), bool)])


def audio_samples(audio: Audio) -> np.ndarray:
    """The (count,) int16 samples of a frame."""
    if audio.format == AudioFormat.IMA_ADPCM:
        return decode_adpcm(audio.content, audio.count, AdpcmState(audio.predictor, audio.step_index))[0]
    return np.frombuffer(audio.content, "<i2").astype(np.int16)
