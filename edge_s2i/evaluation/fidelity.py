"""Kernel Inception Distance on EfficientNet-lite1 features, always with its real-versus-real floor.

Binkowski et al. 2018, "Demystifying MMD GANs", section 4: squared maximum mean discrepancy under the cubic
polynomial kernel, unbiased, averaged over random subsets. Not comparable with any published KID or FID,
whose features are Inception's: named "KID (EfficientNet-lite1)" wherever it is printed.
"""

from dataclasses import dataclass

import numpy as np

NAME = "KID (EfficientNet-lite1)"

SUBSETS = 100
SUBSET_SIZE = 500


@dataclass(frozen=True)
class KernelDistance:
    """Mean over subsets, the 2.5th and 97.5th percentile of the subsets' values, and how they were drawn."""

    value: float
    low: float
    high: float
    subsets: int
    subset_size: int


def polynomial_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x . y / D + 1) ** 3 for all pairs; (N, D), (M, D) -> (N, M) float64."""
    return ((x @ y.T).astype(np.float64) / x.shape[1] + 1.0) ** 3


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3); it may fall below 0.

    x: (N, D), y: (M, D), N and M at least 2.
    """
    n, m = len(x), len(y)
    within_x, within_y = polynomial_kernel(x, x), polynomial_kernel(y, y)
    mean_x = (within_x.sum() - np.trace(within_x)) / (n * (n - 1))
    mean_y = (within_y.sum() - np.trace(within_y)) / (m * (m - 1))
    return float(mean_x + mean_y - 2.0 * polynomial_kernel(x, y).mean())


def kernel_distance(
    generated: np.ndarray,
    real: np.ndarray,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = 0,
) -> KernelDistance | None:
    """KID between two sets of features, (N, D) and (M, D); None where either has fewer than 4 rows.

    Subsets are at most half of the smaller set, so that they differ and their spread means something.
    """
    size = min(subset_size, len(generated) // 2, len(real) // 2)
    if size < 2:
        return None
    generator = np.random.default_rng(seed)
    values = [
        squared_mmd(
            generated[generator.choice(len(generated), size, replace=False)],
            real[generator.choice(len(real), size, replace=False)],
        )
        for _ in range(subsets)
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    return KernelDistance(float(np.mean(values)), float(low), float(high), subsets, size)


def real_floor(
    real: np.ndarray, subsets: int = SUBSETS, subset_size: int = SUBSET_SIZE, seed: int = 0
) -> KernelDistance | None:
    """The same between disjoint random parts of the real features: what a perfect generator would get."""
    size = min(subset_size, len(real) // 2)
    if size < 2:
        return None
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(subsets):
        order = generator.permutation(len(real))[: 2 * size]
        values.append(squared_mmd(real[order[:size]], real[order[size:]]))
    low, high = np.quantile(values, [0.025, 0.975])
    return KernelDistance(float(np.mean(values)), float(low), float(high), subsets, size)
