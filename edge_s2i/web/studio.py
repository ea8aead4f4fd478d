"""The model that all visitors share, and who is here."""

from __future__ import annotations

import os
import threading

import numpy as np

from edge_s2i.bundle import Bundle, read_bundle
from edge_s2i.runtime import SpeechToPicture, load_speech_to_picture

_EXAMPLES = (
    "butterfly",
    "dog",
    "apple",
)  # drawn in every style before anything was said, the first that a bundle knows


class Studio:
    """One loaded bundle behind a lock: one drawing at a time, so that several visitors cannot ask for more threads."""

    def __init__(self, draw: SpeechToPicture, bundle: Bundle) -> None:
        """draw: loaded from `bundle`, whose files the page is given to compute with by itself."""
        self.draw = draw
        self.bundle = bundle
        self.lock = threading.Lock()

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that can be asked for."""
        return self.draw.manifest.styles

    def example(self) -> np.ndarray | None:
        """The embedding of a concept that shows what a style looks like; None for a bundle without concepts."""
        names = self.draw.manifest.concepts
        if not names:
            return None
        name = next((name for name in _EXAMPLES if name in names), names[0])
        prototype = self.bundle.prototypes()[names.index(name)]
        return (prototype / max(float(np.linalg.norm(prototype)), 1e-12)).astype(np.float32)


def open_studio(
    path: str | os.PathLike | None = None, *, backend: str | None = None, threads: int | None = None
) -> Studio:
    """Loads a bundle for drawing here and for giving to browsers; see `edge_s2i.load`."""
    bundle = read_bundle(path)
    draw = load_speech_to_picture(path, backend=backend, threads=threads)
    draw.warm_up()  # or the first visitor would wait for it
    return Studio(draw, bundle)
