"""How near drawn pictures are to real ones as sets: KID and FID on EfficientNet-lite1 features, with their floors.

KID: Binkowski et al. 2018, "Demystifying MMD GANs", section 4: squared maximum mean discrepancy under the cubic
polynomial kernel, unbiased. FID: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", eq. 6; biased by
the number of pictures, so taken of subsets of one size and read beside its floor of the same size. Neither is
comparable with any published KID or FID, whose features are Inception's: named "(EfficientNet-lite1)" wherever printed.
"""

import numpy as np

from edge_s2i.evaluation.subsets import SubsetEstimate, between_halves, over_subsets

NAME = "KID (EfficientNet-lite1)"
FRECHET_NAME = "FID (EfficientNet-lite1)"

SUBSETS = 100
SUBSET_SIZE = 500
FRECHET_SUBSETS = 10  # each costs a singular value decomposition


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


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Squared Frechet distance of the Gaussians fitted to (N, D) and (M, D), N and M at least 2.

    With covariances A'A and B'B, the trace of the root of their product is the sum of the singular values of AB': no
    matrix root is taken, and few pictures of many features are no trouble.
    """
    mean_x, mean_y = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    root_x, root_y = _covariance_root(x - mean_x), _covariance_root(y - mean_y)
    shared = np.linalg.svd(root_x @ root_y.T, compute_uv=False).sum()
    return float(((mean_x - mean_y) ** 2).sum() + (root_x**2).sum() + (root_y**2).sum() - 2.0 * shared)


def _covariance_root(centred: np.ndarray) -> np.ndarray:
    """F of min(N, D) rows with F'F the covariance of centred (N, D)."""
    root = centred / np.sqrt(len(centred) - 1)
    return root if len(root) <= root.shape[1] else np.asarray(np.linalg.qr(root, mode="r"))


def kernel_distance(
    generated: np.ndarray,
    real: np.ndarray,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = 0,
) -> SubsetEstimate | None:
    """KID between two sets of features, (N, D) and (M, D); None where either has fewer than 4 rows."""
    return _first(over_subsets(_mmd, generated, real, subsets, subset_size, seed))


def real_floor(
    real: np.ndarray, subsets: int = SUBSETS, subset_size: int = SUBSET_SIZE, seed: int = 0
) -> SubsetEstimate | None:
    """KID between disjoint random parts of the real features: what a perfect generator would get."""
    return _first(between_halves(_mmd, real, subsets, subset_size, seed))


def frechet_over_subsets(
    generated: np.ndarray, real: np.ndarray, subset_size: int = SUBSET_SIZE, seed: int = 0
) -> SubsetEstimate | None:
    """FID of subsets of one size; None as in kernel_distance."""
    return _first(over_subsets(_frechet, generated, real, FRECHET_SUBSETS, subset_size, seed))


def frechet_floor(real: np.ndarray, subset_size: int = SUBSET_SIZE, seed: int = 0) -> SubsetEstimate | None:
    """FID between disjoint random parts of the real features, each of that size."""
    return _first(between_halves(_frechet, real, FRECHET_SUBSETS, subset_size, seed))


def _first(found: list[SubsetEstimate] | None) -> SubsetEstimate | None:
    return None if found is None else found[0]


def _mmd(x: np.ndarray, y: np.ndarray) -> tuple[float]:
    return (squared_mmd(x, y),)


def _frechet(x: np.ndarray, y: np.ndarray) -> tuple[float]:
    return (frechet_distance(x, y),)
