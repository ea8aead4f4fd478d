"""Sound cards through PortAudio, by the sounddevice package of the live extra."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import AudioError
from edge_s2i.runtime.sources.source import BLOCK_SECONDS, StreamResampler

_FALLBACK_RATES = (48_000, 44_100, 32_000, 96_000, 22_050, 8_000)


@dataclass(frozen=True)
class InputDevice:
    """A sound device that can be listened to."""

    number: int
    name: str
    host: str  # the sound system it belongs to: ALSA, PulseAudio, Core Audio, ...
    channels: int
    rate: float  # Hz, its own choice
    default: bool


def import_sounddevice() -> Any:
    """The sounddevice module; AudioError says what to install where it or PortAudio is missing."""
    try:
        import sounddevice
    except ImportError as error:
        raise AudioError("sounddevice is not installed; in the source folder: pip install '.[live]'") from error
    except OSError as error:  # its PortAudio library
        raise AudioError(
            f"sounddevice finds no PortAudio ({error}); install the system package libportaudio2"
        ) from error
    return sounddevice


def input_devices() -> list[InputDevice]:
    """Every device with an input, by number. AudioError where sounddevice is missing."""
    sounddevice = import_sounddevice()
    try:
        hosts = sounddevice.query_hostapis()
        default = sounddevice.default.device[0]
        return [
            InputDevice(
                number=item["index"],
                name=item["name"],
                host=hosts[item["hostapi"]]["name"],
                channels=item["max_input_channels"],
                rate=item["default_samplerate"],
                default=item["index"] == default,
            )
            for item in sounddevice.query_devices()
            if item["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError as error:
        raise AudioError(f"the sound devices cannot be listed: {error}") from error


def choose_device(devices: list[InputDevice], wanted: int | str | None) -> InputDevice:
    """The device of that number, or whose name holds that text; None for the default, else the first."""
    if not devices:
        raise AudioError("there is no sound device with an input; plug a microphone in, or give a file with --from")
    if wanted is None:
        return next((device for device in devices if device.default), devices[0])
    text = str(wanted).strip()
    if text.isdigit():
        found = [device for device in devices if device.number == int(text)]
    else:
        found = [device for device in devices if text.casefold() == device.name.casefold()] or [
            device for device in devices if text.casefold() in device.name.casefold()
        ]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{device.number} {device.name}" for device in found or devices)
    if found:
        raise AudioError(f"device {text!r} could be any of {listed}; give its number")
    raise AudioError(f"there is no input device {text!r}; there are {listed}")


class Microphone:
    """A sound card, at 16 kHz where it offers that and else at a rate of its own."""

    live = True

    def __init__(self, device: int | str | None = None) -> None:
        """device: a number, or a part of a name; None for the default. AudioError where it cannot be opened."""
        sounddevice = import_sounddevice()
        chosen = choose_device(input_devices(), device)
        self.name = f"{chosen.number} {chosen.name}"
        self.overflows = 0
        self._error = sounddevice.PortAudioError
        failure: Exception | None = None
        for rate in dict.fromkeys((SAMPLE_RATE, round(chosen.rate), *_FALLBACK_RATES)):
            for channels in dict.fromkeys((1, min(2, chosen.channels), chosen.channels)):
                try:
                    sounddevice.check_input_settings(chosen.number, channels, "float32", samplerate=rate)
                    self._stream = sounddevice.InputStream(
                        rate, round(BLOCK_SECONDS * rate), chosen.number, channels, "float32", latency="high"
                    )
                    self._stream.start()
                except self._error as error:
                    failure = error
                    continue
                self._frames = round(BLOCK_SECONDS * rate)
                self._resampler = StreamResampler(rate, channels)
                self._closed = False
                return
        raise AudioError(f"{self.name} cannot be opened: {failure}; is another program using it?")

    def read(self) -> np.ndarray | None:
        """The next (N,) float32 samples at 16 kHz, waiting for them."""
        if self._closed:
            self._stream.close()
            return None
        try:
            block, overflowed = self._stream.read(self._frames)
        except self._error as error:
            raise AudioError(f"{self.name} stopped: {error}; is it still plugged in?") from error
        self.overflows += bool(overflowed)
        return self._resampler.feed(block)

    def close(self) -> None:
        """Ends the stream."""
        self._closed = True
