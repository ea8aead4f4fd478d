"""Speech to picture on the device: NumPy, an inference engine and nothing of training.

A recording: `SpeechToPicture`, called on a path, bytes or samples. A stream: `SpeechSession`, fed with samples and
answering with events.
"""

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
