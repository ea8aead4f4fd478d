"""Log-mel of an utterance while it is still being said: every frame is computed once, when its samples are there."""

from __future__ import annotations

import numpy as np

from edge_s2i.audio.constants import FFT_LENGTH, HOP_LENGTH, LOG_FLOOR, MEL_BANDS
from edge_s2i.audio.level import UTTERANCE_PEAK, frame_energy
from edge_s2i.audio.log_mel import frame_count, mel_power
from edge_s2i.audio.trimming import loud_since, loud_span


class LogMelStream:
    """Samples of one utterance as they arrive, and the mel power, energy and peak of its frames.

    Power is kept as it was heard and scaled when it is asked for: the level that an utterance is brought to
    (`edge_s2i.audio.level.set_peak`) depends on its loudest sample, which may be yet to come, and scaling samples
    by g scales power by g squared.
    """

    def __init__(self, max_samples: int) -> None:
        """max_samples: of the longest utterance; all memory is taken here."""
        self._samples = np.zeros(max_samples, np.float32)
        self._power = np.zeros((frame_count(max_samples), MEL_BANDS), np.float32)
        self._energy = np.zeros(max_samples // HOP_LENGTH, np.float32)
        self._peaks = np.zeros(max_samples // HOP_LENGTH, np.float32)
        self._length = self._frames = self._hops = 0

    def clear(self) -> None:
        """Forgets everything, for the next utterance."""
        self._length = self._frames = self._hops = 0

    @property
    def samples(self) -> np.ndarray:
        """A view of the (N,) float32 samples so far."""
        return self._samples[: self._length]

    @property
    def room(self) -> int:
        """How many more samples fit."""
        return len(self._samples) - self._length

    def append(self, samples: np.ndarray) -> int:
        """Takes as many of the (N,) float32 samples as there is room for, and says how many."""
        taken = min(len(samples), self.room)
        self._samples[self._length : self._length + taken] = samples[:taken]
        self._length += taken
        return taken

    def heard_span(self) -> tuple[int, int]:
        """First sample and the one past the last that trimming keeps of what is there so far."""
        self._measure_hops()
        return loud_span(self._energy[: self._hops], self._length)

    def loud_since(self) -> int:
        """First sample of the sound that goes on at the end of what is there so far."""
        self._measure_hops()
        return loud_since(self._energy[: self._hops])

    def _measure_hops(self) -> None:
        hops = self._length // HOP_LENGTH
        if hops > self._hops:
            new = self._samples[self._hops * HOP_LENGTH : hops * HOP_LENGTH]
            self._energy[self._hops : hops] = frame_energy(new)
            self._peaks[self._hops : hops] = np.abs(new).reshape(-1, HOP_LENGTH).max(axis=1)
            self._hops = hops

    def log_mel(self, first: int, last: int) -> np.ndarray:
        """Log-mel of samples `first` to `last` brought to the level of an utterance, not normalized.

        first: a multiple of HOP_LENGTH; last: at least FFT_LENGTH later. Both as `heard_span` gives them.
        Returns (MEL_BANDS, frames) float32, what `log_mel(set_peak(samples[first:last]))` is but for rounding.
        """
        self._compute_frames()
        begin = first // HOP_LENGTH
        power = self._power[begin : begin + frame_count(last - first)]
        peak = self._peak(first, last)
        gain = np.float32((UTTERANCE_PEAK / peak) ** 2) if peak > 0.0 else np.float32(1.0)
        return np.log(power * gain + np.float32(LOG_FLOOR)).T

    def _compute_frames(self) -> None:
        frames = frame_count(self._length)
        if frames > self._frames:
            end = (frames - 1) * HOP_LENGTH + FFT_LENGTH
            self._power[self._frames : frames] = mel_power(self._samples[self._frames * HOP_LENGTH : end])
            self._frames = frames

    def _peak(self, first: int, last: int) -> float:
        hops = min(last // HOP_LENGTH, self._hops)
        whole = self._peaks[first // HOP_LENGTH : hops].max(initial=0.0)
        rest = np.abs(self._samples[hops * HOP_LENGTH : last]).max(initial=0.0)
        return float(max(whole, rest))
