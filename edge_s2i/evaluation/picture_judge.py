"""Names pictures by frozen features, beside what real pictures reach, and holds the real ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_s2i.errors import DataError
from edge_s2i.evaluation import efficientnet_lite
from edge_s2i.evaluation.bootstrap import bootstrap_mean
from edge_s2i.evaluation.concept_classifier import HEAD, ConceptClassifier, fit_classifier
from edge_s2i.evaluation.efficientnet_lite import EfficientNetLite1
from edge_s2i.evaluation.held_out_pack import TRAIN_SPLIT, HeldOutPack
from edge_s2i.evaluation.picture_features import Progress, RealPictureFeatures
from edge_s2i.evaluation.variety import by_concept

TRAINING_VIEWS = 2  # augmented views of each training picture to fit the head on, beside the plain one
CEILING_VIEW = 1000  # number of the augmented view that no head is ever fitted on
FEW_OF_A_STYLE = 50  # fewer real pictures of a style are no reference for fidelity: all drawn styles are taken


@dataclass(frozen=True)
class RealReference:
    """Real pictures to compare with: pooled features (P, D), concepts, style (None: several), and every style."""

    features: np.ndarray
    concepts: frozenset[str]
    style: str | None
    styles: frozenset[str]


@dataclass(frozen=True)
class RealPictures:
    """Every real picture of a pack, by columns: features (P, FEATURE_DIM), and (P,) concept, style, and whether the
    classifier learned it."""

    features: np.ndarray
    concepts: np.ndarray
    styles: np.ndarray
    training: np.ndarray

    def pooled_by_concept(self, styles: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Concept -> the pooled features of its pictures, of `styles` alone where given."""
        chosen = np.ones(len(self.concepts), bool) if styles is None else np.isin(self.styles, list(styles))
        pooled = self.features[chosen, efficientnet_lite.POOLED]
        return by_concept(pooled, self.concepts[chosen])


class PictureJudge:
    """Fits the concept classifier on a pack's real training pictures, or finds its features in the cache.

    image_size: of the pictures to be judged, in pixels; where it is less than the classifier looks at, the ceiling
    is also taken on real pictures reduced to it.
    """

    def __init__(
        self, pack: HeldOutPack, cache: Path, progress: Progress, image_size: int, threads: int | None = None
    ) -> None:
        self._network = EfficientNetLite1(threads)
        real = RealPictureFeatures(pack, self._network, cache, progress)
        self._styles = {picture.key: picture.style for picture in pack.pictures}
        plain = real.plain()
        self._pooled = plain[:, efficientnet_lite.POOLED]
        self._concepts = np.array([picture.concept for picture in pack.pictures])
        train = np.array([picture.split == TRAIN_SPLIT for picture in pack.pictures], bool)
        if not train.any():
            raise DataError(f"{pack.folder} has no training pictures that a classifier could learn from")
        quartered = efficientnet_lite.QUARTERED
        views = [plain, *(real.view(number) for number in range(1, TRAINING_VIEWS + 1))]
        self._classifier: ConceptClassifier = fit_classifier(
            np.stack([view[train, quartered] for view in views]), self._concepts[train]
        )
        self._train_pictures = int(train.sum())
        self.real = RealPictures(plain, self._concepts, np.array(list(self._styles.values())), train)
        unseen = real.view(CEILING_VIEW)
        self._ceiling = {
            "held_out_pictures": self._accuracy(plain[~train], self._concepts[~train]),
            "held_out_pictures_at_image_size": None,
            "unseen_views_of_all_pictures": self._accuracy(unseen, self._concepts),
            "unseen_views_of_held_out_pictures": self._accuracy(unseen[~train], self._concepts[~train]),
        }

        if image_size < efficientnet_lite.INPUT_SIZE:
            held_out = [picture for picture in pack.pictures if picture.split != TRAIN_SPLIT]
            reduced = self.features(picture.pixels(image_size) for picture in held_out)
            self._ceiling["held_out_pictures_at_image_size"] = self._accuracy(reduced, self._concepts[~train])

    @property
    def class_count(self) -> int:
        """How many concepts the classifier chooses among: all that have a real training picture."""
        return len(self._classifier.concepts)

    def describe(self) -> dict[str, Any]:
        """What the classifier is, was fitted on, and reaches on real pictures."""
        return {
            "features": efficientnet_lite.NAME,
            "feature_columns": "last maps of 112 and 192 channels, averaged over quarters",
            "head": HEAD,
            "concepts": self.class_count,
            "training_pictures": self._train_pictures,
            "views_of_each": 1 + TRAINING_VIEWS,
            "ceiling": self._ceiling,
        }

    def features(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """(H, W, 3) uint8 pictures -> (N, D) float32."""
        return self._network.features(pictures)

    def knows(self, concepts: np.ndarray) -> np.ndarray:
        """(N,) concept names -> (N,) bool: whether the classifier has learned them."""
        return np.isin(concepts, self._classifier.concepts)

    def ranks(self, features: np.ndarray, concepts: np.ndarray) -> np.ndarray:
        """1-based rank of each picture's right concept, (N, D), (N,) -> (N,); unknown concepts come last."""
        return self._classifier.ranks(features[:, efficientnet_lite.QUARTERED], concepts)

    def names(self, features: np.ndarray) -> np.ndarray:
        """What each picture shows, (N, D) -> (N,) concept names."""
        return self._classifier.names(features[:, efficientnet_lite.QUARTERED])

    def style_of(self, picture: str) -> str | None:
        """The style of one of the pack's pictures, by its key; None for a key that is not there."""
        return self._styles.get(picture)

    def reference(self, style: str | None, drawn: Sequence[str]) -> RealReference:
        """Real pictures in `style`, or in any of the `drawn` styles for None and for a style with too few."""
        styles = np.array(list(self._styles.values()))
        chosen = styles == style
        if style is None or chosen.sum() < FEW_OF_A_STYLE:
            style, chosen = None, np.isin(styles, list(drawn))
        return RealReference(
            self._pooled[chosen], frozenset(self._concepts[chosen].tolist()), style, frozenset(styles[chosen].tolist())
        )

    def _accuracy(self, features: np.ndarray, concepts: np.ndarray) -> dict[str, Any] | None:
        known = self.knows(concepts)
        if not known.any():
            return None
        ranks = self.ranks(features[known], concepts[known])
        report: dict[str, Any] = {"pictures": int(known.sum())}
        for k in (1, 5):
            interval = bootstrap_mean((ranks <= k).astype(float), concepts[known])
            assert interval is not None
            report[f"top{k}"] = {"value": interval.mean, "low": interval.low, "high": interval.high}
        return report
