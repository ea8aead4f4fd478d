"""Intervals for means of per-clip results, by resampling; clips of one concept are resampled together."""

from dataclasses import dataclass

import numpy as np

_BLOCK = 100  # resamples drawn at once: 100 x 2,500 concepts of int64 are 2 MB


@dataclass(frozen=True)
class Interval:
    """A mean, its percentile interval, and how many values and clusters it stands on."""

    mean: float
    low: float
    high: float
    values: int
    clusters: int


def bootstrap_mean(
    values: np.ndarray,
    clusters: np.ndarray | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Mean of `values` with a percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13).

    values: (N,) numbers; clusters: (N,) labels whose values belong together (the several clips of one
    concept are not independent): whole clusters are drawn (Davison & Hinkley 1997, section 3.8). None: every
    value alone. Results that are all 0 or all 1 would give an interval of no width; they get the exact
    one-sided binomial bound over clusters instead. Returns None for no values.
    """
    values = np.asarray(values, np.float64)
    if values.size == 0:
        return None
    codes = np.arange(values.size) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    count = int(codes.max()) + 1
    mean = float(values.mean())
    tail = (1.0 - level) / 2
    if np.all(values == values[0]) and values[0] in (0.0, 1.0):
        reach = 1.0 - tail ** (1.0 / count)
        low, high = (0.0, reach) if mean == 0.0 else (1.0 - reach, 1.0)
        return Interval(mean, low, high, values.size, count)
    sums = np.bincount(codes, weights=values, minlength=count)
    sizes = np.bincount(codes, minlength=count).astype(np.float64)
    generator = np.random.default_rng(seed)
    means = []
    for start in range(0, resamples, _BLOCK):
        draws = generator.multinomial(count, np.full(count, 1.0 / count), size=min(_BLOCK, resamples - start))
        means.append((draws @ sums) / (draws @ sizes))
    low, high = np.quantile(np.concatenate(means), [tail, 1.0 - tail])
    return Interval(mean, float(low), float(high), values.size, count)


def bootstrap_ratio(
    numerators: np.ndarray, denominators: np.ndarray, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval | None:
    """Sum of (N,) numerators over sum of (N,) denominators with a percentile interval, pairs resampled together.

    None of nothing, and where the denominators sum to 0.
    """
    numerators, denominators = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    count = numerators.size
    if count == 0 or denominators.sum() == 0:
        return None
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=resamples)
    below = draws @ denominators
    ratios = (draws @ numerators)[below > 0] / below[below > 0]
    tail = (1.0 - level) / 2
    low, high = np.quantile(ratios, [tail, 1.0 - tail])
    return Interval(float(numerators.sum() / denominators.sum()), float(low), float(high), count, count)
