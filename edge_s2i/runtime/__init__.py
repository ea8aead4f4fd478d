"""Speech to picture on the device: NumPy, an inference engine and nothing of training."""

from edge_s2i.runtime.backends import Backend, LiteRtBackend, OnnxBackend
from edge_s2i.runtime.drawing import Drawing, Neighbour
from edge_s2i.runtime.speech_to_picture import Hearing, SpeechToPicture, load_speech_to_picture

__all__ = [
    "Backend",
    "Drawing",
    "Hearing",
    "LiteRtBackend",
    "Neighbour",
    "OnnxBackend",
    "SpeechToPicture",
    "load_speech_to_picture",
]
