"""What a generator gives as what a screen takes."""

import numpy as np


def to_pixels(pictures: np.ndarray) -> np.ndarray:
    """(N, 3, H, W) floats, of which [-1, 1] is kept, as (N, H, W, 3) uint8, rounded to the nearest level."""
    n, channels, height, width = pictures.shape
    scaled = np.maximum(pictures, np.float32(-1.0))
    np.minimum(scaled, np.float32(1.0), out=scaled)
    scaled += np.float32(1.0)
    scaled *= np.float32(127.5)
    np.rint(scaled, out=scaled)
    levels = scaled.astype(np.uint8)
    pixels = np.empty((n, height, width, channels), np.uint8)
    for channel in range(channels):
        pixels[..., channel] = levels[:, channel]
    return pixels
