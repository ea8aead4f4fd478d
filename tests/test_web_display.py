"""The page as a display of a live run."""

import contextlib
import json
import struct
import time
from dataclasses import replace

import numpy as np
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.errors import RequestError
from edge_s2i.runtime import FinalPicture, PartialPicture

pytest.importorskip("starlette")

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from edge_s2i.web import protocol
from edge_s2i.web.display import WebDisplay, open_display


@pytest.fixture
def display():
    display = open_display("0")
    yield display
    display.close()


@contextlib.contextmanager
def looking(display: WebDisplay):
    address = display.links[0].rstrip("/")
    with connect(address.replace("http", "ws") + "/speech", origin=address, max_size=2**24) as socket:
        ready = json.loads(socket.recv(timeout=20))
        assert ready["type"] == "ready"
        assert ready["microphone"] is False
        yield socket


def events(draw) -> list:
    drawing = draw((tiny.word(2), 16_000), n=3)
    partial = PartialPicture(0.5, 1.0, 7, 1, drawing, 0.4, False, 0.0, 0.5, {})
    samples = np.zeros(8, np.float32)
    final = FinalPicture(0.9, 1.0, 7, drawing, "pause", 0.0, 0.9, 0.6, samples, {})
    silent = replace(final, utterance=8, drawing=replace(drawing, arrays=drawing.arrays[:0], reason="silence: quiet"))
    return [partial, final, silent]


def received(socket) -> tuple[dict, bytes]:
    message = socket.recv(timeout=20)
    if isinstance(message, str):
        return json.loads(message), b""
    (length,) = struct.unpack_from("<I", message)
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def test_everyone_who_looks_sees_what_was_heard(display, tiny_bundle):
    shown = events(edge_s2i.load(tiny_bundle, threads=1))
    with looking(display) as one, looking(display) as other:
        deadline = time.monotonic() + 20
        while len(display.viewers) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for event in shown:
            display.show(np.zeros((tiny.SIZE, tiny.SIZE, 3), np.uint8), event)
        arrays = shown[0].drawing.arrays
        for socket in (one, other):
            messages = [received(socket) for _ in range(7)]
            names = [content["type"] for content, _ in messages]
            assert names == ["started", "partial", "final", "reading", "reading", "started", "final"]
            assert messages[1][1] == messages[2][1] == arrays[0].tobytes()
            assert [messages[3][1], messages[4][1]] == [arrays[1].tobytes(), arrays[2].tobytes()]
            assert messages[2][0]["name"] == "dog"
            last = messages[6][0]
            assert (last["understood"], last["reason"], last["pictures"]) == (False, "silence", 0)


def test_pages_press_the_devices_button_and_send_no_sound(display):
    with looking(display) as socket:
        for name in ("press", "release", "press"):
            socket.send(json.dumps({"type": name}))
        deadline = time.monotonic() + 20
        pressed: list[str] = []
        while len(pressed) < 3 and time.monotonic() < deadline:
            pressed += display.poll()
        assert pressed == ["press", "release", "press"]
        socket.send(b"\x00\x00")
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)
        assert socket.close_code == protocol.UNREADABLE


def test_a_display_says_what_is_wrong_with_its_name():
    with pytest.raises(RequestError, match="is no port"):
        open_display("somewhere")
