"""Speech becomes a picture on the device that heard it: no transcription, no network, no torch.

import edge_s2i

draw = edge_s2i.load()
drawing = draw("dog.wav", seed=7)
if drawing.understood:
    drawing.pictures[0].save("dog.png")

for event in edge_s2i.listen():  # the microphone
    print(event)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_s2i.runtime.listen_settings import ListenSettings
    from edge_s2i.runtime.listening import Listener
    from edge_s2i.runtime.sources.source import Source
    from edge_s2i.runtime.speech_to_picture import SpeechToPicture

    __version__: str

__all__ = ["__version__", "listen", "load"]


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: reading a package's metadata loads sixty modules."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import metadata

    try:
        return metadata.version("edge-s2i")
    except metadata.PackageNotFoundError:  # run from a source folder that was never installed
        return "0+source"


def load(
    path: str | os.PathLike | None = None,
    *,
    backend: str | None = None,
    threads: int | None = None,
    tune: bool = False,
    precision: str | None = None,
) -> SpeechToPicture:
    """Loads a bundle and returns a callable that draws what it hears.

    path: a bundle folder or zip; None takes the one that EDGE_S2I_BUNDLE names, else the one in the package.
    backend: "onnx", "litert", or None for the first that can run this bundle.
    threads: how many CPU threads one graph may use; None for what was once measured here, or leaves it to the engine.
    tune: where engine and threads are left open and nothing was measured yet, measures for about a second which are
    fastest, and keeps that for the next time (in EDGE_S2I_CACHE, else the user's cache folder).
    precision: "fp32", "fp16", "int8" or "int8-weights" of a bundle that holds several; None for what export chose.
    Raises BundleError for a missing or damaged bundle and BackendError where no engine can run it.
    """
    from edge_s2i.runtime.speech_to_picture import load_speech_to_picture

    return load_speech_to_picture(path, backend=backend, threads=threads, tune=tune, precision=precision)


def listen(
    source: str | os.PathLike | Source | None = None,
    *,
    settings: ListenSettings | None = None,
    device: int | str | None = None,
    draw: SpeechToPicture | None = None,
    bundle: str | os.PathLike | None = None,
    backend: str | None = None,
    threads: int | None = None,
    rate: int = 16_000,
    channels: int = 1,
    sample_format: str = "s16le",
    pace: bool = False,
) -> Listener:
    """Listens to a stream of speech; iterate over what comes back for its events.

        for event in edge_s2i.listen(settings=ListenSettings(seed=7)):
            if isinstance(event, FinalPicture) and event.understood:
                event.drawing.pictures[0].show()

    Events are those of `edge_s2i.runtime.events`: SpeechStarted, PartialPicture, FinalPicture, Dropped. The iterating
    thread draws, another one captures; memory does not grow and capture never waits. Listening goes on until the source
    ends or `close` is called: use `with edge_s2i.listen() as events` where the loop may be left early.

    source: a recording of any length; a FIFO or .raw file of raw samples; "-" for raw samples from standard input; a
    Source; None for the microphone.
    settings: when utterances start and end and how often they are drawn; None for the defaults.
    device: the microphone's number or a part of its name; None for the default one.
    draw: what `load` gave; else `bundle`, `backend` and `threads` are loaded.
    rate, channels, sample_format: of raw samples; "s16le", "s32le" or "f32le".
    pace: a recording is played at the speed of speech, losing what is not taken in time, as a microphone does.
    Raises AudioError, BundleError, BackendError or RequestError for what cannot be used.
    """
    from edge_s2i.runtime.listening import start_listening

    return start_listening(
        draw or load(bundle, backend=backend, threads=threads),
        source,
        settings=settings,
        device=device,
        rate=rate,
        channels=channels,
        sample_format=sample_format,
        pace=pace,
    )
