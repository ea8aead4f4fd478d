"""What every display offers, and how a picture looks before it is sure."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw

from edge_s2i.runtime.events import FinalPicture, PartialPicture, SpeechEvent

_PAPER = 255.0


class Display(Protocol):
    """Shows pictures. Called by one thread; `show` should take milliseconds."""

    def show(self, picture: np.ndarray, event: SpeechEvent) -> None:
        """picture: (H, W, 3) uint8 RGB, as `picture_of` gives it; event: what it belongs to."""
        ...

    def poll(self) -> list[str]:
        """What the person at the display did since the last call: "press", "release", "quit"."""
        ...

    def close(self) -> None:
        """Gives the display back."""
        ...


def picture_of(event: SpeechEvent, size: int) -> np.ndarray | None:
    """The (H, W, 3) uint8 picture that an event puts on a display; None where it changes nothing.

    A partial picture is as faint as it is unsure; what was not understood is a question mark, for who cannot read.
    size: of the question mark, in pixels.
    """
    if isinstance(event, PartialPicture):
        return faded(event.drawing.arrays[0], event.strength)
    if isinstance(event, FinalPicture):
        return event.drawing.arrays[0] if len(event.drawing.arrays) else question_mark(size)
    return None


def faded(picture: np.ndarray, strength: float) -> np.ndarray:
    """`picture` as if painted thinly on white paper; strength in [0, 1]."""
    return np.rint(_PAPER + (picture.astype(np.float32) - _PAPER) * strength).astype(np.uint8)


def question_mark(size: int) -> np.ndarray:
    """A grey question mark on white, drawn of lines so that no font is needed; (size, size, 3) uint8."""
    large = Image.new("RGB", (4 * size, 4 * size), "white")
    pen = ImageDraw.Draw(large)
    unit = 4 * size / 100
    width, grey = round(9 * unit), (150, 154, 162)
    pen.arc([30 * unit, 18 * unit, 70 * unit, 58 * unit], 180, 70, grey, width)
    pen.line([56 * unit, 53 * unit, 50 * unit, 60 * unit, 50 * unit, 68 * unit], grey, width, joint="curve")
    pen.ellipse([44 * unit, 76 * unit, 56 * unit, 88 * unit], grey)
    return np.asarray(large.resize((size, size), Image.Resampling.LANCZOS))


def fitted(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """`picture` as large as fits in the middle of (height, width, 3) black."""
    side = min(width / picture.shape[1], height / picture.shape[0])
    size = max(1, round(picture.shape[1] * side)), max(1, round(picture.shape[0] * side))
    scaled = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = np.asarray(scaled)
    return canvas
