"""One direction of a line that is slow and loses, changes, doubles and swaps what it carries. The same seed, the same
faults."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass

from edge_s2i.errors import LinkError

BITS_A_BYTE = 10  # 8N1: a start bit and a stop bit beside the eight
PIECE = 16  # bytes that arrive together


@dataclass(frozen=True)
class PipeSettings:
    """What a line does; probabilities are a byte or a write's own."""

    baud: float = math.inf
    latency: float = 0.0  # s
    corrupt: float = 0.0  # a byte: it arrives as another
    drop: float = 0.0  # a byte: it does not arrive
    flip: float = 0.0  # a byte: one of its bits arrives turned over
    duplicate: float = 0.0  # a write: it arrives twice
    reorder: float = 0.0  # a write: it arrives after the next
    stall: float = 0.0  # a write: nothing arrives for `stall_seconds`
    stall_seconds: float = 0.2

    def __post_init__(self) -> None:
        if not self.baud > 0 or self.latency < 0 or self.stall_seconds < 0:
            raise LinkError("a line has a rate above 0 and no negative times")
        for name in ("corrupt", "drop", "flip", "duplicate", "reorder", "stall"):
            if not 0 <= getattr(self, name) <= 1:
                raise LinkError(f"{name} is {getattr(self, name)}; a probability is 0 to 1")


class LossyPipe:
    """Takes writes with the time, gives what has arrived by a time."""

    def __init__(self, settings: PipeSettings, seed: int = 0) -> None:
        self.settings = settings
        self.written = 0  # bytes
        self.faults = 0
        self._random = random.Random(seed)
        self._free_at = 0.0
        self._queue: list[tuple[float, int, bytes]] = []
        self._number = 0
        self._held: bytes | None = None

    def write(self, content: bytes, now: float) -> None:
        """Sends bytes; they arrive at the line's rate."""
        self.written += len(content)
        settings, chance = self.settings, self._random.random
        if settings.stall and chance() < settings.stall:
            self._free_at = max(self._free_at, now) + settings.stall_seconds
            self.faults += 1
        writes = [content]
        if settings.duplicate and chance() < settings.duplicate:
            writes.append(content)
            self.faults += 1
        if self._held is not None:
            writes.append(self._held)
            self._held = None
        elif settings.reorder and chance() < settings.reorder:
            self._held = content
            self.faults += 1
            return
        for part in writes:
            self._send(self._damaged(part), len(part), now)

    def read(self, now: float) -> bytes:
        """What has arrived."""
        out = bytearray()
        while self._queue and self._queue[0][0] <= now:
            out += heapq.heappop(self._queue)[2]
        return bytes(out)

    def reset(self) -> None:
        """Loses everything on its way, as when the plug is pulled."""
        self._queue.clear()
        self._held = None
        self._free_at = 0.0

    def _damaged(self, content: bytes) -> bytes:
        settings = self.settings
        if not (settings.corrupt or settings.drop or settings.flip):
            return content
        out = bytearray()
        for byte in content:
            if settings.drop and self._random.random() < settings.drop:
                self.faults += 1
                continue
            value = byte
            if settings.corrupt and self._random.random() < settings.corrupt:
                value ^= self._random.randrange(1, 256)
                self.faults += 1
            if settings.flip and self._random.random() < settings.flip:
                value ^= 1 << self._random.randrange(8)
                self.faults += 1
            out.append(value)
        return bytes(out)

    def _send(self, content: bytes, occupied: int, now: float) -> None:
        start = max(self._free_at, now)
        byte_time = BITS_A_BYTE / self.settings.baud
        self._free_at = start + occupied * byte_time
        for at in range(0, len(content), PIECE):
            piece = content[at : at + PIECE]
            arrives = start + (at + len(piece)) * byte_time + self.settings.latency
            heapq.heappush(self._queue, (arrives, self._number, piece))
            self._number += 1
