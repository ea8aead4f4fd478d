"""How much drawings of one concept differ, against how much the corpus's own pictures of it do.

Distances are Euclidean between pooled EfficientNet-lite1 features. A generator that draws one picture a concept,
whatever its latent, has a variety of 0 (mode collapse within the concept).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_s2i.evaluation.bootstrap import Interval, bootstrap_ratio

_PAIRS = 2000  # of different concepts, for the scale


def mean_pairwise_distance(features: np.ndarray) -> float | None:
    """Mean Euclidean distance of all pairs of rows of (N, D); None of fewer than two."""
    count = len(features)
    if count < 2:
        return None
    differences = features[:, None, :].astype(np.float64) - features[None, :, :]
    return float(np.sqrt((differences**2).sum(-1)).sum() / (count * (count - 1)))


def by_concept(features: np.ndarray, concepts: np.ndarray) -> dict[str, np.ndarray]:
    """(N, D) features and (N,) concepts -> the rows of each concept."""
    return {str(concept): features[concepts == concept] for concept in np.unique(concepts)}


def score_variety(drawn: Mapping[str, np.ndarray], real: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, Any]:
    """The variety of `drawn` as a share of `real`'s, over the concepts with two pictures or more in both.

    Each: concept -> (n, D) features. `pictures_reached`: share of a concept's real pictures that are the nearest real
    one of at least one of its drawings: 1 where every real picture has its drawing. `between_concepts`: mean distance
    of drawings of different concepts, for the scale.
    """
    shared = [concept for concept in drawn if len(drawn[concept]) > 1 and len(real.get(concept, ())) > 1]
    own = [mean_pairwise_distance(drawn[concept]) or 0.0 for concept in shared]
    corpus = [mean_pairwise_distance(real[concept]) or 0.0 for concept in shared]
    reached = [_reached(drawn[concept], real[concept]) for concept in shared]
    count = np.array([len(real[concept]) for concept in shared], float)
    return {
        "concepts": len(shared),
        "drawings_a_concept": float(np.mean([len(drawn[concept]) for concept in shared])) if shared else None,
        "drawn_distance": float(np.mean(own)) if shared else None,
        "corpus_distance": float(np.mean(corpus)) if shared else None,
        "between_concepts": _between(drawn, seed),
        "share_of_corpus": _plain(bootstrap_ratio(np.array(own), np.array(corpus))),
        "pictures_reached": _plain(bootstrap_ratio(np.array(reached, float), count)),
        "by_concept": {
            concept: {"drawn": mine, "corpus": theirs}
            for concept, mine, theirs in zip(shared, own, corpus, strict=True)
        },
    }


def _reached(drawn: np.ndarray, real: np.ndarray) -> int:
    nearest = (((drawn[:, None, :] - real[None, :, :]) ** 2).sum(-1)).argmin(axis=1)
    return len(set(nearest.tolist()))


def _between(drawn: Mapping[str, np.ndarray], seed: int) -> float | None:
    concepts = list(drawn)
    if len(concepts) < 2:
        return None
    generator = np.random.default_rng(seed)
    first = generator.integers(len(concepts), size=_PAIRS)
    second = (first + 1 + generator.integers(len(concepts) - 1, size=_PAIRS)) % len(concepts)
    distances = [
        np.linalg.norm(drawn[concepts[a]][0].astype(np.float64) - drawn[concepts[b]][0])
        for a, b in zip(first, second, strict=True)
    ]
    return float(np.mean(distances))


def _plain(found: Interval | None) -> dict[str, Any] | None:
    return None if found is None else {"value": found.mean, "low": found.low, "high": found.high, "n": found.values}
