"""The bridge between a board and a model that takes its time: what is over or taken back is not drawn."""

import asyncio
import io
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from edge_s2i.cli.bridge import _lines
from edge_s2i.errors import BackendError
from firmware_bridge.host import Bridge, BridgeSettings
from firmware_bridge.host.bridge import BridgeState, _jpeg, printable
from firmware_bridge.link.messages import Log
from firmware_bridge.link.spec import CHUNK_BYTES, MAX_SIDE, MAX_UNITS, EventKind, PictureFormat, Type
from firmware_bridge.simulator import SimulatedBoard

SPEECH = (4000 * np.sin(np.arange(8000) / 9)).astype(np.int16)


class MemoryLine:
    """A line to a simulated board in this process; another board may be put at its end."""

    def __init__(self, **options):
        self.up = asyncio.Queue()
        self.plug_in(**options)

    def plug_in(self, **options):
        self.board = SimulatedBoard(self.up.put_nowait, **{"width": 32, "height": 32} | options)

    def write(self, content):
        self.board.receive(content, time.monotonic())

    async def read(self):
        return await self.up.get()

    def close(self):
        pass


class Model:
    """Draws one grey for all, once it is let; `calls` are the samples that it was given."""

    def __init__(self, picture=None):
        self.calls, self.ready = [], threading.Event()
        self.ready.set()
        self.picture = np.full((32, 32, 3), 200, np.uint8) if picture is None else picture
        self.error = None

    def __call__(self, sound, *, seed, draw_anyway):
        self.calls.append(sound[0])
        self.ready.wait(20)
        if self.error:
            raise self.error
        return SimpleNamespace(
            arrays=[self.picture],
            understood=True,
            confidence=0.9,
            reason="",
            nearest=lambda count: [SimpleNamespace(caption="dog")],
        )


def say(board, kind=EventKind.TALK_END, samples=SPEECH):
    board.event(EventKind.TALK_BEGIN)
    board.audio(samples)
    board.event(kind)


def with_bridge(scene, model, settings=None, **options):
    """Runs `scene(line, bridge, until)` beside a bridge that has opened a session."""

    async def run():
        line = MemoryLine(**options)

        async def open_line():
            return line

        bridge = Bridge(model, open_line, settings or BridgeSettings(partial_seconds=0))
        task = asyncio.create_task(bridge.run())

        async def until(condition):
            while not condition():
                assert not task.done(), task.result()
                line.board.poll(time.monotonic())
                await asyncio.sleep(0.002)

        try:
            async with asyncio.timeout(60):
                await until(lambda: bridge.state.hello is not None and line.board.open)
                await scene(line, bridge, until)
        finally:
            model.ready.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_what_was_said_before_a_restart_is_not_drawn_after_it():
    model = Model()

    async def scene(line, bridge, until):
        model.ready.clear()
        say(line.board)
        await until(lambda: len(model.calls) == 1)
        line.plug_in(boot_nonce=2)
        await until(lambda: line.board.open)
        model.ready.set()
        await until(lambda: bridge.session.counters.sessions == 2)
        say(line.board, samples=SPEECH[:6400])
        await until(lambda: line.board.answers and bridge.state.pictures)
        assert [len(call) for call in model.calls] == [8000, 6400]
        assert [answer.utterance for answer in line.board.answers] == [1]
        assert bridge.state.utterances == 2
        assert bridge.state.pictures == line.board.counters.pictures == 1

    with_bridge(scene, model)


@pytest.mark.parametrize("when", ["waiting", "drawn"])
def test_what_is_taken_back_is_not_drawn(when):
    model = Model()

    async def scene(line, bridge, until):
        model.ready.clear()
        say(line.board)
        await until(lambda: len(model.calls) == 1)
        taken = 1
        if when == "waiting":
            say(line.board, samples=SPEECH[:4800])
            await until(lambda: len(bridge._final) == 1)
            taken = 2
        line.board.event(EventKind.CANCEL)
        await until(lambda: "the utterance was taken back" in bridge.state.log)
        model.ready.set()
        say(line.board, samples=SPEECH[:6400])
        last = taken + 1
        await until(lambda: any(answer.utterance == last for answer in line.board.answers))
        assert taken not in [answer.utterance for answer in line.board.answers]
        assert len(model.calls[-1]) == 6400
        assert 4800 not in [len(call) for call in model.calls]

    with_bridge(scene, model)


def test_an_end_that_comes_late_does_not_end_the_next_utterance():
    async def scene(line, bridge, until):
        board = line.board
        board.event(EventKind.VOICE_BEGIN)
        board.audio(SPEECH[:7680])
        write, board.write = board.write, lambda content: None
        board.audio(SPEECH[7680:])
        board.event(EventKind.VOICE_END)  # is lost, and sent again after the next beginning
        board.write = write
        board.event(EventKind.VOICE_BEGIN)
        board.audio(SPEECH[:6400])
        await until(lambda: bridge.state.utterances == 1)
        assert bridge.state.speaking
        await until(lambda: bridge.state.partials > 0)

    with_bridge(scene, Model(), BridgeSettings(partial_seconds=0.3))


def noise(side):
    return np.random.default_rng(1).integers(0, 256, (side, side, 3)).astype(np.uint8)


@pytest.mark.parametrize(("picture", "least"), [(Model().picture, 45), (noise(512), 5)], ids=["grey", "noise"])
def test_a_board_with_a_decoder_gets_a_jpeg_that_the_link_can_carry(picture, least):
    side = len(picture)

    async def scene(line, bridge, until):
        say(line.board)
        await until(lambda: bridge.state.pictures)
        assert 0 < len(line.board.jpeg) <= MAX_UNITS * CHUNK_BYTES
        with Image.open(io.BytesIO(line.board.jpeg)) as shown:
            error = np.asarray(shown).astype(float) - picture
        assert shown.format == "JPEG"
        assert 10 * np.log10(255**2 / (np.mean(error**2) + 1e-9)) > least

    options = {"width": side, "height": side, "tile_side": 16, "picture_formats": PictureFormat.JPEG}
    with_bridge(scene, Model(picture), **options)


def test_the_largest_panel_of_noise_fits_too():
    assert 0 < len(_jpeg(noise(MAX_SIDE))) <= MAX_UNITS * CHUNK_BYTES


def test_an_engine_that_fails_is_answered_and_nothing_ends():
    model = Model()
    model.error = BackendError("the engine gave up")

    async def scene(line, bridge, until):
        line.board.event(EventKind.TALK_BEGIN)
        line.board.audio(SPEECH)
        await until(lambda: model.calls)  # a partial picture that fails
        line.board.event(EventKind.TALK_END)
        await until(lambda: line.board.answers)
        assert "gave up" in line.board.answers[0].text

    with_bridge(scene, model, BridgeSettings(partial_seconds=0.1))


def test_a_board_cannot_steer_the_terminal():
    async def scene(line, bridge, until):
        line.board.send_raw(Type.LOG, Log(20, "one\x1b[2J\ntwo").encode())
        await until(lambda: any("two" in entry for entry in bridge.state.log))

    bridges = []
    with_bridge(lambda line, bridge, until: bridges.append(bridge) or scene(line, bridge, until), Model())
    assert bridges[0].state.log[-1] == "board: one?[2J?two"
    assert printable("Größe 1") == "Größe 1"


def test_every_line_of_the_log_is_printed_once(capsys):
    class Runner:
        def __init__(self):
            self.state = BridgeState()

        async def run(self):
            for number in range(3):
                for text in ("board is there", "the line is lost"):
                    Bridge._say(self, text)
                    await asyncio.sleep(0.15 if number else 0)

    asyncio.run(_lines(Runner()))
    assert capsys.readouterr().out.splitlines() == ["board is there", "the line is lost"] * 3
