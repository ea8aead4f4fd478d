"""RGB565, the 16-bit pixel of small SPI and parallel panels (ILI9341, ST7789, SSD1351 and their kin).

Five bits of red from the top, six of green, five of blue: the eye is most sensitive to green. A 128 x 128
picture is 32,768 bytes. Panels clock the high byte out first; a framebuffer in little-endian memory wants the
low one first.
"""

from typing import Literal

import numpy as np

from edge_s2i.errors import RequestError

ByteOrder = Literal["big", "little"]

# Ordered dithering, Bayer 1973: thresholds in [0, 1) that spread the rounding of neighbouring pixels apart.
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16.0 + 1.0 / 32.0
_LEVELS = np.array([31.0, 63.0, 31.0], np.float32)  # greatest code of red, green and blue


def pack_rgb565(picture: np.ndarray, *, byte_order: ByteOrder = "big", dither: bool = False) -> bytes:
    """Packs (H, W, 3) uint8 RGB row by row, top left first, as 2 * H * W bytes.

    byte_order: "big" for the wire of a panel, "little" for a framebuffer in memory.
    dither: trades the bands of a smooth gradient for a fine pattern; flat areas look grainy.
    Raises RequestError for another shape, type or byte order.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise RequestError(f"the picture has shape {picture.shape} and type {picture.dtype}; give (H, W, 3) uint8 RGB")
    scaled = picture.astype(np.float32) * (_LEVELS / np.float32(255.0))
    if dither:
        height, width = picture.shape[:2]
        thresholds = np.tile(_BAYER, (-(-height // 4), -(-width // 4)))[:height, :width, None]
        codes = np.minimum(np.floor(scaled + thresholds), _LEVELS).astype(np.uint16)
    else:
        codes = np.rint(scaled).astype(np.uint16)
    pixels = codes[..., 0] << 11 | codes[..., 1] << 5 | codes[..., 2]
    return pixels.astype(_pixel_type(byte_order)).tobytes()


def unpack_rgb565(content: bytes, height: int, width: int, *, byte_order: ByteOrder = "big") -> np.ndarray:
    """The inverse of `pack_rgb565` up to rounding: (height, width, 3) uint8 RGB."""
    if len(content) != 2 * height * width:
        raise RequestError(f"{len(content)} bytes are not {height} x {width} RGB565 pixels of 2 bytes")
    pixels = np.frombuffer(content, _pixel_type(byte_order)).reshape(height, width).astype(np.uint16)
    codes = np.stack([pixels >> 11, pixels >> 5 & 0x3F, pixels & 0x1F], axis=-1)
    return np.rint(codes.astype(np.float32) * (np.float32(255.0) / _LEVELS)).astype(np.uint8)


def _pixel_type(byte_order: str) -> np.dtype:
    if byte_order not in ("big", "little"):
        raise RequestError(f"byte order {byte_order!r} is unknown; give 'big' or 'little'")
    return np.dtype(">u2" if byte_order == "big" else "<u2")
