"""The recordings that ship: all there, all usable, all with their source."""

from pathlib import Path

import pytest

import edge_s2i
from edge_s2i.audio import check_utterance, read_audio
from edge_s2i.bundle import read_bundle
from edge_s2i.cli.demo import read_recordings

PACKAGE = Path(edge_s2i.__file__).parent
EXAMPLES = PACKAGE / "examples"


def test_every_file_is_listed_once():
    listed = [item.file for item in read_recordings(EXAMPLES)]
    assert sorted(listed) == sorted(path.name for path in EXAMPLES.iterdir() if path.suffix != ".jsonl")


@pytest.mark.parametrize("item", read_recordings(EXAMPLES), ids=lambda item: item.file)
def test_recording_is_an_utterance_with_a_source(item):
    assert 3_200 <= len(check_utterance(read_audio(EXAMPLES / item.file))) <= 64_000
    assert item.licence
    assert item.attribution
    assert item.split.startswith(("human-", "test-"))
    assert item.caption


def test_shipped_bundle_knows_what_the_recordings_say():
    shipped = PACKAGE / "weights" / "default"
    if not shipped.exists():
        pytest.skip("this source tree carries no default bundle")
    concepts = set(read_bundle(shipped).manifest.concepts)
    unknown = [item.concept for item in read_recordings(EXAMPLES) if item.concept not in concepts]
    assert not unknown
