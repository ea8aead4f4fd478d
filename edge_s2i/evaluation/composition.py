"""Combinations that training never saw nor heard: does a drawing show every part of what was said?

A pack may say what its concepts are made of (`factors` in concepts.jsonl: person, role, skin tone) and hold some
combinations out of training, pictures and speech alike. Each factor is named by a classifier of its own, fitted on the
real training pictures of the family.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edge_s2i.evaluation import efficientnet_lite
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest
from edge_s2i.evaluation.concept_classifier import fit_classifier
from edge_s2i.evaluation.picture_features import Progress
from edge_s2i.evaluation.picture_judge import PictureJudge
from edge_s2i.evaluation.speech_scores import HeardSplit, interval


def score_composition(
    rows: Iterable[Mapping[str, Any]],
    judge: PictureJudge,
    bundle: BundleUnderTest,
    splits: Sequence[HeardSplit],
    style: str,
    seed: int,
    progress: Progress,
) -> dict[str, Any] | None:
    """How often each factor, and all at once, is right: of drawings from speech of unseen and of seen combinations.

    rows: the pack's concepts. Beside them real pictures of the unseen combinations, the ceiling, and chance. None where
    the pack names no factors, or no training pictures show them.
    """
    factors = {row["concept"]: row["factors"] for row in rows if row.get("factors")}
    real = judge.real
    family = np.isin(real.concepts, list(factors))
    trained = set(real.concepts[family & real.training].tolist())
    if not trained:
        return None
    names = sorted({name for made_of in factors.values() for name in made_of})
    quartered = real.features[:, efficientnet_lite.QUARTERED]
    classifiers = {
        name: fit_classifier(
            quartered[family & real.training][None],
            np.array([factors[concept].get(name, "") for concept in real.concepts[family & real.training]]),
        )
        for name in names
    }

    def score(features: np.ndarray, concepts: np.ndarray) -> dict[str, Any]:
        """features (N, QUARTERED columns) of pictures that should show concepts (N,)."""
        right = {}
        for name, classifier in classifiers.items():
            wanted = np.array([factors[concept].get(name, "") for concept in concepts])
            right[name] = classifier.names(features) == wanted
        every = np.logical_and.reduce(list(right.values())) if len(concepts) else np.zeros(0, bool)
        return {
            "pictures": len(concepts),
            "concepts": len(set(concepts.tolist())),
            "all_factors": interval(every.astype(float), concepts),
            **{name: interval(hit.astype(float), concepts) for name, hit in right.items()},
        }

    clips = [
        (clip.concept, embedding)
        for split in splits
        for clip, embedding in zip(split.clips, split.heard.embeddings, strict=True)
        if clip.concept in factors and embedding.any()
    ]
    concepts = np.array([concept for concept, _ in clips], dtype=object).astype(str)
    drawn = np.zeros((0, quartered.shape[1]), np.float32)
    if clips:
        pictures = bundle.draw(np.stack([embedding for _, embedding in clips]), seed, [style] * len(clips))
        features = judge.features(progress(pictures, "drawing combinations", len(clips)))
        drawn = features[:, efficientnet_lite.QUARTERED]
    unseen = ~np.isin(concepts, list(trained))
    held_out = family & ~np.isin(real.concepts, list(trained))
    combinations = {name: len(classifier.concepts) for name, classifier in classifiers.items()}
    return {
        "factors": combinations,
        "trained_combinations": len(trained),
        "unseen": score(drawn[unseen], concepts[unseen]),
        "seen": score(drawn[~unseen], concepts[~unseen]),
        "real_pictures_of_unseen": score(quartered[held_out], real.concepts[held_out]),
        "chance": float(np.prod([1.0 / count for count in combinations.values()])),
    }
