"""Pictures on a framebuffer's bytes, in a folder, and in windows where there is a toolkit and a screen."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import speech_streams as streams
from PIL import Image

import edge_s2i
from edge_s2i.device.displays import open_display
from edge_s2i.device.displays.display import faded, fitted, picture_of, question_mark
from edge_s2i.device.displays.framebuffer import Framebuffer, Geometry, parse_framebuffer, read_geometry, to_memory
from edge_s2i.errors import OutputError, RequestError
from edge_s2i.runtime import FinalPicture, ListenSettings, PartialPicture, SpeechSession, SpeechStarted


@pytest.fixture(scope="module")
def events(tiny_bundle):
    session = SpeechSession(edge_s2i.load(tiny_bundle, threads=1), ListenSettings(vad="energy", n=2))
    return session.feed(streams.spoken(2)) + session.finish()


@pytest.fixture
def picture():
    return np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)


def test_what_an_event_puts_on_a_display(events):
    assert picture_of(next(event for event in events if isinstance(event, SpeechStarted)), 32) is None
    partial = next(event for event in events if isinstance(event, PartialPicture))
    np.testing.assert_array_equal(picture_of(partial, 32), faded(partial.drawing.arrays[0], partial.strength))
    final = next(event for event in events if isinstance(event, FinalPicture))
    np.testing.assert_array_equal(picture_of(final, 32), final.drawing.arrays[0])


def test_a_faint_picture_is_nearer_to_white(picture):
    np.testing.assert_array_equal(faded(picture, 1.0), picture)
    assert (faded(picture, 0.0) == 255).all()
    assert (faded(picture, 0.4) >= picture).all()


def test_a_question_mark_needs_no_font():
    mark = question_mark(64)
    assert mark.shape == (64, 64, 3)
    dark = (mark < 200).any(axis=2)
    assert 0.05 < dark.mean() < 0.3
    assert dark[50:56, 28:36].any()  # its dot


def test_a_picture_is_centred_on_black(picture):
    canvas = fitted(picture, 80, 40)
    assert canvas.shape == (40, 80, 3)
    assert not canvas[:, :20].any()
    assert not canvas[:, 60:].any()
    assert canvas[:, 20:60].any()


def make_sysfs(root: Path, name: str, size: str, bits: str, stride: str) -> Path:
    folder = root / "class" / "graphics" / name
    folder.mkdir(parents=True)
    for file, value in (("virtual_size", size), ("bits_per_pixel", bits), ("stride", stride)):
        (folder / file).write_text(value + "\n")
    return root


@pytest.mark.parametrize(("bits", "stride"), [(16, 96 * 2), (16, 256), (32, 96 * 4), (32, 512)])
def test_a_framebuffers_bytes(tmp_path, events, picture, bits, stride):
    device = tmp_path / "fb7"
    device.write_bytes(b"\xaa" * (stride * 64))
    sysfs = make_sysfs(tmp_path / "sys", "fb7", "96,64", str(bits), str(stride))
    display = Framebuffer(device, sysfs=sysfs)
    display.show(picture, events[-1])
    display.close()
    memory = np.frombuffer(device.read_bytes(), np.uint8).reshape(64, stride)
    expected = fitted(picture, 96, 64)
    if bits == 16:
        pixels = memory[:, : 96 * 2].copy().view("<u2")
        codes = np.stack([pixels >> 11, pixels >> 5 & 63, pixels & 31], axis=-1)
        shown = np.rint(codes * (255 / np.array([31, 63, 31])))
        assert np.abs(shown - expected).max() <= 5
    else:
        pixels = memory[:, : 96 * 4].reshape(64, 96, 4)
        np.testing.assert_array_equal(pixels[..., 2::-1], expected)  # blue, green, red
    assert display.poll() == []


def test_rgb565_is_what_the_bridge_packs():
    from firmware_bridge import pack_rgb565

    levels = np.arange(256, dtype=np.uint8)
    picture = np.stack([levels, levels[::-1], np.roll(levels, 9)], axis=-1)[None]
    assert to_memory(picture, Geometry(256, 1, 16, 512)) == pack_rgb565(picture, byte_order="little")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", ("/dev/fb0", None)),
        ("/dev/fb1", ("/dev/fb1", None)),
        ("/dev/fb1,320x240", ("/dev/fb1", Geometry(320, 240, 16, 640))),
        (",100x50,32", ("/dev/fb0", Geometry(100, 50, 32, 400))),
    ],
)
def test_framebuffers_by_name(argument, expected):
    path, geometry = parse_framebuffer(argument)
    assert (str(path), geometry) == expected


@pytest.mark.parametrize(
    "name", ["framebuffer:x,320", "framebuffer:x,320x240,24", "framebuffer:x,0x5", "framebuffer:x,1x1,16,9", "lamp"]
)
def test_impossible_displays(name):
    with pytest.raises(RequestError):
        open_display(name)


def test_a_framebuffer_that_is_not_there(tmp_path):
    with pytest.raises(OutputError, match="cannot be opened"):
        open_display(f"framebuffer:{tmp_path}/fb9,32x32")
    with pytest.raises(RequestError, match="320x240"):
        open_display(f"framebuffer:{tmp_path}/fb9")
    with pytest.raises(RequestError, match="virtual_size"):
        read_geometry(Path("fb2"), make_sysfs(tmp_path, "fb2", "large", "16", "64"))


def test_a_folder_keeps_every_final_picture_and_the_latest(tmp_path, events):
    folder = tmp_path / "out"
    for _ in range(2):  # numbers go on at the next start
        display = open_display(f"folder:{folder}")
        for event in events:
            shown = picture_of(event, 32)
            if shown is not None:
                display.show(shown, event)
        display.close()
    names = ["00001-2.png", "00001.png", "00002-2.png", "00002.png", "latest.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    with Image.open(folder / "latest.png") as latest:
        np.testing.assert_array_equal(np.asarray(latest), events[-1].drawing.arrays[0])


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        open_display(f"folder:{tmp_path}/file/out")


def test_none_is_no_display():
    assert open_display("none") is None


WINDOW = """
import sys
import numpy as np
from edge_s2i.device.displays.window import open_window
window = open_window(sys.argv[1])
picture = np.zeros((32, 32, 3), np.uint8)
picture[..., 0] = 255
window.show(picture, None)
assert window.poll() == [], "something was pressed"
{then}
window.close()
"""
PYGAME = """
import pygame
assert tuple(window._window.get_at((256, 256)))[:3] == (255, 0, 0)
for kind, key in ((pygame.KEYDOWN, pygame.K_SPACE), (pygame.KEYUP, pygame.K_SPACE), (pygame.KEYDOWN, pygame.K_ESCAPE)):
    pygame.event.post(pygame.event.Event(kind, key=key))
pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(1, 1)))
pygame.event.post(pygame.event.Event(pygame.QUIT))
assert window.poll() == ["press", "release", "quit", "press", "quit"]
"""
TK = """
import time
for name in ("<KeyPress-space>", "<KeyRelease-space>", "<KeyPress-space>"):  # a held key, as X repeats it
    window._root.event_generate(name)
assert window.poll() == ["press"], "a repeated key is one press"
window._root.event_generate("<KeyRelease-space>")
window.poll()
time.sleep(0.1)
assert window.poll() == ["release"]
window._root.event_generate("<Escape>")
assert window.poll() == ["quit"]
"""


def run_window(toolkit: str, then: str, before: tuple[str, ...] = (), **environment: str) -> None:
    program = WINDOW.format(then=then)
    command = [*before, sys.executable, "-c", program, toolkit]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment}
    )
    assert result.returncode == 0, result.stderr


def test_a_pygame_window_shows_and_hears():
    pytest.importorskip("pygame", reason="pygame is not installed (live extra)")
    run_window("pygame", PYGAME, SDL_VIDEODRIVER="dummy")


def test_a_tk_window_shows_and_hears():
    import shutil

    pytest.importorskip("tkinter", reason="this Python has no Tk")
    if shutil.which("xvfb-run") is None:
        pytest.skip("xvfb-run is not installed (system package xvfb)")
    run_window("tk", "window._root.focus_force(); window._root.update()" + TK, ("xvfb-run", "-a"))


def test_a_window_without_a_screen_is_one_clear_error(monkeypatch):
    pytest.importorskip("tkinter", reason="this Python has no Tk")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(OutputError, match="choose another --display"):
        open_display("window:tk")


def test_no_toolkit_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(OutputError, match=r"pip install pygame.*python3-tk"):
        open_display("window")
    with pytest.raises(RequestError, match="window:pygame, window:tk"):
        open_display("window:gtk")


def test_another_part_of_the_project_can_bring_a_display(monkeypatch):
    import types

    opened = []
    module = types.ModuleType("firmware_bridge.display")
    module.open_display = lambda argument: opened.append(argument) or "a display"
    monkeypatch.setitem(sys.modules, "firmware_bridge.display", module)
    assert open_display("bridge:/dev/ttyACM0") == "a display"
    assert opened == ["/dev/ttyACM0"]
    monkeypatch.setitem(sys.modules, "firmware_bridge.display", None)
    with pytest.raises(RequestError, match="brings no bridge display"):
        open_display("bridge")
