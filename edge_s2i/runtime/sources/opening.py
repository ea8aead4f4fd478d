"""Which source a name means."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import AudioError
from edge_s2i.runtime.sources.pcm import Arecord, RawPcm, open_pcm_file
from edge_s2i.runtime.sources.source import Source

_RAW_SUFFIXES = {".raw", ".pcm", ".s16", ".s16le", ".f32"}


def open_source(
    source: str | os.PathLike | None = None,
    *,
    device: int | str | None = None,
    rate: int = SAMPLE_RATE,
    channels: int = 1,
    sample_format: str = "s16le",
    pace: bool = False,
) -> Source:
    """Opens what `edge_s2i.listen` and `edge-s2i live --from` mean.

    source: a recording; a FIFO, or a file named .raw or .pcm, of raw samples; "-" for raw samples from standard
    input; None for the microphone `device`, by number, a part of its name, or None for the default.
    rate, channels, sample_format: of raw samples.
    pace: a recording is given at the speed of speech; from a pipe, what is not taken in time is lost. Without it
    whatever writes is made to wait.
    Raises AudioError for what cannot be opened.
    """
    if source is None:
        return _microphone(device)
    if str(source) == "-":
        # Not owned: closing standard input would let the next file that is opened take its place.
        return RawPcm(
            sys.stdin.fileno(),
            "standard input",
            rate=rate,
            channels=channels,
            sample_format=sample_format,
            live=pace,
            owned=False,
        )
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{path} cannot be heard: {reason}; give a recording, a FIFO or -") from error
    if stat.S_ISDIR(mode):
        raise AudioError(f"{path} is a folder; give a recording, a FIFO or - for standard input")
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or path.suffix.lower() in _RAW_SUFFIXES:
        return open_pcm_file(path, rate=rate, channels=channels, sample_format=sample_format, live=pace)
    from edge_s2i.runtime.sources.recording import Recording

    return Recording(path, pace=pace)


def _microphone(device: int | str | None) -> Source:
    from edge_s2i.runtime.sources.microphone import Microphone, import_sounddevice

    try:
        import_sounddevice()
    except AudioError:
        # arecord names its devices otherwise: a number is PortAudio's.
        if isinstance(device, int) or str(device or "").isdigit():
            raise
        return Arecord(device)
    return Microphone(device)
