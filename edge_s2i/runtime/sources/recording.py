"""An audio file in the microphone's place, as fast as it is taken or, paced, as slowly as it was spoken."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic

import numpy as np
import soundfile

from edge_s2i.errors import AudioError
from edge_s2i.runtime.sources.source import BLOCK_SECONDS, StreamResampler


class Recording:
    """A file that libsndfile reads, of any length, rate and channels; read in blocks, never whole."""

    def __init__(self, path: Path, *, pace: bool = False) -> None:
        """pace: at the speed of speech, losing what is not taken, as a microphone does."""
        self.name = str(path)
        self.live = pace
        self.overflows = 0
        try:
            self._file = soundfile.SoundFile(path)
        except (soundfile.LibsndfileError, OSError) as error:
            raise AudioError(
                f"{path} is not audio that libsndfile can read; give WAV, FLAC, Ogg, Opus or MP3, or raw samples named "
                ".raw or .pcm"
            ) from error
        self._resampler = StreamResampler(self._file.samplerate, self._file.channels)
        self._frames = max(1, round(BLOCK_SECONDS * self._file.samplerate))
        self._begin: float | None = None
        self._given = 0
        self._ended = False
        self._closed = threading.Event()

    def read(self) -> np.ndarray | None:
        """The next (N,) float32 samples at 16 kHz; None at the end."""
        if self._ended or self._closed.is_set():
            return None
        try:
            block = self._file.read(self._frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self.name} cannot be read on: {error.error_string.rstrip('.')}") from error
        if self.live:
            self._wait(len(block) / self._file.samplerate)
        if len(block):
            return self._resampler.feed(block)
        self._ended = True
        return self._resampler.finish()

    def close(self) -> None:
        """Ends the stream."""
        self._closed.set()

    def _wait(self, seconds: float) -> None:
        if self._begin is None:
            self._begin = monotonic()
        self._given += round(seconds * 1e6)
        self._closed.wait(max(0.0, self._begin + self._given / 1e6 - monotonic()))
