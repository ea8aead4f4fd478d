"""Between the thread that captures and the one that understands: a queue of audio that never grows.

Capture never waits for a microphone's sake: what does not fit is counted and left out, and where it would have been the
reader is told how much is missing.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from time import perf_counter

import numpy as np

_MOST_ITEMS = 4_096  # blocks and marks: also tiny blocks must not make the queue grow


@dataclass(frozen=True)
class Block:
    """Audio as it was captured."""

    samples: np.ndarray  # (N,) float32 at 16 kHz
    arrived: float  # s of perf_counter
    lost: int  # samples that are missing before it


@dataclass(frozen=True)
class Mark:
    """Something that happened at this place of the stream: "press" or "release"."""

    name: str


class AudioQueue:
    """Blocks of audio and marks, in order, for one writer of audio, any writers of marks, and one reader."""

    def __init__(self, most_samples: int) -> None:
        """most_samples: that may wait to be read."""
        self.most_samples = most_samples
        self.dropped = 0  # samples that did not fit, ever
        self.waiting = 0  # samples that wait now
        self.greatest = 0  # samples that ever waited at once
        self._lost = 0  # not yet told to the reader
        self._items: deque[Block | Mark] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, samples: np.ndarray, *, wait: bool = False) -> bool:
        """Adds a block; without room drops it and counts it, or with `wait` waits for room. False if dropped."""
        arrived = perf_counter()
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._closed or self._has_room(len(samples)))
            if self._closed:
                return False
            if not self._has_room(len(samples)):
                self._lost += len(samples)
                self.dropped += len(samples)
                return False
            self._items.append(Block(samples, arrived, self._lost))
            self._lost = 0
            self.waiting += len(samples)
            self.greatest = max(self.greatest, self.waiting)
            self._changed.notify_all()
            return True

    def take_lost(self) -> int:
        """Samples that were dropped after the last block; they count as told."""
        with self._changed:
            lost, self._lost = self._lost, 0
            return lost

    def mark(self, name: str) -> None:
        """Adds a mark; one that says what the mark before it said already is left out, and one too many too."""
        with self._changed:
            before = next((item.name for item in reversed(self._items) if isinstance(item, Mark)), None)
            if before != name and not self._closed and len(self._items) < 2 * _MOST_ITEMS:
                self._items.append(Mark(name))
                self._changed.notify_all()

    def close(self) -> None:
        """No more comes: the reader gets what is there and then None; a writer that waits goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> Block | Mark | None:
        """The next block or mark; None when the queue is closed and empty. TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._items, timeout):
                raise TimeoutError
            if not self._items:
                return None
            item = self._items.popleft()
            if isinstance(item, Block):
                self.waiting -= len(item.samples)
            self._changed.notify_all()
            return item

    def _has_room(self, samples: int) -> bool:
        # A block that is longer than the whole queue is let into an empty one: its writer must not wait for ever.
        fits = self.waiting + min(samples, self.most_samples) <= self.most_samples
        return fits and len(self._items) < _MOST_ITEMS
