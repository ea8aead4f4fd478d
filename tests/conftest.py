"""Fixtures that several tests share."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_bundle as tiny

from edge_s2i.bundle import write_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle folder with random weights; read only, for tests that share it."""
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    write_bundle(path, tiny.manifest(), tiny.files())
    return path


@pytest.fixture
def own_bundle(tmp_path: Path) -> Path:
    """A bundle folder of a test's own, to damage."""
    path = tmp_path / "own-bundle"
    write_bundle(path, tiny.manifest(), tiny.files())
    return path


@pytest.fixture
def word_file(tmp_path: Path) -> Path:
    """A 16 kHz WAV file of a word that the tiny bundle knows (concept "dog")."""
    path = tmp_path / "dog.wav"
    soundfile.write(path, tiny.word(2), 16_000)
    return path


@pytest.fixture
def white_noise() -> np.ndarray:
    """Two seconds of noise at 16 kHz, (32000,) float32."""
    return (0.1 * np.random.default_rng(5).standard_normal(32_000)).astype(np.float32)


@pytest.fixture(scope="session")
def fixture_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the committed data pack; training keeps its caches beside it."""
    return Path(
        shutil.copytree(Path(__file__).parent / "fixtures" / "pack", tmp_path_factory.mktemp("fixture") / "pack")
    )
