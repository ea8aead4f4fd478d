"""A window, by pygame or Tk, whichever imports. Space or Enter held down talks; Escape or q ends."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import numpy as np
from PIL import Image

from edge_s2i.device.displays.display import Display, fitted
from edge_s2i.errors import OutputError, RequestError
from edge_s2i.runtime.events import SpeechEvent

_SIDE = 512  # pixels at first; it can be resized
_TITLE = "edge-s2i"

# X repeats a held key as release and press at once: a release that is not followed for this long is one.
_REPEAT_SECONDS = 0.05


def open_window(toolkit: str = "") -> Display:
    """toolkit: "pygame", "tk", or "" for the first that imports. OutputError where there is none or no screen."""
    kinds: dict[str, Callable[[], Display]] = {"pygame": PygameWindow, "tk": TkWindow}
    if toolkit and toolkit not in kinds:
        raise RequestError(f"window:{toolkit} is unknown; there are {', '.join(f'window:{name}' for name in kinds)}")
    missing = []
    for name in [toolkit] if toolkit else list(kinds):
        try:
            return kinds[name]()
        except ImportError as error:
            missing.append(f"{name} ({error})")
    raise OutputError(
        f"no window can be opened, for want of {' and '.join(missing)}; pip install pygame, install the system package "
        "python3-tk, or choose --display framebuffer or folder:PATH"
    )


class PygameWindow:
    """A window by SDL; on a board without a window system SDL draws to the screen itself, where it can."""

    def __init__(self) -> None:
        """ImportError without pygame, OutputError without a screen."""
        import pygame  # its greeting on standard output is switched off by the caller's environment

        self._pygame: Any = pygame
        try:
            pygame.display.init()
            self._window = pygame.display.set_mode((_SIDE, _SIDE), pygame.RESIZABLE)
        except pygame.error as error:
            raise OutputError(f"pygame cannot open a window: {error}; choose another --display") from error
        pygame.display.set_caption(_TITLE)
        self._picture: np.ndarray | None = None

    def show(self, picture: np.ndarray, event: SpeechEvent) -> None:
        """Fits the picture into the window."""
        self._picture = picture
        width, height = self._window.get_size()
        surface = self._pygame.surfarray.make_surface(fitted(picture, width, height).swapaxes(0, 1))
        self._window.blit(surface, (0, 0))
        self._pygame.display.flip()

    def poll(self) -> list[str]:
        """Keys and the window's own close button."""
        pygame = self._pygame
        actions = []
        for event in pygame.event.get():
            key = getattr(event, "key", None)
            if event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and key in (pygame.K_ESCAPE, pygame.K_q)):
                actions.append("quit")
            elif event.type in (pygame.KEYDOWN, pygame.KEYUP) and key in (pygame.K_SPACE, pygame.K_RETURN):
                actions.append("press" if event.type == pygame.KEYDOWN else "release")
            elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP) and event.button == 1:
                actions.append("press" if event.type == pygame.MOUSEBUTTONDOWN else "release")
        return actions

    def close(self) -> None:
        """Closes the window."""
        self._pygame.display.quit()


class TkWindow:
    """A window by Tk, which comes with most Pythons."""

    def __init__(self) -> None:
        """ImportError without Tk, OutputError without a screen."""
        import tkinter

        from PIL import ImageTk

        self._to_tk = ImageTk.PhotoImage
        self._error = tkinter.TclError
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise OutputError(f"Tk cannot open a window: {error}; choose another --display") from error
        self._root.title(_TITLE)
        self._root.geometry(f"{_SIDE}x{_SIDE}")
        self._label = tkinter.Label(self._root, background="black", borderwidth=0)
        self._label.pack(fill="both", expand=True)
        self._actions: list[str] = []
        self._release_at: float | None = None
        for key in ("<KeyPress-space>", "<KeyPress-Return>", "<ButtonPress-1>"):
            self._root.bind(key, lambda _event: self._press())
        for key in ("<KeyRelease-space>", "<KeyRelease-Return>", "<ButtonRelease-1>"):
            self._root.bind(key, lambda _event: self._release())
        for key in ("<Escape>", "q"):
            self._root.bind(key, lambda _event: self._actions.append("quit"))
        self._root.protocol("WM_DELETE_WINDOW", lambda: self._actions.append("quit"))
        self._root.update()

    def show(self, picture: np.ndarray, event: SpeechEvent) -> None:
        """Fits the picture into the window."""
        width, height = max(1, self._root.winfo_width()), max(1, self._root.winfo_height())
        self._image = self._to_tk(Image.fromarray(fitted(picture, width, height)), master=self._root)
        self._label.configure(image=self._image)
        self._root.update()

    def poll(self) -> list[str]:
        """Keys, mouse and the window's own close button."""
        self._root.update()
        if self._release_at is not None and monotonic() >= self._release_at:
            self._release_at = None
            self._actions.append("release")
        actions, self._actions = self._actions, []
        return actions

    def close(self) -> None:
        """Closes the window."""
        self._root.destroy()

    def _press(self) -> None:
        if self._release_at is None:
            self._actions.append("press")
        self._release_at = None

    def _release(self) -> None:
        self._release_at = monotonic() + _REPEAT_SECONDS
