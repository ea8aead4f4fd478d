"""The bundle that is measured: the default one, or in a tree without weights the tests' tiny one."""

from pathlib import Path

import numpy as np
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.bundle import default_bundle_path, write_bundle
from edge_s2i.runtime import SpeechToPicture

SECONDS = 3.0  # the utterance length that encoder costs are quoted for


@pytest.fixture(scope="session")
def measured_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the bundle under measurement."""
    path = default_bundle_path()
    if not path.exists():
        path = tmp_path_factory.mktemp("bundle") / "tiny"
        write_bundle(path, tiny.manifest(), tiny.files())
    return path


@pytest.fixture(scope="session")
def speech_to_picture(measured_bundle: Path) -> SpeechToPicture:
    """The bundle on one thread: the figure that compares between machines."""
    return edge_s2i.load(measured_bundle, threads=1)


@pytest.fixture(scope="session")
def utterance() -> np.ndarray:
    """Three seconds of voiced sound at 16 kHz, (48000,) float32."""
    return tiny.word(0, seconds=SECONDS)
