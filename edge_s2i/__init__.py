"""Speech becomes a picture on the device that heard it: no transcription, no network, no torch.

import edge_s2i

draw = edge_s2i.load()
drawing = draw("dog.wav", seed=7)
if drawing.understood:
    drawing.pictures[0].save("dog.png")
"""

from __future__ import annotations

import os
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_s2i.runtime.speech_to_picture import SpeechToPicture

try:
    __version__ = metadata.version("edge-s2i")
except metadata.PackageNotFoundError:  # run from a source folder that was never installed
    __version__ = "0+source"

__all__ = ["__version__", "load"]


def load(
    path: str | os.PathLike | None = None,
    *,
    backend: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
) -> SpeechToPicture:
    """Loads a bundle and returns a callable that draws what it hears.

    path: a bundle folder or zip; None takes the one that EDGE_S2I_BUNDLE names, else the one in the package.
    backend: "onnx", "litert", or None for the first that can run this bundle.
    threads: how many CPU threads one graph may use; None leaves it to the engine.
    precision: "fp32", "fp16", "int8" or "int8-weights" of a bundle that holds several; None for what export chose.
    Raises BundleError for a missing or damaged bundle and BackendError where no engine can run it.
    """
    from edge_s2i.runtime.speech_to_picture import load_speech_to_picture

    return load_speech_to_picture(path, backend=backend, threads=threads, precision=precision)
