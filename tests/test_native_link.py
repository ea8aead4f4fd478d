"""s2i_run shows its picture on a board's panel, over a pseudo-terminal and the link."""

import os
import pty
import select
import subprocess
import time
import tty

import native_program as native
import numpy as np
import pytest
from PIL import Image

from firmware_bridge.link.spec import PictureFormat, PixelOrder
from firmware_bridge.rgb565 import pack_rgb565
from firmware_bridge.simulator import SimulatedBoard


class BoardOnATerminal:
    """A simulated board at one end of a pseudo-terminal, served while a program runs at the other."""

    def __init__(self, flip_every: int = 0, make: type[SimulatedBoard] = SimulatedBoard, **settings) -> None:
        self.ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self.path = os.ttyname(theirs)
        self.theirs = theirs
        self.flip_every = flip_every
        self.seen = 0
        self.board = make(write=lambda content: os.write(self.ours, content), **settings)

    def serve(self, process: subprocess.Popen) -> None:
        start = time.monotonic()
        while process.poll() is None:
            now = time.monotonic() - start
            assert now < 60
            if select.select([self.ours], [], [], 0.005)[0]:
                content = bytearray(os.read(self.ours, 4096))
                for index in range(len(content)):
                    self.seen += 1
                    if self.flip_every and self.seen % self.flip_every == 0:
                        content[index] ^= 0x10
                self.board.receive(bytes(content), now)
            self.board.poll(now)

    def close(self) -> None:
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def shown(tiny_bundle, word_file, tmp_path):
    """Runs s2i_run --link against a board; returns the board, the process' results and the picture's file."""

    def run(*arguments: object, **settings) -> tuple[SimulatedBoard, subprocess.CompletedProcess]:
        line = BoardOnATerminal(**settings)
        command = [native.program(), "--ort", native.onnxruntime_library(), "--bundle", tiny_bundle, word_file]
        command += ["--link", line.path, "-o", tmp_path / "o.png", *arguments]
        with subprocess.Popen([str(w) for w in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            line.serve(process)
            out, err = process.communicate()
        line.close()
        return line.board, subprocess.CompletedProcess(command, process.returncode, out, err)

    return run


@pytest.mark.parametrize("order", PixelOrder)
@pytest.mark.parametrize("flip_every", [0, 301])
def test_the_panel_shows_the_picture(shown, tmp_path, order, flip_every):
    board, result = shown(width=32, height=32, pixel_order=order, flip_every=flip_every)
    assert result.returncode == 0, result.stderr
    assert b"on the 32 x 32 panel of 'simulated board'" in result.stdout
    with Image.open(tmp_path / "o.png") as picture:
        byte_order = "big" if order == PixelOrder.BIG else "little"
        assert board.memory.tobytes() == pack_rgb565(np.asarray(picture), byte_order=byte_order)


def test_a_panel_of_another_size(shown, tmp_path):
    board, result = shown(width=80, height=48, pixel_order=PixelOrder.LITTLE)
    assert result.returncode == 0, result.stderr
    with Image.open(tmp_path / "o.png") as picture:
        # 32 to 48 pixels: two of three lie on an edge of the picture's; its squares of 8 are those of 12.
        expected = np.asarray(
            picture.resize((4, 4), Image.Resampling.NEAREST).resize((48, 48), Image.Resampling.NEAREST)
        )
    packed = np.frombuffer(pack_rgb565(expected, byte_order="little"), np.uint16).reshape(48, 48)
    np.testing.assert_array_equal(board.memory[:, 16:64], packed)
    assert not board.memory[:, :16].any()
    assert not board.memory[:, 64:].any()


class ForgetfulBoard(SimulatedBoard):
    """A board whose panel's memory is another than what was drawn, so many times."""

    forgets = 2

    def _check_whole(self, current) -> bool:
        if current.received.all() and self.forgets:
            self.forgets -= 1
            self.memory[0, 0] ^= 1
        return super()._check_whole(current)


class BrokenBoard(ForgetfulBoard):
    """One that never keeps what was drawn."""

    forgets = 100


def test_a_panel_whose_memory_is_another_gets_the_picture_again(shown, tmp_path):
    board, result = shown(width=32, height=32, make=ForgetfulBoard)
    assert result.returncode == 0, result.stderr
    with Image.open(tmp_path / "o.png") as picture:
        assert board.memory.tobytes() == pack_rgb565(np.asarray(picture), byte_order="big")
    board, result = shown(width=32, height=32, make=BrokenBoard)
    assert result.returncode == 2
    assert b"another picture in its panel's memory" in result.stderr
    assert board.counters.pictures == 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"picture_formats": PictureFormat.JPEG}, b"takes JPEG files alone; `edge-s2i bridge` sends them"),
        ({"picture_formats": PictureFormat(0)}, b"no panel that takes tiles"),
        ({"version": 0x20}, b"speaks version"),
        ({"schema": 1}, b"laid out otherwise"),
    ],
    ids=["jpeg", "no panel", "version", "schema"],
)
def test_a_board_that_cannot_show_it_is_told_of_in_one_line(shown, settings, says):
    _, result = shown("--wait", "1", width=32, height=32, name="a\x1b[2Jboard", **settings)
    assert result.returncode == 2
    assert result.stderr.count(b"\n") == 1
    assert says in result.stderr
    assert b"\x1b" not in result.stderr


def test_a_board_cannot_steer_the_terminal_by_its_name(shown):
    _, result = shown(width=32, height=32, name="a\x1b[2J\nboard")
    assert result.returncode == 0, result.stderr
    assert b"panel of 'a?[2J?board' after" in result.stdout


def test_nobody_at_the_other_end(tiny_bundle, word_file, tmp_path):
    ours, theirs = pty.openpty()
    regular = tmp_path / "file"
    regular.touch()
    base = [native.program(), "--ort", native.onnxruntime_library(), "--bundle", tiny_bundle, word_file]
    for path, extra, says in (
        (os.ttyname(theirs), ("--wait", "0.5"), b"no board answers"),
        (regular, (), b"is no terminal"),
        (tmp_path / "nothing", (), b"cannot be opened"),
        (os.ttyname(theirs), ("--baud", "1234"), b"--baud 1234"),
    ):
        command = [str(word) for word in (*base, "--link", path, *extra)]
        result = subprocess.run(command, capture_output=True, check=False)
        assert result.returncode == 2
        assert result.stderr.count(b"\n") == 1
        assert says in result.stderr
    os.close(ours)
    os.close(theirs)
