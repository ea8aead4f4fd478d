"""What every source of speech offers, and bringing what it gives to 16 kHz mono."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import soxr

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import AudioError

BLOCK_SECONDS = 0.02  # of audio that a source gives at a time


class Source(Protocol):
    """A stream of speech, read by one thread."""

    name: str  # for messages
    live: bool  # goes on by itself: what is not taken in time is lost; others wait
    overflows: int  # times that the device itself lost audio

    def read(self) -> np.ndarray | None:
        """The next (N,) float32 samples at 16 kHz, waiting for them; None at the end. AudioError where it fails."""
        ...

    def close(self) -> None:
        """Ends the stream; a `read` in another thread returns soon."""
        ...


class StreamResampler:
    """Blocks at any rate and with any number of channels to 16 kHz mono, with soxr."""

    def __init__(self, rate: int, channels: int = 1) -> None:
        """rate: in Hz. AudioError for a rate or number of channels that cannot be meant."""
        if not 1_000 <= rate <= 768_000:
            raise AudioError(f"the stream has a sample rate of {rate} Hz; 1,000 to 768,000 Hz can be resampled")
        if not 1 <= channels <= 64:
            raise AudioError(f"the stream has {channels} channels; 1 to 64 can be mixed")
        self.rate, self.channels = rate, channels
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32")

    def feed(self, block: np.ndarray) -> np.ndarray:
        """(N, channels) or (N,) float32 -> (M,) float32 at 16 kHz; some samples come with the next block."""
        return self._resample(block.mean(axis=1) if block.ndim == 2 else block, last=False)

    def finish(self) -> np.ndarray:
        """What was held back for the filter's sake, (M,) float32."""
        return self._resample(np.zeros(0, np.float32), last=True)

    def _resample(self, mono: np.ndarray, last: bool) -> np.ndarray:
        mono = np.ascontiguousarray(mono, np.float32)
        return mono if self._stream is None else self._stream.resample_chunk(mono, last=last)
