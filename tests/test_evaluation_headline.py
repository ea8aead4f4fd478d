"""The figures that a bundle carries of its own evaluation."""

from pathlib import Path

from edge_s2i.bundle import read_bundle
from edge_s2i.evaluation.headline import headline, record


def report() -> dict:
    retrieval = {f"R@{k}": {"value": k / 20, "chance": k / 1000} for k in (1, 5, 10)}
    accuracy = {"top1": {"value": 0.25}, "top5": {"value": 0.5}}
    return {
        "date": "2026-01-01",
        "machine": {"cpu": "a processor"},
        "pack": {"sha256": "abc"},
        "limit": None,
        "splits": {"human-en": {"clips": 3, "speech_to_concept": retrieval, "concept_accuracy": accuracy}},
        "pictures": {
            "classifier": {"ceiling": {"held_out_pictures": {"top1": {"value": 0.75}, "top5": {"value": 1.0}}}}
        },
    }


def test_headline_holds_figures_chance_and_ceiling() -> None:
    scores = headline(report())
    assert scores["human-en"] == {
        "clips": 3,
        "R@1": 0.05,
        "R@5": 0.25,
        "R@10": 0.5,
        "pictures top1": 0.25,
        "pictures top5": 0.5,
    }
    assert scores["chance R@1"] == 0.001
    assert scores["classifier on real pictures"] == {"top1": 0.75, "top5": 1.0}


def test_validation_is_no_score() -> None:
    measured = report()
    measured["splits"]["val"] = measured["splits"]["human-en"] | {"clips": 7}
    assert headline(measured) == headline(report())
    assert headline(measured | {"limit": 10})["limit"] == 10  # figures of fewer clips say so


def test_recording_changes_the_scores_and_nothing_else(own_bundle: Path) -> None:
    before = read_bundle(own_bundle)
    record(report(), own_bundle)
    after = read_bundle(own_bundle)
    assert after.manifest.scores == headline(report())
    assert dict(after.files) == dict(before.files)
    assert after.manifest.confidence == before.manifest.confidence


def test_what_was_not_measured_is_left_out() -> None:
    empty = report()
    empty["splits"]["human-en"] = {"clips": 3, "speech_to_concept": dict.fromkeys(("R@1", "R@5", "R@10"))}
    empty["pictures"]["classifier"]["ceiling"]["held_out_pictures"] = None
    scores = headline(empty)
    assert scores["human-en"] == {"clips": 3}
    assert "classifier on real pictures" not in scores
