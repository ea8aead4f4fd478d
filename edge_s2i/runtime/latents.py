"""Latents from a seed, the same on every machine and with every NumPy version."""

import numpy as np


def draw_latents(seed: int, n: int, size: int) -> np.ndarray:
    """(n, size) float32 standard-normal latents; the first rows do not depend on n.

    Seed 0 begins with the mean, a row of zeros, of which the generator draws the likeliest reading.

    NumPy promises the raw PCG64 stream for ever but not the way its generators turn it into normals (NEP
    19), so the Box-Muller transform is done here.
    """
    if seed == 0 and n == 1:
        return np.zeros((1, size), np.float32)
    count = n * size
    raw = np.random.PCG64(seed).random_raw(2 * count).reshape(count, 2)
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # in (0, 1), so the logarithm is finite
    normal = np.sqrt(-2.0 * np.log(uniform[:, 0])) * np.cos(2.0 * np.pi * uniform[:, 1])
    latents = normal.astype(np.float32).reshape(n, size)
    if seed == 0:
        latents[:1] = 0.0
    return latents
