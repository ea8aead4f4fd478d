"""Pictures as files: every final picture under its number, and what is shown now as latest.png."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from edge_s2i.errors import OutputError
from edge_s2i.runtime.events import FinalPicture, SpeechEvent
from edge_s2i.runtime.picture_file import save_picture

LATEST = "latest.png"


class PictureFolder:
    """A folder of PNG files; each appears whole or not at all, so that another program can watch it."""

    def __init__(self, path: Path) -> None:
        """OutputError where the folder cannot be made. Numbers go on after those that are there."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"the folder {path} cannot be made: {error.strerror or error}") from error
        self._path = path
        numbers = [int(item.stem.partition("-")[0]) for item in path.glob("[0-9]*.png") if _is_ours(item)]
        self._number = max(numbers, default=0)

    def show(self, picture: np.ndarray, event: SpeechEvent) -> None:
        """Writes latest.png, and every picture of an utterance that was drawn at its end."""
        save_picture(Image.fromarray(picture), self._path / LATEST, durable=False)
        if isinstance(event, FinalPicture) and len(event.drawing.arrays):
            self._number += 1
            for index, reading in enumerate(event.drawing.pictures):
                name = f"{self._number:05d}.png" if index == 0 else f"{self._number:05d}-{index + 1}.png"
                save_picture(reading, self._path / name)

    def poll(self) -> list[str]:
        """A folder has no buttons."""
        return []

    def close(self) -> None:
        """The files stay."""


def _is_ours(path: Path) -> bool:
    return path.stem.partition("-")[0].isdigit()
