"""Measures of two sets of features over random subsets of one size, and the same between real ones: their floor.

Most distances between sets depend on how many pictures they are taken of. Subsets of one size make a figure and its
floor comparable, and their spread says how much chance is in it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

# (n, D) generated and (n, D) real features -> one or more figures.
Measure = Callable[[np.ndarray, np.ndarray], Sequence[float]]


@dataclass(frozen=True)
class SubsetEstimate:
    """Mean over subsets, the 2.5th and 97.5th percentile of the subsets' values, and how they were drawn."""

    value: float
    low: float
    high: float
    subsets: int
    subset_size: int


def over_subsets(
    measure: Measure, generated: np.ndarray, real: np.ndarray, subsets: int, subset_size: int, seed: int = 0
) -> list[SubsetEstimate] | None:
    """Every figure of `measure` between (N, D) and (M, D); None where either has fewer than 4 rows.

    Subsets are at most half of the smaller set, so that they differ and their spread means something.
    """
    size = min(subset_size, len(generated) // 2, len(real) // 2)
    if size < 2:
        return None
    generator = np.random.default_rng(seed)
    return _summed_up(
        (
            measure(
                generated[generator.choice(len(generated), size, replace=False)],
                real[generator.choice(len(real), size, replace=False)],
            )
            for _ in range(subsets)
        ),
        subsets,
        size,
    )


def between_halves(
    measure: Measure, real: np.ndarray, subsets: int, subset_size: int, seed: int = 0
) -> list[SubsetEstimate] | None:
    """The same between disjoint random parts of the real features (M, D): what a perfect generator would get."""
    size = min(subset_size, len(real) // 2)
    if size < 2:
        return None
    generator = np.random.default_rng(seed)
    orders = (generator.permutation(len(real)) for _ in range(subsets))
    return _summed_up((measure(real[order[:size]], real[order[size : 2 * size]]) for order in orders), subsets, size)


def _summed_up(figures: Iterable[Sequence[float]], subsets: int, size: int) -> list[SubsetEstimate]:
    values = np.array(list(figures), np.float64)
    low, high = np.quantile(values, [0.025, 0.975], axis=0)
    return [
        SubsetEstimate(float(mean), float(least), float(most), subsets, size)
        for mean, least, most in zip(values.mean(axis=0), low, high, strict=True)
    ]
