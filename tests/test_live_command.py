"""`edge-s2i live` and `devices` as a stranger types them, with files and pipes for a microphone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import speech_streams as streams
import tiny_bundle as tiny
from PIL import Image

import edge_s2i
from edge_s2i.cli.live import default_display
from edge_s2i.cli.main import main
from edge_s2i.device.board import Board
from edge_s2i.device.live_run import LiveRun
from edge_s2i.device.run_summary import show_report
from edge_s2i.device.service import ServiceManager
from edge_s2i.device.talk_key import TalkKey
from edge_s2i.errors import AudioError
from edge_s2i.runtime import FinalPicture, Listener, ListenSettings, SpeechSession


@pytest.fixture(autouse=True)
def surroundings(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_S2I_BUNDLE", str(tiny_bundle))
    monkeypatch.setenv("EDGE_S2I_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.wav"
    soundfile.write(path, streams.spoken(2, 0), 16_000, subtype="FLOAT")
    return path


OPTIONS = ("--vad", "energy", "--threads", "1")


def live_json(capsys, *arguments: str) -> list[dict]:
    assert main(["live", *OPTIONS, "--json", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_recording_becomes_pictures_and_a_summary(capsys, words, tmp_path):
    events = live_json(capsys, "--from", str(words), "--display", f"folder:{tmp_path}/out")
    finals = [event for event in events if event["event"] == "FinalPicture"]
    assert [final["nearest"] for final in finals] == [["dog"], ["apple"]]
    assert all(final["understood"] and final["ending"] == "pause" for final in finals)
    summary = events[-1]
    assert summary["event"] == "summary"
    assert (summary["utterances"], summary["finals"], summary["understood"]) == (2, 2, 2)
    assert {"vad", "log_mel", "encoder", "confidence", "generator", "display"} <= set(summary["stages_ms"])
    for stage in summary["stages_ms"].values():
        assert 0 <= stage["least"] <= stage["p50"] <= stage["p95"]
    assert summary["real_time_factor"] > 0
    assert summary["dropped"] == {"seconds": 0.0, "partials": 0, "overflows": 0}
    assert summary["valid"] is True
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["00001.png", "00002.png", "latest.png"]


def test_the_picture_is_the_one_that_draw_draws(capsys, tmp_path, tiny_bundle):
    path = tmp_path / "word.wav"
    soundfile.write(path, tiny.word(2), 16_000, subtype="FLOAT")
    live_json(capsys, "--from", str(path), "--display", f"folder:{tmp_path}/out", "--seed", "7")
    assert main(["draw", str(path), "-o", str(tmp_path / "drawn.png"), "--seed", "7"]) == 0
    with Image.open(tmp_path / "out" / "00001.png") as heard, Image.open(tmp_path / "drawn.png") as drawn:
        np.testing.assert_array_equal(np.asarray(heard), np.asarray(drawn))


def test_what_people_read(capsys, words):
    assert main(["live", *OPTIONS, "--from", str(words), "--display", "none"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("understood") == 2
    for said in ("listening to", "p95", "real-time factor", "2 utterances", "dropped: 0.00 s", "memory"):
        assert said in captured.err


def test_several_displays_at_once(capsys, words, tmp_path):
    device = tmp_path / "fb0"
    device.write_bytes(b"\xff" * (64 * 48 * 2))
    displays = ["--display", f"folder:{tmp_path}/out", "--display", f"framebuffer:{device},64x48"]
    live_json(capsys, "--from", str(words), *displays)
    assert device.stat().st_size == 64 * 48 * 2
    assert (tmp_path / "out" / "latest.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "nowhere.wav"], "nowhere.wav"),
        (["--display", "lamp"], "there are window, framebuffer, folder"),
        (["--display", "framebuffer:nowhere,8x8"], "nowhere"),
        (["--trailing-silence", "9"], "trailing_silence is 9"),
        (["--style", "cubism"], "photo, drawing"),
        (["--vad", "ear"], "silero, energy"),
        (["--n", "0"], "n is 0"),
        (["--format", "mp3", "--from", "-"], "s16le"),
    ],
    ids=" ".join,
)
def test_impossible_requests_are_one_line(capsys, words, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    if "-" in arguments:
        monkeypatch.setattr(sys, "stdin", open(os.devnull, "rb"))  # noqa: SIM115
    given = [] if "--from" in arguments else ["--from", str(words)]
    shown = [] if "--display" in arguments else ["--display", "none"]
    before = sorted(tmp_path.iterdir())
    assert main(["live", "--threads", "1", *given, *shown, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def start(*arguments: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "edge_s2i.cli.main", "live", *OPTIONS, "--display", "none", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_with_the_final_picture_and_the_summary(number):
    """Raw samples through standard input, which stays open: only the signal ends the run."""
    process = start("--from", "-", "--json", stdin=subprocess.PIPE)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write((streams.spoken(2)[:24_000] * 32_767).astype("<i2").tobytes())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["event"] == "SpeechStarted"
        time.sleep(0.3)
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, errors.decode()
    events = [json.loads(line) for line in output.splitlines()]
    assert events[-2]["event"] == "FinalPicture"
    assert events[-2]["ending"] == "end"
    assert events[-1]["event"] == "summary"


def test_it_stops_after_the_seconds_that_were_asked_for(capsys, tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(16_000 * 30), 16_000)
    begin = time.monotonic()
    events = live_json(capsys, "--from", str(path), "--pace", "--seconds", "0.5", "--display", "none")
    assert time.monotonic() - begin < 15
    assert events[-1]["audio_seconds"] < 10


def test_a_run_on_a_board_that_throttles_is_invalid(capsys, tmp_path, tiny_bundle, words):
    program = tmp_path / "vcgencmd"
    program.write_text('#!/bin/sh\necho "throttled=0x50005"\n')
    program.chmod(0o755)
    zone = tmp_path / "class" / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("81000")
    draw = edge_s2i.load(tiny_bundle, threads=1)
    listener = edge_s2i.listen(words, draw=draw, settings=ListenSettings(vad="energy"))
    heard = []
    report = LiveRun(listener, [], tell=heard.append, board=Board(tmp_path, (str(program),))).run()
    assert len([event for event in heard if isinstance(event, FinalPicture)]) == 2
    assert report["valid"] is False
    assert report["throttled"] == ["under-voltage", "throttled"]
    assert report["celsius_most"] == 81.0
    show_report(report)
    shown = capsys.readouterr().err
    assert "INVALID RUN" in shown
    assert "81 °C" in shown


class Deaf:
    """A microphone that was unplugged without saying so."""

    name, live, overflows = "usb microphone", True, 0

    def __init__(self):
        self.closed = False

    def read(self):
        time.sleep(0.01)
        return None if self.closed else np.zeros(0, np.float32)

    def close(self):
        self.closed = True


def test_a_microphone_gone_silent_ends_the_run_with_an_error(tiny_bundle, monkeypatch):
    monkeypatch.setattr("edge_s2i.device.live_run._DEAF_AFTER", 0.2)
    source = Deaf()
    listener = Listener(source, SpeechSession(edge_s2i.load(tiny_bundle, threads=1), ListenSettings(vad="energy")))
    with pytest.raises(AudioError, match="usb microphone has given no sound"):
        LiveRun(listener, [], tell=print).run()
    assert source.closed


def test_the_service_manager_is_told(tiny_bundle, words):
    class Manager(ServiceManager):
        def __init__(self):
            super().__init__({})
            self.told = []

        def _send(self, message):
            self.told.append(message)

    manager = Manager()
    draw = edge_s2i.load(tiny_bundle, threads=1)
    listener = edge_s2i.listen(words, draw=draw, settings=ListenSettings(vad="energy"))
    LiveRun(listener, [], tell=lambda event: None, service=manager).run()
    assert manager.told[0].startswith("READY=1")
    assert "STATUS=2 utterances, 2 understood" in manager.told
    assert manager.told[-1] == "STOPPING=1"


class Keys:
    """Somebody at a display with a button, who presses it at some moments of the stream."""

    def __init__(self, listener, moments):
        self._listener, self._moments, self.closed = listener, list(moments), False

    def show(self, picture, event):
        self.shown = picture

    def poll(self):
        actions = []
        while self._moments and self._listener.session.time >= self._moments[0][0]:
            actions.append(self._moments.pop(0)[1])
        return actions

    def close(self):
        self.closed = True


def test_a_button_talks_and_quits(tiny_bundle):
    class Slow:
        name, live, overflows = "slow", True, 0

        def __init__(self, samples):
            self._blocks = iter(np.split(samples, range(320, len(samples), 320)))

        def read(self):
            time.sleep(0.004)
            return next(self._blocks, None)

        def close(self):
            self._blocks = iter(())

    settings = ListenSettings(vad="energy", push_to_talk=True)
    session = SpeechSession(edge_s2i.load(tiny_bundle, threads=1), settings)
    listener = Listener(Slow(np.tile(streams.spoken(4), 3)), session)
    display = Keys(listener, [(0.8, "press"), (2.0, "release"), (3.5, "quit")])
    heard = []
    report = LiveRun(listener, [display], tell=heard.append).run()
    finals = [event for event in heard if isinstance(event, FinalPicture)]
    assert [(final.ending, final.drawing.nearest(1)[0].concept) for final in finals] == [("release", "tree")]
    assert report["audio_seconds"] < 6
    assert display.closed


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")
def test_keys_of_a_terminal():
    ours, theirs = os.openpty()
    try:
        with TalkKey(theirs) as key:
            assert key.present
            assert key.poll() == []
            os.write(ours, b" ")
            time.sleep(0.05)
            assert key.poll() == ["press"]
            os.write(ours, b"\n")
            time.sleep(0.05)
            assert key.poll() == ["release"]
            os.write(ours, b"\x1b[A")  # an arrow
            time.sleep(0.05)
            assert key.poll() == []
            os.write(ours, b" ")
            time.sleep(0.05)
            assert key.poll() == ["press"]
            key.spoken_to_the_end()
            os.write(ours, b" xq")
            time.sleep(0.05)
            assert key.poll() == ["press", "quit"]
    finally:
        os.close(ours)
        os.close(theirs)


def test_no_terminal_no_keys():
    reading, writing = os.pipe()
    try:
        with TalkKey(reading) as key:
            assert not key.present
            assert key.poll() == []
    finally:
        os.close(reading)
        os.close(writing)


def test_the_display_where_none_is_asked_for(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    assert default_display() == "window"
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert default_display() in ("framebuffer", "folder:pictures")


def test_devices(capsys, monkeypatch):
    from test_sources import FakeSounddevice

    monkeypatch.setitem(sys.modules, "sounddevice", FakeSounddevice())
    assert main(["devices", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(item["number"], item["name"], item["default"]) for item in listed] == [
        (1, "USB Audio", True),
        (2, "Webcam USB", False),
    ]
    assert main(["devices"]) == 0
    assert "Webcam USB" in capsys.readouterr().out


def test_devices_without_a_sound_library(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["devices"]) == 2
    assert "sounddevice is not installed" in capsys.readouterr().err
