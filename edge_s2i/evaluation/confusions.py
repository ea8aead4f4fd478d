"""Which concepts are taken for which: the mistakes that a bundle makes most."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def confusions(
    said: Sequence[str],
    heard_as: Sequence[str],
    confidence: np.ndarray,
    understood: np.ndarray,
    most: int | None = None,
) -> list[dict[str, Any]]:
    """Pairs of a concept said and another one heard, the most frequent first.

    said, heard_as: (N,) concept ids, empty in heard_as where nothing was embedded; confidence: (N,) in [0, 1];
    understood: (N,) bool. Each pair has its clips, all clips in which its concept was said, their mean confidence, and
    how many were understood: a mistake that nobody was warned of. most: how many pairs, None for all.
    """
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, pair in enumerate(zip(said, heard_as, strict=True)):
        if pair[1] and pair[0] != pair[1]:
            places[pair].append(index)
    times = Counter(said)
    # Of pairs as frequent, first the one that makes up more of its concept's clips, then by name.
    ordered = sorted(places, key=lambda pair: (-len(places[pair]), times[pair[0]], pair))
    return [
        {
            "said": pair[0],
            "heard_as": pair[1],
            "clips": len(places[pair]),
            "clips_said": times[pair[0]],
            "confidence": float(np.mean(confidence[places[pair]])),
            "understood": int(np.sum(understood[places[pair]])),
        }
        for pair in ordered[:most]
    ]


def attractors(said: Sequence[str], heard_as: Sequence[str], most: int | None = None) -> list[dict[str, Any]]:
    """Concepts that others are taken for, those heard wrongly most often first, with how many others.

    said, heard_as: (N,) concept ids, empty in heard_as where nothing was embedded; most: how many, None for all.
    """
    wrong: dict[str, list[str]] = defaultdict(list)
    for truth, heard in zip(said, heard_as, strict=True):
        if heard and truth != heard:
            wrong[heard].append(truth)
    ordered = sorted(wrong, key=lambda heard: (-len(wrong[heard]), heard))
    return [
        {"heard_as": heard, "clips": len(wrong[heard]), "concepts": len(set(wrong[heard]))} for heard in ordered[:most]
    ]


def captioned(pairs: Sequence[Mapping[str, Any]], captions: Mapping[str, str]) -> list[dict[str, Any]]:
    """The pairs with captions of their concepts added where there are any."""
    return [
        {
            **pair,
            **{f"{key}_caption": captions.get(pair[key], pair[key]) for key in ("said", "heard_as") if key in pair},
        }
        for pair in pairs
    ]
