"""Precision and recall, density and coverage: is what is drawn like real pictures, and is every real one drawn?

Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models", eq. 1 and 2;
Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", eq. 5 and 6. A set's manifold is the
union of balls about its points, each as wide as the way to the point's k-th neighbour.
"""

import numpy as np

from edge_s2i.evaluation.subsets import SubsetEstimate, between_halves, over_subsets

NEIGHBOURS = 5  # as Naeem et al. take for all four
MEASURES = ("precision", "recall", "density", "coverage")
_SUBSETS = 20
_SUBSET_SIZE = 500


def manifold_scores(generated: np.ndarray, real: np.ndarray, k: int = NEIGHBOURS) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage of (N, D) generated against (M, D) real features, N and M above k.

    Precision: share of the generated within a real ball; recall: share of the real within a generated ball; density:
    how many real balls hold a generated point, over k (it may pass 1); coverage: share of real balls that hold one.
    """
    real_reach, generated_reach = _reach(real, k), _reach(generated, k)
    distance = _distances(real, generated)  # (M, N)
    held = distance <= real_reach[:, None]
    return (
        float(held.any(axis=0).mean()),
        float((distance <= generated_reach[None, :]).any(axis=1).mean()),
        float(held.sum(axis=0).mean() / k),
        float(held.any(axis=1).mean()),
    )


def manifold_over_subsets(
    generated: np.ndarray, real: np.ndarray, subset_size: int = _SUBSET_SIZE, seed: int = 0
) -> dict[str, SubsetEstimate] | None:
    """The four by name, over subsets of one size; None where there are too few pictures for balls."""
    if min(len(generated), len(real)) // 2 <= NEIGHBOURS:
        return None
    found = over_subsets(manifold_scores, generated, real, _SUBSETS, subset_size, seed)
    return None if found is None else dict(zip(MEASURES, found, strict=True))


def manifold_floor(
    real: np.ndarray, subset_size: int = _SUBSET_SIZE, seed: int = 0
) -> dict[str, SubsetEstimate] | None:
    """The four between disjoint random parts of the real features: what a perfect generator would get."""
    if len(real) // 2 <= NEIGHBOURS:
        return None
    found = between_halves(manifold_scores, real, _SUBSETS, subset_size, seed)
    return None if found is None else dict(zip(MEASURES, found, strict=True))


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean, (N, D), (M, D) -> (N, M) float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2.0 * x @ y.T
    return np.sqrt(np.maximum(squares, 0.0))


def _reach(points: np.ndarray, k: int) -> np.ndarray:
    """(N,) way from each point to its k-th neighbour among the others."""
    within = _distances(points, points)
    np.fill_diagonal(within, np.inf)
    return np.partition(within, k - 1, axis=1)[:, k - 1]
