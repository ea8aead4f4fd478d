"""The recordings that ship: all there, all usable, all with their source."""

import re
from pathlib import Path

import pytest

import edge_s2i
from edge_s2i.audio import check_utterance, read_audio
from edge_s2i.bundle import read_bundle
from edge_s2i.cli.demo import read_recordings
from edge_s2i.data import splits, stamps
from edge_s2i.data.building import BuildOptions

PACKAGE = Path(edge_s2i.__file__).parent
EXAMPLES = PACKAGE / "examples"


def test_every_file_is_listed_once():
    listed = [item.file for item in read_recordings(EXAMPLES)]
    assert sorted(listed) == sorted(path.name for path in EXAMPLES.glob("*.ogg"))
    beside = {path.name for path in EXAMPLES.iterdir()} - set(listed)
    assert beside == {"recordings.jsonl", "LICENSE.GPL-2", "COPYRIGHT.tuxpaint-stamps"}


@pytest.mark.parametrize("item", read_recordings(EXAMPLES), ids=lambda item: item.file)
def test_recording_is_an_utterance_with_a_source(item):
    assert 3_200 <= len(check_utterance(read_audio(EXAMPLES / item.file))) <= 64_000
    assert item.licence
    assert item.attribution
    assert item.caption


@pytest.mark.parametrize("item", read_recordings(EXAMPLES), ids=lambda item: item.file)
def test_recording_was_held_out_of_training(item):
    """By the builder's own rule, from the stamp that the attribution names."""
    stamp = re.search(rf"\({stamps.STAMPS_FOLDER.as_posix()}/([^)]+)\)", item.attribution)
    assert stamp is not None, item.attribution
    split = splits.human_split(item.language, stamp[1], BuildOptions.held_out_language)
    assert item.split == split
    assert split not in (splits.TRAIN, splits.VAL)


def test_shipped_bundle_knows_what_the_recordings_say():
    shipped = PACKAGE / "weights" / "default"
    if not shipped.exists():
        pytest.skip("this source tree carries no default bundle")
    concepts = set(read_bundle(shipped).manifest.concepts)
    unknown = [item.concept for item in read_recordings(EXAMPLES) if item.concept not in concepts]
    assert not unknown
