"""From a microphone or file to the log-mel that the encoder hears. NumPy only; its torch twin is with the models."""

from edge_s2i.audio.log_mel import frame_count, log_mel, normalize_log_mel
from edge_s2i.audio.reading import check_utterance, read_audio, to_mono_16k
from edge_s2i.audio.trimming import trim_silence

__all__ = [
    "check_utterance",
    "frame_count",
    "log_mel",
    "normalize_log_mel",
    "read_audio",
    "to_mono_16k",
    "trim_silence",
]
