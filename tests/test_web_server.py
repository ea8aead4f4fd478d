"""The server against visitors who speak, of every kind, over WebSocket by a real socket."""

import contextlib
import json
import logging
import re
import struct
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.web import protocol
from edge_s2i.web.settings import Limits, WebSettings

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from edge_s2i.web.application import make_application
from edge_s2i.web.serving import serve
from edge_s2i.web.studio import open_studio

TOKEN = "0123456789abcdef-token"


@pytest.fixture(scope="module")
def studio(tiny_bundle):
    return open_studio(tiny_bundle, threads=1)


@contextlib.contextmanager
def running(studio, **settings) -> Iterator[int]:
    """The server as `edge-s2i web` runs it, in a thread; its port."""
    import uvicorn

    chosen = WebSettings(port=0, **settings)
    started: list[str] = []
    ready = threading.Event()
    servers: list[uvicorn.Server] = []
    original = uvicorn.Server.__init__

    def remember(self, config):
        original(self, config)
        servers.append(self)

    def told(links: list[str]) -> None:
        started.extend(links)
        ready.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.Server, "__init__", remember)
        thread = threading.Thread(target=serve, args=(make_application(studio, chosen), chosen, told), daemon=True)
        thread.start()
        assert ready.wait(30)
    try:
        yield int(re.search(r":(\d+)/", started[0])[1])
    finally:
        servers[0].should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@contextlib.contextmanager
def speaking(port: int, start: dict | None = None, **headers: str) -> Iterator:
    """A WebSocket as the page opens it, its first message sent."""
    own = {"Origin": f"http://127.0.0.1:{port}", **headers}
    with connect(
        f"ws://127.0.0.1:{port}/speech", origin=own.pop("Origin") or None, additional_headers=own, max_size=2**24
    ) as socket:
        with contextlib.suppress(ConnectionClosed):  # a server that will not have us may be quicker
            socket.send(json.dumps({"type": "start", "seed": 5, **(start or {})}))
        yield socket


def events_of(socket, until: str, seconds: float = 30.0) -> list[dict]:
    """Events up to one of that type, pictures as arrays."""
    events: list[dict] = []
    while not events or events[-1]["type"] != until:
        message = socket.recv(timeout=seconds)
        events.append(json.loads(message) if isinstance(message, str) else unpacked(message))
    return events


def unpacked(message: bytes) -> dict:
    (length,) = struct.unpack_from("<I", message)
    event = json.loads(message[4 : 4 + length])
    payload = message[4 + length :]
    count, size = event.get("pictures", 0), event.get("size", 0)
    pixels = count * size * size * 3
    event["arrays"] = np.frombuffer(payload[:pixels], np.uint8).reshape(count, size, size, 3)
    event["audio"] = np.frombuffer(payload[pixels:], "<i2")
    assert len(event["audio"]) == event.get("samples", 0)
    return event


def audio(samples: np.ndarray, size: int = 3200) -> Iterator[bytes]:
    """16-bit messages of 200 ms."""
    words = np.rint(samples * 32767).astype("<i2")
    for first in range(0, len(words), size):
        yield words[first : first + size].tobytes()


def say(socket, index: int) -> None:
    """Presses, says a word of the tiny bundle, lets go."""
    socket.send('{"type": "press"}')
    for message in audio(tiny.word(index)):
        socket.send(message)
    socket.send('{"type": "release"}')


def close_code(socket, seconds: float = 30.0) -> int:
    """Reads until the server closes; its code."""
    try:
        while True:
            socket.recv(timeout=seconds)
    except ConnectionClosed as closed:
        return closed.rcvd.code


@pytest.fixture(scope="module")
def port(studio) -> Iterator[int]:
    with running(studio) as port:
        yield port


def test_a_word_becomes_the_pictures_that_the_runtime_draws(port, tiny_bundle):
    draw = edge_s2i.load(tiny_bundle, threads=1)
    with speaking(port, {"debug": True}) as socket:
        ready = events_of(socket, "ready")[-1]
        assert ready["styles"] == list(tiny.STYLES)
        assert ready["size"] == tiny.SIZE
        assert [events_of(socket, "style")[-1]["style"] for _ in tiny.STYLES] == list(tiny.STYLES)
        say(socket, 2)
        events = events_of(socket, "final")
        final = events[-1]
        assert [event["type"] for event in events][:1] == ["started"]
        assert final["understood"]
        assert final["name"] == "dog"
        assert final["ending"] == "release"
        expected = draw((final["audio"].astype(np.float32) / 32768, 16_000), n=4, seed=5)
        np.testing.assert_array_equal(final["arrays"], expected.arrays[:1])
        for index in (1, 2, 3):
            reading = events_of(socket, "reading")[-1]
            assert reading["index"] == index
            np.testing.assert_array_equal(reading["arrays"][0], expected.arrays[index])
        socket.send('{"type": "redraw", "seed": 6, "style": "drawing"}')
        again = events_of(socket, "reading")[-1]
        assert (again["index"], again["seed"], again["style"]) == (0, 6, "drawing")
        other = draw.paint(expected.embedding, n=4, seed=6, style="drawing")
        np.testing.assert_array_equal(again["arrays"][0], other[0])


def test_hands_free_ends_at_a_pause_and_silence_starts_nothing(port, monkeypatch):
    silence = np.zeros(16_000, np.float32)
    with speaking(port, {"hands_free": True, "style": "drawing"}) as socket:
        for message in audio(np.concatenate([silence, tiny.word(3), silence])):
            socket.send(message)
        final = events_of(socket, "final")[-1]
        assert final["ending"] == "pause"
        assert final["style"] == "drawing"
        for message in audio(silence):
            socket.send(message)
        socket.send('{"type": "press"}')
        socket.send('{"type": "release"}')
        after = events_of(socket, "final")
        assert [event["type"] for event in after if event["type"] == "started"] == ["started"]  # of the button alone
        assert after[-1]["understood"] is False
        assert after[-1]["reason"] in ("silence", "short")


def test_two_at_once_get_their_own_pictures(port):
    with speaking(port) as one, speaking(port) as other:
        for socket in (one, other):
            socket.send('{"type": "press"}')
        for messages in zip(audio(tiny.word(1)), audio(tiny.word(4)), strict=True):
            one.send(messages[0])
            other.send(messages[1])
        for socket in (one, other):
            socket.send('{"type": "release"}')
        assert [events_of(socket, "final")[-1]["name"] for socket in (one, other)] == ["cat", "tree"]


@pytest.mark.parametrize(
    "message",
    [
        b"\x01\x02\x03",
        b"",
        "not JSON",
        "[" * 5000,
        '{"type": "fly"}',
        '{"type": "choose", "seed": -1}',
        '{"type": "choose", "seed": 1e400}',
        '{"type": "choose", "style": "../../etc"}',
        '{"type": "choose", "hands_free": 3}',
        "null",
        "\ud7ff\x00",
    ],
)
def test_garbage_is_closed_with_a_reason(port, caplog, message):
    caplog.set_level(logging.INFO)
    with speaking(port) as socket:
        socket.send(message)
        assert close_code(socket) == protocol.UNREADABLE
    wait_for(lambda: f"closed {protocol.UNREADABLE}" in caplog.text)


def test_noise_of_random_bytes_is_only_audio(port):
    with speaking(port) as socket:
        generator = np.random.default_rng(1)
        socket.send('{"type": "press"}')
        for _ in range(10):
            socket.send(generator.bytes(6400))
        socket.send('{"type": "release"}')
        assert events_of(socket, "final")[-1]["understood"] is False


@pytest.mark.parametrize("first", ['{"type": "press"}', b"\x00\x00"])
def test_the_first_message_is_a_start(port, first):
    with connect(f"ws://127.0.0.1:{port}/speech", origin=f"http://127.0.0.1:{port}") as socket:
        socket.send(first)
        assert close_code(socket) == protocol.UNREADABLE


@pytest.mark.parametrize("size", [64_002, 500_000, 3_000_000])
def test_a_message_too_large_is_closed(port, caplog, size):
    with speaking(port) as socket:
        with contextlib.suppress(ConnectionClosed):
            socket.send(bytes(size))
        assert close_code(socket) == protocol.TOO_LARGE
    with speaking(port) as socket:  # and others go on
        assert events_of(socket, "ready")


def test_audio_faster_than_speech_is_closed(port, caplog):
    caplog.set_level(logging.INFO)
    with speaking(port) as socket:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(40):
                socket.send(bytes(32_000))
        assert close_code(socket) == protocol.TOO_FAST
    wait_for(lambda: "faster than anybody speaks" in caplog.text)


def test_too_many_presses_are_closed(port):
    with speaking(port) as socket:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(60):
                socket.send('{"type": "press"}')
        assert close_code(socket) == protocol.TOO_FAST


def test_a_connection_lost_in_mid_speech_leaves_nothing_behind(port, caplog):
    caplog.set_level(logging.INFO)
    with speaking(port) as socket:
        events_of(socket, "ready")
        socket.send('{"type": "press"}')
        socket.send(next(audio(tiny.word(1))))
        events_of(socket, "started")
        socket.socket.close()  # no goodbye
    wait_for(lambda: re.search(r"went \(\d+\)", caplog.text))
    wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name == "edge-s2i conversation"])
    with speaking(port) as socket:
        say(socket, 2)
        assert events_of(socket, "final")[-1]["name"] == "dog"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", ""])
def test_a_page_from_elsewhere_may_not_speak(port, caplog, origin):
    with pytest.raises(InvalidStatus) as refused, speaking(port, Origin=origin):
        pass
    assert refused.value.response.status_code == 403
    wait_for(lambda: "speech refused" in caplog.text)


def test_a_wrong_token_is_told_and_the_right_one_speaks(studio, caplog):
    with running(studio, token=TOKEN) as port:
        for headers in ({}, {"Cookie": "edge-s2i=wrong-wrong-wrong-wrong"}, {"Authorization": "Bearer no"}):
            with speaking(port, **headers) as socket:
                assert close_code(socket) == protocol.NO_TOKEN
        wait_for(lambda: f"closed {protocol.NO_TOKEN}" in caplog.text)
        with speaking(port, Cookie=f"edge-s2i={TOKEN}") as socket:
            assert events_of(socket, "ready")


def test_idle_and_silent_visitors_are_sent_away_and_seats_are_counted(studio):
    limits = Limits(sessions=2, idle_seconds=1.0, start_seconds=0.5)
    with running(studio, limits=limits) as port:
        with connect(f"ws://127.0.0.1:{port}/speech", origin=f"http://127.0.0.1:{port}") as socket:
            assert close_code(socket) == protocol.IDLE  # never said a word
        with speaking(port) as one, speaking(port) as two:
            events_of(one, "ready")
            events_of(two, "ready")
            with speaking(port) as three:
                assert close_code(three) == protocol.FULL
            assert close_code(one) == protocol.IDLE
            assert close_code(two) == protocol.IDLE
        with speaking(port) as again:
            assert events_of(again, "ready")


def test_a_slow_model_drops_audio_and_says_so(studio, monkeypatch):
    slow = type(studio)(studio.draw, studio.bundle)
    original = type(studio.draw).hear_log_mel

    def dawdle(self, *arguments):
        time.sleep(0.4)
        return original(self, *arguments)

    monkeypatch.setattr(type(studio.draw), "hear_log_mel", dawdle)
    generous = Limits(audio_rate=100.0, audio_burst=100.0)
    with running(slow, limits=generous) as port, speaking(port) as socket:
        events_of(socket, "ready")
        socket.send('{"type": "press"}')
        for _ in range(6):
            for message in audio(np.tile(tiny.word(1), 2)):
                socket.send(message)
        events = events_of(socket, "final", 90.0)
        assert events[-1]["ending"] in ("gap", "length")
        told = [event for event in events if event["type"] == "dropped"]  # before the picture or after it
        dropped = told[-1] if told else events_of(socket, "dropped", 90.0)[-1]
        assert dropped["samples"] + dropped["partials"] > 0


def test_a_model_that_fails_closes_this_conversation_only(studio, caplog, monkeypatch):
    def fail(self, *_arguments, **_options):
        raise ValueError("a broken graph")

    with running(studio) as port:
        with monkeypatch.context() as patch, speaking(port) as socket:
            events_of(socket, "ready")
            patch.setattr(type(studio.draw), "hear", fail)
            say(socket, 2)
            assert close_code(socket) == protocol.FAILED
        assert "a broken graph" in caplog.text
        with speaking(port) as socket:
            say(socket, 2)
            assert events_of(socket, "final")[-1]["name"] == "dog"


def wait_for(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_events_survive_the_wire():
    pictures = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    samples = np.array([-1.0, 0.0, 0.5, 32767 / 32768], np.float32)
    event = unpacked(protocol.pack_event({"type": "final", "name": "\u00e9l\u00e9phant"}, pictures, samples))
    np.testing.assert_array_equal(event["arrays"], pictures)
    np.testing.assert_array_equal(event["audio"], [-32768, 0, 16384, 32767])
    assert event["name"] == "\u00e9l\u00e9phant"
    np.testing.assert_array_equal(protocol.parse_audio(struct.pack("<2h", -32768, 16384)), [-1.0, 0.5])
