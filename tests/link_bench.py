"""A host and a board over two lossy lines, in simulated time; tests of the link share it."""

from dataclasses import dataclass, field

import numpy as np

from firmware_bridge.link.happenings import Ended, Opened, Shown
from firmware_bridge.link.session import HostSession, SessionSettings
from firmware_bridge.link.spec import EventKind
from firmware_bridge.simulator import LossyPipe, PipeSettings, SimulatedBoard


@dataclass
class Bench:
    """Both ends and the time; `happened` is everything that the host was told."""

    pipe: PipeSettings = field(default_factory=PipeSettings)
    seed: int = 0
    step: float = 0.0005
    board_options: dict = field(default_factory=dict)
    session: SessionSettings | None = None
    make_board: type = SimulatedBoard

    def __post_init__(self):
        self.now = 0.0
        self.up, self.down = LossyPipe(self.pipe, self.seed), LossyPipe(self.pipe, self.seed + 1)
        self.happened = []
        self.board = self.make_board(lambda content: self.up.write(content, self.now), **self.board_options)
        self.host = HostSession(lambda content: self.down.write(content, self.now), 77, 0.0, self.session)

    def run(self, until, limit=60.0):
        """Goes on until `until()` is true; the seconds that took. AssertionError after `limit` seconds."""
        begin = self.now
        while not until():
            assert self.now - begin < limit, f"not within {limit} s"
            self.tick()
        return self.now - begin

    def tick(self):
        self.now += self.step
        self.happened += self.host.receive(self.up.read(self.now), self.now)
        self.happened += self.host.poll(self.now)
        self.board.receive(self.down.read(self.now), self.now)
        self.board.poll(self.now)

    def open(self):
        self.run(lambda: self.board.open and self.host.hello is not None)

    def count(self, kind):
        return sum(isinstance(item, kind) for item in self.happened)

    def show(self, pixels, **options):
        """Shows a picture and gives the seconds until the panel has it and the host knows."""
        before = self.count(Shown)
        assert self.host.show(pixels, **options)
        return self.run(lambda: self.count(Shown) > before)

    def speak(self, samples):
        """Speaks in real time; gives the utterance as the host has it."""
        before, begin, at = self.count(Ended), self.now, 0
        assert self.board.event(EventKind.TALK_BEGIN)
        while at < len(samples):
            self.tick()
            due = int((self.now - begin) * 16_000) // 320 * 320
            if due > at:
                self.board.audio(samples[at:due])
                at = due
        self.board.event(EventKind.TALK_END)
        self.run(lambda: self.count(Ended) > before)
        return [item for item in self.happened if isinstance(item, Ended)][-1].utterance

    def opened(self):
        return self.count(Opened)


def noise_picture(seed=0, size=128):
    """The worst case: nothing in it repeats."""
    return np.random.default_rng(seed).integers(0, 65536, (size, size)).astype(np.uint16)
