"""The tiny bundle's model, made as slow as a test wants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import sleep

import numpy as np

from edge_s2i.bundle import read_bundle
from edge_s2i.runtime import SpeechToPicture
from edge_s2i.runtime.backends import OnnxBackend, Shape


class SlowBackend:
    """Another backend, after a pause."""

    def __init__(self, backend: OnnxBackend) -> None:
        self._backend = backend
        self.seconds = 0.0  # that every run takes longer
        self.runs = 0

    def inputs(self) -> dict[str, Shape]:
        return self._backend.inputs()

    def run(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        self.runs += 1
        if self.seconds:
            sleep(self.seconds)
        return self._backend.run(inputs)


def load_slow(bundle_path: Path) -> tuple[SpeechToPicture, SlowBackend]:
    """The bundle's callable and its generator, whose slowness can be set while it runs."""
    bundle = read_bundle(bundle_path)
    generator = SlowBackend(OnnxBackend(bundle.files["generator.onnx"], 1))
    return SpeechToPicture(bundle, OnnxBackend(bundle.files["encoder.onnx"], 1), generator), generator
