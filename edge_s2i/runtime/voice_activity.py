"""Voice activity: is somebody speaking in these 32 ms? Silero's network, or energy above a noise floor."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edge_s2i.errors import BackendError, BundleError
from edge_s2i.runtime.backends import import_onnxruntime

WINDOW = 512  # samples at 16 kHz: 32 ms, what Silero's network was made for
_CONTEXT = 64  # samples of the window before that Silero's network wants in front

MODEL_PATH = Path(__file__).parents[1] / "weights" / "voice_activity" / "silero_vad_16k.onnx"


class VoiceDetector(Protocol):
    """Hears a stream window by window."""

    name: str

    def probability(self, window: np.ndarray) -> float:
        """How likely there is a voice in the next (WINDOW,) float32 samples of the stream, in [0, 1]."""
        ...

    def reset(self) -> None:
        """Forgets the stream; call it where audio is missing."""
        ...


class SileroDetector:
    """Silero VAD 6 (MIT licence), 16 kHz, on ONNX Runtime: 0.1 ms a window on one desktop thread."""

    name = "silero"

    def __init__(self) -> None:
        """BackendError where ONNX Runtime is missing, BundleError where the network's file is."""
        self._session = _silero_session()
        self._input = np.zeros((1, _CONTEXT + WINDOW), np.float32)
        self._state = np.zeros((2, 1, 128), np.float32)

    def probability(self, window: np.ndarray) -> float:
        """How likely there is a voice in the next (WINDOW,) float32 samples of the stream, in [0, 1]."""
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = window
        output, self._state = self._session.run(None, {"input": self._input, "state": self._state})
        return float(output[0, 0])

    def reset(self) -> None:
        """Forgets the stream; call it where audio is missing."""
        self._input[:] = 0.0
        self._state = np.zeros((2, 1, 128), np.float32)


class EnergyDetector:
    """Level above a noise floor that follows the stream; needs no network, and takes any loud sound for a voice.

    The floor falls at once to a quieter window and rises by at most 3 dB a second, so that a fan switched on is
    noise after some seconds and a long word is still a voice at its end.
    """

    name = "energy"

    _ABOVE_DB = 12.0  # over the floor where the probability is a half
    _SLOPE_DB = 2.0  # over which it grows from 0.5 to 0.73
    _RISE_DB = 3.0 * WINDOW / 16_000  # a window
    _QUIETEST_DB = -70.0  # the floor's own floor: below it a microphone's own noise would be speech

    def __init__(self) -> None:
        self._floor: float | None = None

    def probability(self, window: np.ndarray) -> float:
        """How likely there is a voice in the next (WINDOW,) float32 samples of the stream, in [0, 1]."""
        level = 10.0 * math.log10(float(np.square(window, dtype=np.float64).mean()) + 1e-12)
        if self._floor is None:
            self._floor = min(level, -45.0)  # speech may be the first thing that is heard
        self._floor = max(self._QUIETEST_DB, min(level, self._floor + self._RISE_DB))
        odds = (level - self._floor - self._ABOVE_DB) / self._SLOPE_DB
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, odds))))

    def reset(self) -> None:
        """Forgets the stream; call it where audio is missing."""
        self._floor = None


def open_voice_detector(name: str) -> VoiceDetector:
    """The detector called "silero" or "energy", fresh; one stream each."""
    return SileroDetector() if name == "silero" else EnergyDetector()


@lru_cache(maxsize=1)
def _silero_session() -> Any:
    """The network, which keeps nothing of a stream and is shared by all of them."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.inter_op_num_threads = options.intra_op_num_threads = 1  # too small a graph to share out
    try:
        model = MODEL_PATH.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{MODEL_PATH} cannot be read ({error.strerror}); install edge-s2i again, or choose the energy detector"
        ) from error
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no base class
        raise BackendError(
            f"ONNX Runtime cannot load the voice detector {MODEL_PATH}; install edge-s2i again"
        ) from error
