"""What a bundle does with input that means nothing to it, on confidences made by hand and on the tiny bundle."""

import numpy as np
import pytest
import tiny_bundle as tiny
from tiny_pack import write_tiny_pack

from edge_s2i.bundle import ConfidenceSettings, write_bundle
from edge_s2i.data.synthesis.espeak import Espeak
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest, Heard
from edge_s2i.evaluation.choosing import choose_clips
from edge_s2i.evaluation.held_out_pack import HeldOutPack
from edge_s2i.evaluation.open_set import (
    ON_VAL,
    SHIPPED,
    OpenSet,
    UnknownInput,
    accepted,
    hear_unknown,
    operating_points,
    score_open_set,
)
from edge_s2i.evaluation.retrieval import Retrieval
from edge_s2i.evaluation.speech_scores import HeardSplit
from edge_s2i.evaluation.unknown_words import OTHER, UNKNOWN, UnknownWords


class NoEngine(Espeak):
    """espeak-ng where it is not installed."""

    def version(self):
        return None


def heard(confidence, embedded=True) -> Heard:
    confidence = np.asarray(confidence, float)
    embeddings = np.full((len(confidence), 3), 1.0 if embedded else 0.0, np.float32)
    return Heard(embeddings, confidence, confidence >= 0.5, {})


def split_of(clips, confidence, right) -> HeardSplit:
    ranks = np.where(right, 1, 7)
    count = len(confidence)
    retrieval = Retrieval(np.arange(count), ranks, 1.0 / ranks, np.ones(count, int), 10)
    return HeardSplit("hand-made", clips[:count], heard(confidence), retrieval, ranks)


def unknown_of(confidence, labels=None, languages=None) -> UnknownInput:
    count = len(confidence)
    return UnknownInput(
        heard(confidence),
        np.array(labels or [f"tone {i}" for i in range(count)]),
        np.array(languages or [""] * count),
        np.array(["dog"] * count),
    )


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    pack = HeldOutPack(write_tiny_pack(tmp_path_factory.mktemp("data") / "pack", clips_of_each=5))
    return [clip for some in choose_clips(pack, (), None, 0).values() for clip in some]


def test_threshold_on_val_lets_95_percent_of_rightly_heard_clips_through(clips):
    confidence = np.arange(1, 101) / 100
    val = split_of(clips, confidence, np.ones(100, bool))
    points = operating_points(0.5, val)
    assert points[SHIPPED] == 0.5
    assert points[ON_VAL] == pytest.approx(0.06)  # 95 of 100 are at 0.06 or above
    assert (confidence >= points[ON_VAL]).mean() == 0.95


def test_clips_heard_wrongly_do_not_move_the_threshold(clips):
    confidence = np.concatenate([np.full(80, 0.001), np.linspace(0.6, 0.9, 20)])
    val = split_of(clips, confidence, confidence > 0.5)
    assert operating_points(0.5, val)[ON_VAL] >= 0.6


def test_no_val_or_nothing_right_gives_no_threshold_and_no_figures(clips):
    nothing_right = split_of(clips, np.full(10, 0.9), np.zeros(10, bool))
    assert operating_points(0.5, None)[ON_VAL] is None
    points = operating_points(0.5, nothing_right)
    assert points[ON_VAL] is None
    report = score_open_set(OpenSet({"tones": unknown_of([0.9])}), [nothing_right], points)
    assert report["kinds"]["tones"]["false_understood"][ON_VAL] is None
    assert report["splits"]["hand-made"]["true_accept"] == {SHIPPED: None, ON_VAL: None}
    assert report["splits"]["hand-made"]["at_own_95"]["all"] is None


def test_false_understood_by_kind_and_pool_at_both_thresholds(clips):
    known = split_of(clips, np.linspace(0.4, 1.0, 20), np.ones(20, bool))
    unknown = OpenSet(
        {
            "tones": unknown_of([0.1, 0.1, 0.1, 0.3]),
            OTHER: unknown_of([0.2, 0.45, 0.6, 0.9], ["a", "b", "c", "c"], ["en", "en", "fr", "fr"]),
        }
    )
    report = score_open_set(unknown, [known], {SHIPPED: 0.5, ON_VAL: 0.25})
    shares = {kind: found["false_understood"] for kind, found in report["kinds"].items()}
    assert shares["tones"][SHIPPED]["value"] == 0.0
    assert shares["tones"][ON_VAL]["value"] == 0.25
    assert shares[OTHER][SHIPPED]["value"] == 0.5
    assert shares[OTHER][ON_VAL]["value"] == 0.75
    assert shares[OTHER][SHIPPED]["low"] < 0.5 < shares[OTHER][SHIPPED]["high"]
    assert report["pooled"]["all"]["false_understood"][SHIPPED]["value"] == 0.25
    assert report["pooled"]["voices"]["sounds"] == 4
    assert report["pooled"]["noise and music"]["false_understood"][ON_VAL]["value"] == 0.25
    by_language = report["kinds"][OTHER]["by_language"]
    assert {name: found[SHIPPED]["value"] for name, found in by_language.items()} == {"en": 0.0, "fr": 1.0}
    assert [one["confidence"] for one in report["kinds"][OTHER]["most_confident"]] == [0.9, 0.6]
    own = report["splits"]["hand-made"]["at_own_95"]
    assert 0.4 < own["threshold"] < 0.5  # one of twenty may fall below
    assert own["all"]["value"] == 0.375
    assert report["splits"]["hand-made"]["auroc"]["tones"] == 1.0


def test_what_was_refused_before_the_encoder_is_never_accepted():
    assert accepted(heard([0.9, 0.1]), 0.5).tolist() == [1.0, 0.0]
    assert accepted(heard([0.9, 0.1], embedded=False), 0.0).tolist() == [0.0, 0.0]


def test_a_bundle_that_knows_nothing_accepts_nothing(tmp_path, clips):
    sure = ConfidenceSettings(temperature=0.05, threshold=0.01, min_level_db=-60.0)
    changes = {"concepts": (), "captions": {}, "confidence": sure}
    empty = tiny.files() | {"concepts.npy": _no_prototypes()}
    write_bundle(tmp_path / "empty", tiny.manifest(**changes), empty)
    bundle = BundleUnderTest(tmp_path / "empty", threads=1)
    words = UnknownWords.beside([], ["en"], NoEngine())
    unknown = hear_unknown(bundle, clips, words, 3, 0, lambda items, *_: items)
    report = score_open_set(unknown, [], {SHIPPED: 0.01, ON_VAL: None})
    assert report["kinds"]["melodies"]["sounds"] == 3
    assert report["pooled"]["all"]["false_understood"][SHIPPED]["value"] == 0.0


def test_a_bundle_that_takes_everything_is_found_out(tmp_path, clips):
    eager = ConfidenceSettings(temperature=0.05, threshold=0.0, min_level_db=-60.0)
    write_bundle(tmp_path / "eager", tiny.manifest(confidence=eager), tiny.files())
    bundle = BundleUnderTest(tmp_path / "eager", threads=1)
    unknown = hear_unknown(bundle, clips, UnknownWords.beside([], ["en"], NoEngine()), 4, 0, lambda items, *_: items)
    report = score_open_set(unknown, [], {SHIPPED: 0.0, ON_VAL: None})
    for kind in ("melodies", "reversed speech", "shuffled speech"):
        assert report["kinds"][kind]["false_understood"][SHIPPED]["value"] == 1.0, kind
        assert {one["taken_for"] for one in report["kinds"][kind]["most_confident"]} <= set(tiny.CONCEPTS)
    assert report["kinds"]["silence"]["false_understood"][SHIPPED]["value"] == 0.0


def test_without_a_voice_the_report_says_so_in_one_line(tiny_bundle, clips):
    bundle = BundleUnderTest(tiny_bundle, threads=1)
    unknown = hear_unknown(bundle, clips, UnknownWords.beside([], ["en"], NoEngine()), 1, 0, lambda items, *_: items)
    assert OTHER not in unknown.kinds
    assert UNKNOWN not in unknown.kinds
    (note,) = unknown.notes
    assert "espeak-ng is not installed" in note
    assert "\n" not in note


def _no_prototypes() -> bytes:
    import io

    buffer = io.BytesIO()
    np.save(buffer, np.zeros((0, tiny.EMBEDDING), np.float16))
    return buffer.getvalue()
