"""The asyncio host on real file descriptors: a pty, a FIFO pair, a socket; unplugging, and the command itself."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.cli.main import main
from edge_s2i.errors import LinkError
from firmware_bridge.host import Bridge, BridgeSettings, open_line
from firmware_bridge.host.table import status_table
from firmware_bridge.link.panel import Panel
from firmware_bridge.link.session import SessionSettings
from firmware_bridge.link.spec import AudioFormat, EventKind, PixelOrder
from firmware_bridge.link.tiles import Tiling
from firmware_bridge.simulator import SimulatedBoard

WORD = (tiny.word(2) * 32767).astype(np.int16)
LIMIT = 240.0  # s; a quiet machine needs few


class BoardThread:
    """A simulated board on a file descriptor, which says a word again and again."""

    def __init__(self, handle, nonce=1, speech=WORD, pause=0.3):
        self.handle, self.speech, self.pause = handle, speech, pause
        os.set_blocking(handle, False)
        self.stopping = False
        self.board = SimulatedBoard(self.write, boot_nonce=nonce, width=32, height=32)
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def write(self, content):
        with contextlib.suppress(OSError):
            while content and not self.stopping:
                try:
                    content = content[os.write(self.handle, content) :]
                except BlockingIOError:
                    time.sleep(0.001)

    def work(self):
        said_at = time.monotonic()
        while not self.stopping:
            now = time.monotonic()
            try:
                self.board.receive(os.read(self.handle, 4096), now)
            except BlockingIOError:
                time.sleep(0.002)
            except OSError:
                time.sleep(0.01)  # a pty that nobody has opened
            self.board.poll(now)
            if self.board.open and now - said_at > self.pause:
                said_at = now
                self.board.event(EventKind.TALK_BEGIN)
                self.board.audio(self.speech)
                self.board.event(EventKind.TALK_END)

    def stop(self):
        self.stopping = True
        self.thread.join(5)


@pytest.fixture
def pty():
    master, slave = os.openpty()
    board = BoardThread(master)
    yield board, os.ttyname(slave)
    board.stop()
    os.close(master)
    os.close(slave)


def serve(bridge, until):
    async def run():
        task = asyncio.create_task(bridge.run())
        try:
            async with asyncio.timeout(LIMIT):
                while not until():
                    if task.done():
                        task.result()
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def bridge_to(device, bundle, **settings):
    return Bridge(edge_s2i.load(bundle, threads=1), lambda: open_line(device), BridgeSettings(**settings))


def test_a_word_is_drawn_on_the_panel_just_as_the_runtime_draws_it(pty, tiny_bundle):
    board, device = pty
    settings = SessionSettings(prefer=AudioFormat.S16LE)
    bridge = bridge_to(device, tiny_bundle, session=settings)
    serve(bridge, lambda: bridge.state.pictures and board.board.answers)
    expected = edge_s2i.load(tiny_bundle)((WORD.astype(np.float32) / 32768, 16_000))
    panel = Panel(Tiling(32, 32, 8), PixelOrder.BIG)
    board.stop()
    assert np.array_equal(board.board.memory, panel.render(expected.arrays[0]))
    assert (bridge.state.utterances, board.board.answers[0].text) >= (1, "dog")
    assert bridge.state.last_account.missing == 0


def test_unplugging_and_plugging_in_again(tmp_path, tiny_bundle):
    ends = [os.openpty() for _ in range(2)]
    link = tmp_path / "board"
    link.symlink_to(os.ttyname(ends[0][1]))
    board = BoardThread(ends[0][0], nonce=1)
    # The name stands for what a system gives a device each time it appears.
    bridge = Bridge(
        edge_s2i.load(tiny_bundle, threads=1),
        lambda: open_line(os.path.realpath(link, strict=True)),
        BridgeSettings(first_wait=0.05),
    )
    later = []

    def both():
        if bridge.state.pictures and not later:
            board.stop()
            link.unlink()
            for handle in ends[0]:
                os.close(handle)
            link.symlink_to(os.ttyname(ends[1][1]))
            later.append((BoardThread(ends[1][0], nonce=2), bridge.state.pictures))
        return bool(later) and bridge.state.pictures > later[0][1]

    serve(bridge, both)
    later[0][0].stop()
    assert bridge.state.reconnects >= 1
    for handle in ends[1]:
        os.close(handle)


def test_partial_pictures_come_while_it_is_spoken(pty, tiny_bundle):
    board, device = pty
    board.pause = 1e9
    bridge = bridge_to(device, tiny_bundle, draw_anyway=True)
    begun = []

    def speak():
        if bridge.state.hello is not None and board.board.open and not begun:
            begun.append(board.board.event(EventKind.TALK_BEGIN))
            board.board.audio(WORD[:9600])
        return bridge.state.partials > 0

    serve(bridge, speak)
    assert bridge.state.utterances == 0  # it is not over


def test_what_cannot_be_drawn_is_answered_and_nothing_ends(pty, tiny_bundle):
    board, device = pty
    board.speech = WORD[:100]
    bridge = bridge_to(device, tiny_bundle)
    serve(bridge, lambda: len(board.board.answers) >= 2)
    assert "long" in board.board.answers[0].text
    assert bridge.state.pictures == 0
    from rich.console import Console

    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(status_table(bridge, device))
    assert "utterances" in console.export_text()


def test_a_fifo_pair_is_a_line_too(tmp_path):
    up, down = tmp_path / "board", tmp_path / "board.out"
    os.mkfifo(up)
    with pytest.raises(LinkError, match=r"board\.out"):
        asyncio.run(open_line(str(up)))
    os.mkfifo(down)

    async def both():
        line = await open_line(str(up))
        with open(up, "wb", buffering=0) as out:
            out.write(b"from the board")
            assert await line.read() == b"from the board"
        line.write(b"to the board")
        handle = os.open(down, os.O_RDONLY | os.O_NONBLOCK)
        assert os.read(handle, 100) == b"to the board"
        os.close(handle)
        line.close()

    asyncio.run(both())


def test_a_socket_is_a_line_too(tmp_path):
    async def both():
        async def echo(reader, writer):
            writer.write(await reader.read(100))

        unix = await asyncio.start_unix_server(echo, tmp_path / "socket")
        tcp = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = tcp.sockets[0].getsockname()[1]
        for device in (str(tmp_path / "socket"), f"127.0.0.1:{port}"):
            line = await open_line(device)
            line.write(b"hello")
            assert await line.read() == b"hello"
            line.close()
        unix.close()
        tcp.close()

    asyncio.run(both())


def test_a_line_that_takes_nothing_is_given_up():
    async def fill():
        master, slave = os.openpty()
        line = await open_line(os.ttyname(slave))
        fill_up = [b"x" * 4096] * 400
        with pytest.raises(OSError, match="nothing"):
            list(map(line.write, fill_up))
        line.close()
        os.close(master)
        os.close(slave)

    asyncio.run(fill())


def test_a_file_is_no_board(tmp_path, tiny_bundle, capsys):
    path = tmp_path / "notes.txt"
    path.write_text("not a board")
    assert main(["bridge", str(path), "--bundle", str(tiny_bundle), "--plain"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "give a serial port" in message


def test_the_command_serves_a_board_until_it_is_interrupted(pty, tiny_bundle):
    board, device = pty
    command = [sys.executable, "-m", "edge_s2i.cli.main", "bridge", device, "--bundle", str(tiny_bundle), "--plain"]
    # A suite that runs in the background may ignore the signal, and a child inherits that.
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - takes no lock
    )
    try:
        end = time.monotonic() + LIMIT
        while not board.board.answers:
            assert time.monotonic() < end
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "board 'simulated board' is there" in out
