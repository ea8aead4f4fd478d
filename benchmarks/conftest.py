"""Fixtures of `make bench`, and what its JSON says beside the times: the machine, and what was absent and why."""

from pathlib import Path
from typing import Any

import pytest

import edge_s2i
from benchmarks.machine import describe

ABSENT = pytest.StashKey[dict[str, str]]()
SOME_RECORDING = "en-dog.ogg"


def pytest_configure(config: pytest.Config) -> None:
    """An empty list of what is absent."""
    config.stash[ABSENT] = {}


@pytest.fixture
def absent(request: pytest.FixtureRequest) -> dict[str, str]:
    """Case name to the reason why it is absent; goes into the JSON."""
    return request.config.stash[ABSENT]


@pytest.fixture(scope="session")
def recording() -> str:
    """Path of a bundled recording."""
    return str(Path(edge_s2i.__file__).parent / "examples" / SOME_RECORDING)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, benchmarks: Any, output_json: dict[str, Any]) -> None:
    """Adds what a figure is worth nothing without."""
    output_json["edge_s2i_machine"] = describe().to_json()
    output_json["edge_s2i_absent"] = config.stash[ABSENT]
