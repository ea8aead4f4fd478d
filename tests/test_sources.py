"""What stands in for the microphone, and the microphone itself on a sound library that is none."""

import os
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import tiny_bundle as tiny

from edge_s2i.errors import AudioError, RequestError
from edge_s2i.runtime.sources import open_source
from edge_s2i.runtime.sources.microphone import InputDevice, choose_device, input_devices
from edge_s2i.runtime.sources.pcm import Arecord
from edge_s2i.runtime.sources.source import StreamResampler


def read_all(source) -> np.ndarray:
    blocks = []
    while (block := source.read()) is not None:
        assert block.dtype == np.float32
        assert block.ndim == 1
        blocks.append(block)
    return np.concatenate(blocks)


def pcm(samples: np.ndarray) -> bytes:
    return np.rint(samples * 32_767).astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_a_stream_is_resampled_like_a_whole(rate):
    sound = tiny.word(2, rate=rate)
    resampler = StreamResampler(rate)
    blocks = [resampler.feed(sound[first : first + 777]) for first in range(0, len(sound), 777)]
    result = np.concatenate([*blocks, resampler.finish()])
    expected = sound if rate == 16_000 else soxr.resample(sound, rate, 16_000)
    assert len(result) == len(expected)
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize(("suffix", "rate", "channels"), [("wav", 44_100, 2), ("flac", 16_000, 1), ("ogg", 48_000, 2)])
def test_a_recording_of_any_kind(tmp_path, suffix, rate, channels):
    path = tmp_path / f"word.{suffix}"
    sound = tiny.word(1, rate=rate)
    soundfile.write(path, np.stack([sound] * channels, axis=1), rate)
    source = open_source(path)
    assert not source.live
    heard = read_all(source)
    assert len(heard) == pytest.approx(12_800, abs=2)
    assert np.corrcoef(heard[:12_700], tiny.word(1)[:12_700])[0, 1] > 0.99
    assert source.read() is None


def test_a_recording_may_be_long(tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, np.zeros(16_000 * 200, np.int16), 16_000)
    assert len(read_all(open_source(path))) == 16_000 * 200


def test_a_paced_recording_takes_its_time(tmp_path):
    from time import monotonic

    path = tmp_path / "half.wav"
    soundfile.write(path, np.zeros(8_000), 16_000)
    source = open_source(path, pace=True)
    assert source.live
    begin = monotonic()
    read_all(source)
    assert monotonic() - begin >= 0.45


@pytest.mark.parametrize(
    ("sample_format", "kind", "scale"), [("s16le", "<i2", 32_768), ("s32le", "<i4", 2**31), ("f32le", "<f4", 1)]
)
def test_raw_samples_in_every_format(tmp_path, sample_format, kind, scale):
    path = tmp_path / "word.raw"
    values = np.round(tiny.word(2) * 1_000) / 1_024
    stereo = np.stack([values, values], axis=1)
    path.write_bytes((stereo * scale).astype(kind).tobytes())
    heard = read_all(open_source(path, channels=2, sample_format=sample_format))
    np.testing.assert_allclose(heard, values, atol=1e-6)


def test_a_torn_last_sample_is_left_out(tmp_path):
    path = tmp_path / "word.pcm"
    path.write_bytes(pcm(tiny.word(0)) + b"\x01")
    assert len(read_all(open_source(path))) == 12_800


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_waits_for_its_writer_and_ends_with_it(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = open_source(path)

    def write():
        with path.open("wb", buffering=0) as file:
            content = pcm(tiny.word(3))
            for first in range(0, len(content), 1_001):  # tears samples apart
                file.write(content[first : first + 1_001])

    threading.Timer(0.2, write).start()
    np.testing.assert_allclose(read_all(source), tiny.word(3), atol=1e-4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_without_a_writer_can_be_given_up(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = open_source(path)
    threading.Timer(0.1, source.close).start()
    assert source.read() is None


def test_standard_input(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdin", os.fdopen(reading, "rb"))
    os.write(writing, pcm(tiny.word(1))[:20_000])
    os.close(writing)
    assert len(read_all(open_source("-"))) == 10_000
    os.fstat(reading)  # left open


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere.wav", "No such file"), (".", "folder"), ("bad.wav", "libsndfile")],
)
def test_what_cannot_be_heard(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("bad.wav").write_bytes(b"nonsense")
    with pytest.raises(AudioError, match=message):
        open_source(name)


def test_impossible_raw_samples(tmp_path):
    path = tmp_path / "word.raw"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(RequestError, match="s16le"):
        open_source(path, sample_format="mulaw")
    with pytest.raises(AudioError, match="0 channels"):
        open_source(path, channels=0)
    with pytest.raises(AudioError, match="12 Hz"):
        open_source(path, rate=12)


class FakeSounddevice(types.ModuleType):
    """PortAudio with two cards: one that offers 48 kHz stereo only, and one output."""

    class PortAudioError(Exception):
        pass

    def __init__(self, rates=(48_000,), channels=(2,)):
        super().__init__("sounddevice")
        self.rates, self.allowed = rates, channels
        self.default = types.SimpleNamespace(device=(1, 0))
        self.opened = []
        fake = self

        class InputStream:
            def __init__(self, rate, frames, device, channels, dtype, latency):
                fake.opened.append((rate, device, channels))
                self.sound = np.stack([tiny.word(2, rate=rate)] * channels, axis=1)
                self.overflow = iter([False, True])

            def start(self):
                pass

            def read(self, frames):
                block, self.sound = self.sound[:frames], self.sound[frames:]
                if not len(block):
                    raise fake.PortAudioError("unplugged")
                return block, next(self.overflow, False)

            def close(self):
                fake.opened.append("closed")

        self.InputStream = InputStream

    def query_hostapis(self):
        return [{"name": "ALSA"}]

    def query_devices(self):
        names = [("HDMI", 0), ("USB Audio", 2), ("Webcam USB", 1)]
        return [
            {"index": i, "name": name, "hostapi": 0, "max_input_channels": inputs, "default_samplerate": 48_000.0}
            for i, (name, inputs) in enumerate(names)
        ]

    def check_input_settings(self, device, channels, dtype, samplerate):
        if samplerate not in self.rates or channels not in self.allowed:
            raise self.PortAudioError("Invalid sample rate")


def test_a_card_without_16_khz_is_resampled_and_its_overflows_are_counted(monkeypatch):
    fake = FakeSounddevice()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    source = open_source(None, device="usb audio")
    assert source.live
    heard = np.concatenate([source.read() for _ in range(40)])
    assert fake.opened == [(48_000, 1, 2)]
    assert np.corrcoef(heard[:12_000], tiny.word(2)[:12_000])[0, 1] > 0.99
    assert source.overflows == 1
    with pytest.raises(AudioError, match="plugged in"):
        source.read()
    source.close()
    assert source.read() is None
    assert fake.opened[-1] == "closed"


def test_a_card_with_16_khz_mono_is_opened_so(monkeypatch):
    fake = FakeSounddevice(rates=(16_000, 48_000), channels=(1, 2))
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    open_source(None, device=2)
    assert fake.opened == [(16_000, 2, 1)]


def test_a_card_that_opens_at_no_rate(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSounddevice(rates=()))
    with pytest.raises(AudioError, match="Invalid sample rate"):
        open_source(None)


def test_devices_are_listed_and_chosen(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSounddevice())
    devices = input_devices()
    assert [device.number for device in devices] == [1, 2]
    assert choose_device(devices, None).number == 1
    assert choose_device(devices, "webcam").number == 2
    assert choose_device(devices, "2").number == 2
    assert choose_device(devices, 1).name == "USB Audio"
    with pytest.raises(AudioError, match="could be any of 1 USB Audio, 2 Webcam USB"):
        choose_device(devices, "usb")
    with pytest.raises(AudioError, match="there are 1 USB Audio"):
        choose_device(devices, "bluetooth")
    with pytest.raises(AudioError, match="no sound device"):
        choose_device([], None)
    exact = [InputDevice(0, "mic", "ALSA", 1, 16e3, False), InputDevice(1, "mic 2", "ALSA", 1, 16e3, False)]
    assert choose_device(exact, "mic").number == 0


@pytest.fixture
def arecord(tmp_path, monkeypatch):
    """A program called arecord that says what it was asked for and plays a word, or fails."""
    program = tmp_path / "arecord"
    sound = tmp_path / "word.raw"
    sound.write_bytes(pcm(tiny.word(4)))
    program.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n'
        f'case "$*" in *broken*) echo "arecord: audio open error: No such device" >&2; exit 1;; esac\n'
        f"cat {sound}\nexec sleep 60\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # not installed
    return tmp_path


def test_without_a_sound_library_arecord_listens(arecord):
    source = open_source(None, device="plughw:1,0")
    assert isinstance(source, Arecord)
    heard = np.zeros(0, np.float32)
    while len(heard) < 12_800:
        heard = np.concatenate([heard, source.read()])
    np.testing.assert_allclose(heard, tiny.word(4), atol=1e-4)
    asked = (arecord / "asked").read_text()
    assert "-r 16000 -c 1 -D plughw:1,0" in asked
    source.close()
    assert source.read() is None
    assert source._process.returncode is not None


def test_arecords_last_words_are_the_error(arecord):
    source = open_source(None, device="broken")
    with pytest.raises(AudioError, match=r"No such device.*edge-s2i devices"):
        read_all(source)


def test_a_number_needs_a_sound_library(arecord):
    with pytest.raises(AudioError, match="sounddevice is not installed"):
        open_source(None, device=1)


def test_no_microphone_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AudioError, match="alsa-utils"):
        open_source(None)


def test_a_name_that_no_file_can_have():
    with pytest.raises(AudioError, match="null byte"):
        open_source("\0bad")
