"""Push-to-talk on a terminal's keyboard: Space or Enter begins, and again ends, for terminals tell no release."""

from __future__ import annotations

import os
import select
import sys
from types import TracebackType
from typing import Any

_TALK = b" \r\n"
_QUIT = b"qQ\x1b"


class TalkKey:
    """The keyboard of the terminal on standard input; nothing where that is no terminal."""

    def __init__(self, descriptor: int | None = None) -> None:
        """descriptor: of the terminal; standard input if not given."""
        self._descriptor = descriptor
        if descriptor is None:
            try:
                self._descriptor = sys.stdin.fileno()
            except (OSError, ValueError, AttributeError):
                self._descriptor = None
        if self._descriptor is not None and not os.isatty(self._descriptor):
            self._descriptor = None
        self._talking = False
        self._before: list[Any] | None = None

    @property
    def present(self) -> bool:
        """Whether there is a terminal."""
        return self._descriptor is not None

    def __enter__(self) -> TalkKey:
        if self._descriptor is not None:
            import termios
            import tty

            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)  # keys one by one and unseen; Ctrl-C still interrupts
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is not None and self._before is not None:
            import termios

            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def poll(self) -> list[str]:
        """What was typed since the last call, as "press", "release" and "quit"."""
        actions: list[str] = []
        while self._descriptor is not None and select.select([self._descriptor], [], [], 0)[0]:
            try:
                typed = os.read(self._descriptor, 64)
            except OSError:
                typed = b""
            if not typed:
                self._descriptor = None  # the terminal went away
                break
            if typed.startswith(b"\x1b["):
                continue  # an arrow or another special key
            for key in typed:
                if key in _TALK:
                    self._talking = not self._talking
                    actions.append("press" if self._talking else "release")
                elif key in _QUIT:
                    actions.append("quit")
        return actions

    def spoken_to_the_end(self) -> None:
        """The utterance ended otherwise, at its greatest length: the next key begins one."""
        self._talking = False
