"""The few figures of a report that a bundle carries with it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_s2i.bundle import default_bundle_path, read_bundle, write_bundle

_OF_PICTURES = "pictures "  # how the names of a split's figures begin that were measured of drawn pictures
_CLASSIFIER = "classifier on "  # how the classifier's ceilings begin, which bound those


def headline(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a bundle's manifest says of `report`: figures by split, the classifier's ceiling, chance, and on what.

    `val` is left out: it chose the weights and the confidence settings, so it is no test.
    """
    scores: dict[str, Any] = {
        "date": report["date"],
        "machine": report["machine"]["cpu"],
        "pack": report["pack"]["sha256"],
        "limit": report["limit"],
    }
    for name, split in report["splits"].items():
        if name == "val":
            continue
        retrieval = split["speech_to_concept"]
        figures = {key: retrieval[key]["value"] for key in ("R@1", "R@5", "R@10") if retrieval[key]}
        accuracy = split.get("concept_accuracy", {})
        figures |= {f"{_OF_PICTURES}{key}": accuracy[key]["value"] for key in ("top1", "top5") if accuracy.get(key)}
        scores[name] = {"clips": split["clips"], **figures}
        if retrieval["R@1"]:  # a split may hold no concept that the bundle knows
            scores["chance R@1"] = retrieval["R@1"]["chance"]
    ceilings = report.get("pictures", {}).get("classifier", {}).get("ceiling", {})
    # On pictures it was not trained on, and on unseen views of all: a generator that remembers its training pictures
    # is bounded by the latter. None of a pack that holds no pictures out.
    names = {
        "held_out_pictures": f"{_CLASSIFIER}real pictures",
        "unseen_views_of_all_pictures": f"{_CLASSIFIER}other views of pictures it learned",
    }
    for key, name in names.items():
        if ceiling := ceilings.get(key):
            scores[name] = {rank: ceiling[rank]["value"] for rank in ("top1", "top5")}
    return scores


def without_pictures(scores: Mapping[str, Any]) -> dict[str, Any]:
    """What still holds of a headline once the bundle draws with another generator: what was heard."""
    return {
        name: {key: value for key, value in figures.items() if not key.startswith(_OF_PICTURES)}
        if isinstance(figures, Mapping)
        else figures
        for name, figures in scores.items()
        if not name.startswith(_CLASSIFIER)
    }


def record(report: Mapping[str, Any], bundle: Path | None) -> None:
    """Writes the headline into the manifest of `bundle` (None: the default one); graphs stay as they are."""
    path = default_bundle_path() if bundle is None else bundle
    held = read_bundle(path)
    write_bundle(path, replace(held.manifest, scores=headline(report)), held.files)
