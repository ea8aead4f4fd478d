"""A real line made worse: bytes that pass are changed, the same way for the same seed."""

from __future__ import annotations

import random
from typing import Protocol


class _Line(Protocol):
    def write(self, content: bytes) -> None: ...

    async def read(self) -> bytes: ...

    def close(self) -> None: ...


class LossyLine:
    """Wraps a line of the host's; `corrupt` is each byte's chance to arrive as another."""

    def __init__(self, line: _Line, corrupt: float, seed: int = 0) -> None:
        self.changed = 0  # bytes
        self.passed = 0
        self._line = line
        self._corrupt = corrupt
        self._random = random.Random(seed)

    def write(self, content: bytes) -> None:
        """Sends bytes, some changed."""
        self._line.write(self._damaged(content))

    async def read(self) -> bytes:
        """The next bytes, some changed."""
        return self._damaged(await self._line.read())

    def close(self) -> None:
        """Lets go of the line."""
        self._line.close()

    def _damaged(self, content: bytes) -> bytes:
        out = bytearray(content)
        for at in range(len(out)):
            if self._random.random() < self._corrupt:
                out[at] ^= self._random.randrange(1, 256)
                self.changed += 1
        self.passed += len(out)
        return bytes(out)
