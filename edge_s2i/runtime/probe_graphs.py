"""The smallest graph that an engine can run, y = x + x on two floats, to find out whether it works here."""

from __future__ import annotations

import base64

import numpy as np

from edge_s2i.errors import BackendError
from edge_s2i.runtime.backends import LiteRtBackend, OnnxBackend

# ONNX IR 8, opset 17; tests/test_backends.py builds the same bytes.
DOUBLE_ONNX = base64.b64decode(
    "CAg6OgoOCgF4CgF4EgF5IgNBZGQSBmRvdWJsZVoPCgF4EgoKCAgBEgQKAggCYg8KAXkSCgoICAESBAoCCAJCBAoAEBE="
)
# TFLite schema 3 with one signature; tests/tiny_tflite.py builds the same bytes.
DOUBLE_TFLITE = base64.b64decode(
    "HAAAAFRGTDMUABwAGAAUABAADAAIAAAAAAAEABQAAAAYAAAAkAAAAJgAAACgAAAAfAEAAAMAAAABAAAAEAAAAAAACgAQAAwACAAE"
    "AAoAAAAMAAAAHAAAADwAAAAPAAAAc2VydmluZ19kZWZhdWx0AAEAAAAMAAAACAAMAAgABAAIAAAAAQAAAAQAAAABAAAAeQAAAAEA"
    "AAAMAAAAAAAGAAgABAAGAAAABAAAAAEAAAB4AAAAAQAAAAQAAAAI////BgAAAGRvdWJsZQAAAQAAABQAAAAAAA4AGAAUABAADAAI"
    "AAQADgAAABQAAAAcAAAAXAAAAGAAAABkAAAABAAAAG1haW4AAAAAAQAAABQAAAAAAA4AFAAAABAADAALAAQADgAAABAAAAAAAAAL"
    "DAAAABAAAACA////AQAAAAEAAAACAAAAAAAAAAAAAAABAAAAAQAAAAEAAAAAAAAAAgAAADAAAAAEAAAA5P///wgAAAAMAAAAAQAA"
    "AHkAAAABAAAAAgAAAAwADAAIAAAAAAAEAAwAAAAIAAAADAAAAAEAAAB4AAAAAQAAAAIAAAABAAAACAAAAAQABAAEAAAA"
)


def probe(backend: str) -> None:
    """Runs the probe graph on "onnx" or "litert"; BackendError says why that engine does not work."""
    engine = OnnxBackend(DOUBLE_ONNX, 1) if backend == "onnx" else LiteRtBackend(DOUBLE_TFLITE, ("x",), 1)
    result = engine.run({"x": np.array([1.5, -2.0], np.float32)})
    if not np.array_equal(result, [3.0, -4.0]):
        raise BackendError(f"{backend} computed {result} where [3, -4] is right; install another version of it")
