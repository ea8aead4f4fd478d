"""Speech to picture on the device: NumPy, an inference engine and nothing of training.

A recording: `SpeechToPicture`, called on a path, bytes or samples. A stream: `SpeechSession`, fed with samples and
answering with events.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_s2i.runtime.backends import Backend, LiteRtBackend, OnnxBackend
    from edge_s2i.runtime.drawing import Drawing, Neighbour
    from edge_s2i.runtime.events import Dropped, FinalPicture, PartialPicture, SpeechEvent, SpeechStarted
    from edge_s2i.runtime.listen_settings import ListenSettings
    from edge_s2i.runtime.listening import Counters, Listener
    from edge_s2i.runtime.speech_session import SpeechSession
    from edge_s2i.runtime.speech_to_picture import Hearing, SpeechToPicture, load_speech_to_picture

__all__ = [
    "Backend",
    "Counters",
    "Drawing",
    "Dropped",
    "FinalPicture",
    "Hearing",
    "ListenSettings",
    "Listener",
    "LiteRtBackend",
    "Neighbour",
    "OnnxBackend",
    "PartialPicture",
    "SpeechEvent",
    "SpeechSession",
    "SpeechStarted",
    "SpeechToPicture",
    "load_speech_to_picture",
]

# Loaded when first asked for: who draws a recording needs nothing of what listens to a stream.
_PLACES = {
    "Backend": "backends",
    "Counters": "listening",
    "Drawing": "drawing",
    "Dropped": "events",
    "FinalPicture": "events",
    "Hearing": "speech_to_picture",
    "ListenSettings": "listen_settings",
    "Listener": "listening",
    "LiteRtBackend": "backends",
    "Neighbour": "drawing",
    "OnnxBackend": "backends",
    "PartialPicture": "events",
    "SpeechEvent": "events",
    "SpeechSession": "speech_session",
    "SpeechStarted": "events",
    "SpeechToPicture": "speech_to_picture",
    "load_speech_to_picture": "speech_to_picture",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"edge_s2i.runtime.{_PLACES[name]}"), name)
