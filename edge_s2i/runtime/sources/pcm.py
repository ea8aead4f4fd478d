"""Raw samples from standard input, a FIFO, a file or a program such as arecord."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from pathlib import Path

import numpy as np

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import AudioError, RequestError
from edge_s2i.runtime.sources.source import BLOCK_SECONDS, StreamResampler

# Name to NumPy type and full scale.
SAMPLE_FORMATS = {"s16le": ("<i2", 32_768.0), "s32le": ("<i4", 2_147_483_648.0), "f32le": ("<f4", 1.0)}

_PATIENCE = 0.2  # s between looks at whether the reader has closed


class RawPcm:
    """Interleaved samples from a file descriptor."""

    def __init__(
        self,
        descriptor: int,
        name: str,
        *,
        rate: int = SAMPLE_RATE,
        channels: int = 1,
        sample_format: str = "s16le",
        live: bool = False,
        owned: bool = True,
    ) -> None:
        """descriptor: open for reading; `owned` ones are closed at the end."""
        if sample_format not in SAMPLE_FORMATS:
            raise RequestError(f"sample format {sample_format!r} is unknown; there are {', '.join(SAMPLE_FORMATS)}")
        self.name = name
        self.live = live
        self.overflows = 0
        self._type, self._scale = SAMPLE_FORMATS[sample_format]
        self._resampler = StreamResampler(rate, channels)
        self._frame_bytes = np.dtype(self._type).itemsize * channels
        self._block_bytes = max(1, round(BLOCK_SECONDS * rate)) * self._frame_bytes
        self._descriptor, self._owned = descriptor, owned
        self._rest = b""
        self.ended = self._closed = False

    def read(self) -> np.ndarray | None:
        """The next (N,) float32 samples at 16 kHz, waiting for them; None at the end."""
        while not (self.ended or self._closed):
            try:
                ready, _, _ = select.select([self._descriptor], [], [], _PATIENCE)
                content = os.read(self._descriptor, self._block_bytes) if ready else None
            except BlockingIOError:
                continue
            except (OSError, ValueError) as error:
                if self._closed:
                    break
                raise AudioError(f"{self.name} cannot be read: {error}") from error
            if content is None:
                continue
            if not content:
                self.ended = True
                self._release()
                return self._resampler.finish()
            content = self._rest + content
            whole = len(content) - len(content) % self._frame_bytes
            self._rest = content[whole:]
            if whole:
                return self._resampler.feed(self._decode(content[:whole]))
        self._release()
        return None

    def close(self) -> None:
        """Ends the stream."""
        self._closed = True

    def _decode(self, content: bytes) -> np.ndarray:
        samples = np.frombuffer(content, self._type).astype(np.float32) / np.float32(self._scale)
        return samples.reshape(-1, self._resampler.channels)

    def _release(self) -> None:
        if self._owned:
            self._owned = False
            os.close(self._descriptor)


class Arecord:
    """ALSA's own recorder, where no audio library is installed."""

    live = True

    def __init__(self, device: str | None = None) -> None:
        """device: an ALSA name such as plughw:1,0; None for the default. AudioError where arecord is missing."""
        program = shutil.which("arecord")
        if program is None:
            raise AudioError(
                "no microphone can be opened: neither the sounddevice package nor arecord is there; "
                "pip install sounddevice, or install the system package alsa-utils"
            )
        command = [program, "-q", "-t", "raw", "-f", "S16_LE", "-r", str(SAMPLE_RATE), "-c", "1"]
        self.name = f"arecord {device or 'default'}"
        self.overflows = 0  # arecord does not tell in numbers what it loses
        self._process = subprocess.Popen(
            command + (["-D", device] if device else []),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._pcm = RawPcm(self._process.stdout.fileno(), self.name, live=True, owned=False)

    def read(self) -> np.ndarray | None:
        """The next (N,) float32 samples at 16 kHz; AudioError when arecord stopped by itself."""
        block = self._pcm.read()
        if block is None:
            self._stop()
        elif self._pcm.ended:
            self._stop(patience=1.0)
            raise AudioError(f"{self.name} stopped: {self._last_words()}; `edge-s2i devices` lists what there is")
        return block

    def close(self) -> None:
        """Ends the recording."""
        self._pcm.close()

    def _stop(self, patience: float = 0.0) -> None:
        for end in (lambda: None, self._process.terminate, self._process.kill):
            end()
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                patience = 2.0
            else:
                return

    def _last_words(self) -> str:
        assert self._process.stderr is not None
        lines = self._process.stderr.read(4_096).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"


def open_pcm_file(path: Path, *, rate: int, channels: int, sample_format: str, live: bool) -> RawPcm:
    """A FIFO or file of raw samples. A FIFO waits for its writer only when it is read."""
    try:
        # Without O_NONBLOCK, opening a FIFO would wait here for a writer, with no way to interrupt it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
    return RawPcm(descriptor, str(path), rate=rate, channels=channels, sample_format=sample_format, live=live)
