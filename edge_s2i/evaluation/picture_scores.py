"""Scores of what was drawn: concept accuracy and KID, beside their ceiling and their floor."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edge_s2i.evaluation import efficientnet_lite, fidelity
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest
from edge_s2i.evaluation.picture_judge import PictureJudge, RealReference
from edge_s2i.evaluation.speech_scores import HeardSplit, interval
from edge_s2i.evaluation.subsets import SubsetEstimate

FEW_PICTURES = 50  # a kernel distance over fewer says nothing

Progress = Callable[[Iterable, str, int], Iterable]


class PictureScores:
    """Draws from clips and prototypes, has the pictures named, and compares them with real ones.

    style: of the pictures drawn; None draws each clip in the style of the picture it was paired with. seed: of the
    drawing, as a user would give it: 0 draws the likeliest reading.
    """

    def __init__(
        self, judge: PictureJudge, bundle: BundleUnderTest, style: str | None, seed: int, progress: Progress
    ) -> None:
        self._judge = judge
        self._bundle = bundle
        self._style = style
        self._seed = seed
        self._progress = progress
        self.reference: RealReference = judge.reference(style, bundle.manifest.styles)

    def describe(self) -> dict[str, Any]:
        """The classifier with its ceiling, and the real pictures that fidelity is measured against."""
        reference = self.reference
        enough = len(reference.features) >= FEW_PICTURES
        return {
            "style": self._style or "own",
            "classifier": self._judge.describe(),
            "kid_name": fidelity.NAME,
            "kid_reference": {
                "style": reference.style,
                "pictures": len(reference.features),
                "concepts": len(reference.concepts),
                "floor": _distance(fidelity.real_floor(reference.features, seed=self._seed)) if enough else None,
            },
        }

    def score_split(self, split: HeardSplit) -> tuple[dict[str, Any], np.ndarray]:
        """Draws one picture of every clip of a split, understood or not.

        Returns the report and, (N,) float, whether each clip's picture was named right (NaN: not judged,
        since the classifier does not know the concept). A clip that was refused before the encoder has no
        picture, and no picture is not the right one.
        """
        drawn = self.draw_split(split)
        accuracy, right = self.name_split(split, drawn)
        return {"concept_accuracy": accuracy, "kid": self.kid(drawn, split.concepts[_heard(split)])}, right

    def draw_split(self, split: HeardSplit) -> np.ndarray:
        """Features of one picture of every clip that was embedded, (heard, D)."""
        heard = _heard(split)
        clips = [split.clips[i] for i in heard]
        pictures = self._bundle.draw(
            split.heard.embeddings[heard],
            self._seed,
            [self._style_for(clip.picture) for clip in clips],
        )
        return self._judge.features(self._progress(pictures, f"drawing {split.name}", len(clips)))

    def name_split(self, split: HeardSplit, drawn: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
        """Concept accuracy of the pictures that draw_split made, and each clip's as score_split returns them."""
        judge, concepts = self._judge, split.concepts
        heard = _heard(split)
        ranks = np.full(len(split.clips), judge.class_count + 1)
        ranks[heard] = judge.ranks(drawn, concepts[heard])
        known = judge.knows(concepts)
        accuracy: dict[str, Any] = {"pictures": int(known.sum())}
        accepted, right = split.heard.understood, split.concept_ranks == 1
        parts = {
            "understood": known & accepted,
            "not_understood": known & ~accepted,
            "heard_right": known & right,  # the generator's own share: the speech was heard as what it says
        }
        for k in (1, 5):
            hit = (ranks <= k).astype(float)
            accuracy[f"top{k}"] = interval(hit[known], concepts[known], self._chance(k))
            for name, chosen in parts.items():
                accuracy[f"top{k}_{name}"] = interval(hit[chosen], concepts[chosen])
        return accuracy, np.where(known, ranks <= 1, np.nan)

    def score_prototypes(self) -> dict[str, Any]:
        """Draws every concept from its own prototype, which lies where speech of it should be but is not speech."""
        drawn = self.draw_prototypes()
        return {**self.name_prototypes(drawn), "kid": self.kid(drawn, np.array(self._bundle.manifest.concepts))}

    def draw_prototypes(self) -> np.ndarray:
        """Features of one picture of every concept of the bundle, (concepts, D)."""
        count = len(self._bundle.manifest.concepts)
        pictures = self._bundle.draw(self._bundle.prototypes, self._seed, [self._style_for(None)] * count)
        return self._judge.features(self._progress(pictures, "drawing prototypes", count))

    def name_prototypes(self, drawn: np.ndarray) -> dict[str, Any]:
        """Concept accuracy of the pictures that draw_prototypes made."""
        concepts = np.array(self._bundle.manifest.concepts)
        known = self._judge.knows(concepts)
        ranks = self._judge.ranks(drawn, concepts)[known]
        return {
            "pictures": int(known.sum()),
            "top1": interval((ranks <= 1).astype(float), chance=self._chance(1)),
            "top5": interval((ranks <= 5).astype(float), chance=self._chance(5)),
        }

    def kid(self, drawn: np.ndarray, concepts: np.ndarray) -> dict[str, Any] | None:
        """KID of the pictures drawn, of concepts that the reference has, where they are enough."""
        comparable = self.comparable(drawn, concepts)
        if comparable is None:
            return None
        return _distance(fidelity.kernel_distance(comparable, self.reference.features, seed=self._seed))

    def comparable(self, drawn: np.ndarray, concepts: np.ndarray) -> np.ndarray | None:
        """Pooled features of the (N, D) drawn pictures whose concepts the reference has; None where too few."""
        kept = drawn[np.isin(concepts, list(self.reference.concepts)), efficientnet_lite.POOLED]
        return None if min(len(kept), len(self.reference.features)) < FEW_PICTURES else kept

    def _chance(self, k: int) -> float:
        return min(1.0, k / self._judge.class_count)

    def _style_for(self, picture: str | None) -> str:
        if self._style is not None:
            return self._style
        own = self._judge.style_of(picture) if picture is not None else None
        manifest = self._bundle.manifest
        return own if own in manifest.styles else manifest.default_style


def _heard(split: HeardSplit) -> np.ndarray:
    """Places of the clips that were embedded at all."""
    return np.flatnonzero(np.any(split.heard.embeddings != 0, axis=1))


def _distance(distance: SubsetEstimate | None) -> dict[str, Any] | None:
    return None if distance is None else dataclasses.asdict(distance)
