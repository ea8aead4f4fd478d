"""What a report on pictures should reach, and whether it does."""

from collections.abc import Mapping
from typing import Any

TOP1_OF_CEILING, TOP5_OF_CEILING = 0.85, 0.95
POINTS_OF_HEARING = 0.03
KID_OF_FLOOR = 3.0
VARIETY_OF_CORPUS = 0.60
UNSEEN_BOTH_FACTORS = 0.60


def picture_targets(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One line a target: name, value, target, whether `value` should be `at least` or `at most` that, and `met`.

    What was not measured is left out. KID's floor is its upper end over subsets: its mean is 0 by construction.
    """
    found: list[dict[str, Any]] = []

    def add(name: str, value: float | None, target: float, at_least: bool) -> None:
        if value is not None:
            met = value >= target if at_least else value <= target
            bound = "at least" if at_least else "at most"
            found.append({"name": name, "value": value, "bound": bound, "target": target, "met": met})

    prototypes = report["from_prototypes"]
    ceiling = report["pictures"]["classifier"]["ceiling"]["unseen_views_of_all_pictures"]
    for k, share in ((1, TOP1_OF_CEILING), (5, TOP5_OF_CEILING)):
        own, most = prototypes[f"top{k}"], ceiling and ceiling[f"top{k}"]
        if own and most and most["value"] > 0:
            add(f"from prototypes: top-{k}, as a share of real pictures'", own["value"] / most["value"], share, True)
    for name, split in report["splits"].items():
        named, heard = split["concept_accuracy"]["top1"], split["speech_to_concept"]["R@1"]
        if split["human_clips"] and named and heard:
            add(f"{name}: R@1 less top-1 of the pictures", heard["value"] - named["value"], POINTS_OF_HEARING, False)
    distance, floor = prototypes["fidelity"], report["floors"]["kid"]
    if distance and distance["kid"] and floor and floor["high"] > 0:
        add("from prototypes: KID, in floors", distance["kid"]["value"] / floor["high"], KID_OF_FLOOR, False)
    variety = report["variety"]["latents"]["share_of_corpus"]
    if variety:
        add("variety of several latents, as a share of the corpus's", variety["value"], VARIETY_OF_CORPUS, True)
    composed = report["composition"]
    if composed and composed["unseen"] and composed["unseen"]["all_factors"]:
        add(
            "unseen combinations: every factor right",
            composed["unseen"]["all_factors"]["value"],
            UNSEEN_BOTH_FACTORS,
            True,
        )
    return found
