"""What a board's panel shows, as far as the host knows."""

from __future__ import annotations

import numpy as np

from edge_s2i.errors import LinkError
from firmware_bridge.link.messages import Hello
from firmware_bridge.link.pictures import OutgoingPicture, tile_picture
from firmware_bridge.link.spec import MIN_PAYLOAD, PictureFormat, PictureState, PixelOrder
from firmware_bridge.link.tiles import PIXEL_BYTES, RECORD_HEAD, Tiling
from firmware_bridge.rgb565 import pack_rgb565


class Panel:
    """Size, pixel order and contents of one panel."""

    def __init__(self, tiling: Tiling, order: PixelOrder) -> None:
        self.tiling = tiling
        self.order = order
        self._shown = np.zeros((tiling.height, tiling.width), np.uint16)
        self._known = np.zeros(tiling.count, bool)

    @classmethod
    def of(cls, hello: Hello) -> Panel | None:
        """The panel that a board describes; None where it has none that takes tiles. LinkError: one that cannot be."""
        if not hello.picture_formats & PictureFormat.TILES:
            return None
        needed = 2 + RECORD_HEAD + PIXEL_BYTES * hello.tile_side**2
        if hello.max_payload < max(needed, MIN_PAYLOAD) or hello.credits < needed + 32:
            raise LinkError(f"tiles of {hello.tile_side} pixels need payloads of {needed} bytes and credits above them")
        return cls(Tiling(hello.panel_width, hello.panel_height, hello.tile_side), PixelOrder(hello.pixel_order))

    def render(self, picture: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB fitted to the panel, as (height, width) uint16 in its byte order.

        A picture of another size is scaled to fit, and black is beside it.
        """
        tiling = self.tiling
        if picture.shape[:2] != (tiling.height, tiling.width):
            picture = fit(picture, tiling.width, tiling.height)
        content = pack_rgb565(picture, byte_order="big" if self.order == PixelOrder.BIG else "little")
        return np.frombuffer(content, np.uint16).reshape(tiling.height, tiling.width)

    def picture(self, number: int, pixels: np.ndarray, utterance: int, final: bool) -> OutgoingPicture:
        """Cuts `pixels`, as render() gives them, into the tiles that the panel does not show yet."""
        shown = self._shown.copy()
        for unit in np.flatnonzero(~self._known).tolist():
            box = self.tiling.box(unit)
            shown[box] = ~pixels[box]  # different for sure, so that it is sent
        return tile_picture(number, pixels, self.tiling, shown, utterance=utterance, final=final)

    def learn(
        self, picture: OutgoingPicture, state: PictureState, arrived: np.ndarray | None, sent: np.ndarray | None
    ) -> None:
        """Takes over what a picture that ended in `state` has left on the panel."""
        if state == PictureState.REFUSED:
            return
        if picture.pixels is None or state == PictureState.DIFFERS:  # a JPEG leaves what its decoder makes of it
            self._known[:] = False
            return
        there = picture.dirty if arrived is None or state == PictureState.WHOLE else arrived
        for unit in np.flatnonzero(there).tolist():
            box = self.tiling.box(unit)
            self._shown[box] = picture.pixels[box]
            self._known[unit] = True
        if sent is not None:
            self._known[sent & ~there] = False  # may have arrived, or not


def fit(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8 scaled into (height, width, 3), its shape kept and black beside it."""
    from PIL import Image

    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1))
    scaled = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (width, height))
    canvas.paste(scaled, ((width - size[0]) // 2, (height - size[1]) // 2))
    return np.asarray(canvas)
