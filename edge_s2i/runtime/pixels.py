"""What a generator gives as what a screen takes."""

import numpy as np

# An output that a generator's graph may have beside its picture, already in bytes; export/pixel_output.py adds it.
PIXEL_BLOCKS = "pixel_blocks"


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


def join_blocks(blocks: np.ndarray) -> np.ndarray:
    """(N, H / 2, W / 2, 12) uint8, blocks of two rows of two pixels of three colours, as (N, H, W, 3) uint8."""
    n, height, width, _ = blocks.shape
    # A row of a block is six bytes, moved as three pairs: a quarter of the time that NumPy takes for six single ones.
    pairs = np.ascontiguousarray(blocks).view(np.uint16).reshape(n, height, width, 2, 3)
    joined = np.empty((n, height, 2, width, 3), np.uint16)
    for place in range(3):
        joined[..., place] = pairs[..., place].swapaxes(2, 3)
    return joined.view(np.uint8).reshape(n, 2 * height, 2 * width, 3)
