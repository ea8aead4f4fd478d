"""Groups of a split score as their clips alone would; accents are what speakers' names say."""

import numpy as np
import pytest
from tiny_pack import write_tiny_pack

from edge_s2i.evaluation.bundle_under_test import BundleUnderTest, Heard
from edge_s2i.evaluation.held_out_pack import Clip, HeldOutPack
from edge_s2i.evaluation.speech_groups import GROUPS, SMALLEST_GALLERY, accent_of, score_each, score_part
from edge_s2i.evaluation.speech_scores import HeardSplit, score_reliability


def clip(speaker, language="en", engine="espeak-ng", human=False) -> Clip:
    return Clip("key", "dog", language, speaker, engine, human, 1.0, "test-synthetic", None, None)


@pytest.mark.parametrize(
    ("one", "accent"),
    [
        (clip("espeak-en-gb-scotland-m3"), "en-gb-scotland"),
        (clip("espeak-en-gb-x-rp-Andy"), "en-gb-x-rp"),
        (clip("espeak-es-419-f3", "es"), "es-419"),
        (clip("espeak-bg-Lee", "bg"), "bg"),
        (clip("festival-ked", engine="festival"), "en (festival)"),
        (clip("kokoro-1a2b", "fr", "kokoro"), "fr (kokoro)"),
        (clip("human-es", "es", "human", True), "es (people)"),
    ],
    ids=lambda one: one.speaker if isinstance(one, Clip) else "",
)
def test_accent_is_between_engine_and_timbre(one, accent):
    assert accent_of(one) == accent


@pytest.fixture(scope="module")
def bundle(tiny_bundle):
    return BundleUnderTest(tiny_bundle, threads=1)


@pytest.fixture(scope="module")
def split(tmp_path_factory, bundle):
    """All held-out clips as one split: those of human-es turned away from their concepts, the rest spot on."""
    pack = HeldOutPack(write_tiny_pack(tmp_path_factory.mktemp("data") / "pack", clips_of_each=2))
    clips = list(pack.clips)
    names = list(bundle.manifest.concepts)
    embeddings = np.stack([bundle.prototypes[names.index(one.concept)] for one in clips])
    spanish = np.array([one.language == "es" for one in clips])
    embeddings[spanish] *= -1.0
    heard = Heard(embeddings, np.where(spanish, 0.6, 0.9), np.ones(len(clips), bool), {"silence": 1})
    return HeardSplit.of("all", clips, heard, bundle)


def test_groups_are_scored_apart_and_the_largest_comes_first(split, bundle):
    languages = score_each(split, GROUPS["by_language"], bundle, None)
    assert {name: found["clips"] for name, found in languages.items()} == {"en": 30, "es": 10}
    assert next(iter(languages)) == "en"
    assert languages["en"]["speech_to_concept"]["R@1"]["value"] == 1.0
    assert languages["es"]["speech_to_concept"]["R@1"]["value"] == 0.0
    assert languages["en"]["wrong_and_understood"]["value"] == 0.0
    assert languages["es"]["wrong_and_understood"]["value"] == 1.0
    assert languages["es"]["understood_when_right"] is None
    assert languages["en"]["expected_calibration_error"] == pytest.approx(0.1)
    assert languages["es"]["expected_calibration_error"] == pytest.approx(0.6)
    speakers = score_each(split, GROUPS["by_speaker"], bundle, None)
    assert {name: found["clips"] for name, found in speakers.items()} == {"ann": 10, "kim": 10, "robin": 10, "luz": 10}


def test_speech_is_searched_for_only_in_a_gallery_worth_it(split, bundle):
    languages = score_each(split, GROUPS["by_language"], bundle, None)
    assert languages["en"]["concept_to_speech"]["gallery"] == 30 >= SMALLEST_GALLERY
    assert languages["en"]["concept_to_speech"]["R@1"]["value"] == 1.0
    assert "concept_to_speech" not in languages["es"]


def test_a_part_is_scored_as_its_clips_alone_would_be(split, bundle):
    generator = np.random.default_rng(0)
    chosen = generator.random(len(split.clips)) < 0.5
    part = split.part(chosen)
    kept = np.flatnonzero(chosen)
    heard = Heard(split.heard.embeddings[kept], split.heard.confidence[kept], split.heard.understood[kept], {})
    alone = HeardSplit.of("all", [split.clips[index] for index in kept], heard, bundle)
    assert score_part(part, bundle, None) == score_part(alone, bundle, None)
    assert np.array_equal(part.concept_ranks, alone.concept_ranks)


def test_reliability_points_have_intervals_and_hold_every_clip(split):
    points = score_reliability(split)
    assert [(point["low"], point["count"], point["accuracy"]["value"]) for point in points] == [
        (0.6, 10, 0.0),
        (0.9, 30, 1.0),
    ]
    assert points[0]["accuracy"]["low"] == 0.0 < points[0]["accuracy"]["high"] < 1.0
    assert sum(point["accuracy"]["n"] for point in points) == len(split.clips)
