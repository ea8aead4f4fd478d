"""Linux's framebuffer, /dev/fb0: pixels without a window system, on a panel or a monitor."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_s2i.device.displays.display import fitted
from edge_s2i.errors import OutputError, RequestError
from edge_s2i.runtime.events import SpeechEvent

_MOST_PIXELS = 16_384


@dataclass(frozen=True)
class Geometry:
    """How a framebuffer's memory is laid out."""

    width: int
    height: int
    bits: int  # a pixel: 16 (RGB565) or 32 (XRGB8888), both little-endian
    stride: int  # bytes from one row to the next

    def __post_init__(self) -> None:
        if not (0 < self.width <= _MOST_PIXELS and 0 < self.height <= _MOST_PIXELS):
            raise RequestError(f"a framebuffer of {self.width} x {self.height} pixels cannot be; give WIDTHxHEIGHT")
        if self.bits not in (16, 32):
            raise RequestError(f"the framebuffer has {self.bits} bits a pixel; 16 (RGB565) and 32 can be written")
        if self.stride < self.width * self.bits // 8:
            raise RequestError(f"the framebuffer's rows of {self.stride} bytes are too short for {self.width} pixels")


class Framebuffer:
    """Pictures scaled to fit, in the middle of black."""

    def __init__(self, path: Path, geometry: Geometry | None = None, *, sysfs: Path = Path("/sys")) -> None:
        """path: the device; geometry: None for what sysfs says of it. OutputError where it cannot be opened."""
        self._geometry = geometry or read_geometry(path, sysfs)
        try:
            self._descriptor = os.open(path, os.O_WRONLY)
        except OSError as error:
            hint = "; add the user to the group video" if isinstance(error, PermissionError) else ""
            raise OutputError(f"the framebuffer {path} cannot be opened: {error.strerror or error}{hint}") from error
        self._path = path

    def show(self, picture: np.ndarray, event: SpeechEvent) -> None:
        """Writes one picture, in one piece."""
        canvas = fitted(picture, self._geometry.width, self._geometry.height)
        try:
            os.pwrite(self._descriptor, to_memory(canvas, self._geometry), 0)
        except OSError as error:
            raise OutputError(f"the framebuffer {self._path} cannot be written: {error.strerror or error}") from error

    def poll(self) -> list[str]:
        """A framebuffer has no buttons."""
        return []

    def close(self) -> None:
        """Leaves the last picture standing."""
        os.close(self._descriptor)


def to_memory(picture: np.ndarray, geometry: Geometry) -> bytes:
    """(height, width, 3) uint8 RGB as the bytes of a framebuffer's memory, rows padded to the stride."""
    colours = picture.astype(np.uint32)
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    if geometry.bits == 16:
        # Rounded to the nearest code; the panel's low bits are gone either way.
        codes = (red * 31 + 127) // 255 << 11 | (green * 63 + 127) // 255 << 5 | (blue * 31 + 127) // 255
        rows = codes.astype("<u2").view(np.uint8)
    else:
        rows = (0xFF << 24 | red << 16 | green << 8 | blue).astype("<u4").view(np.uint8)
    rows = rows.reshape(geometry.height, -1)
    return np.pad(rows, ((0, 0), (0, geometry.stride - rows.shape[1]))).tobytes()


def read_geometry(path: Path, sysfs: Path = Path("/sys")) -> Geometry:
    """What /sys/class/graphics says of the framebuffer; RequestError where it says nothing."""
    folder = sysfs / "class" / "graphics" / path.name
    try:
        size = re.fullmatch(r"(\d+),(\d+)", (folder / "virtual_size").read_text().strip())
        bits = int((folder / "bits_per_pixel").read_text())
        stride = int((folder / "stride").read_text())
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{folder} does not tell how large {path} is; give it, as in framebuffer:{path},320x240"
        ) from error
    if size is None:
        raise RequestError(f"{folder}/virtual_size is not WIDTH,HEIGHT; give it, as in framebuffer:{path},320x240")
    return Geometry(int(size[1]), int(size[2]), bits, stride)


def parse_framebuffer(argument: str) -> tuple[Path, Geometry | None]:
    """ "", "PATH" or "PATH,320x240" or "PATH,320x240,32": the device, and its geometry if it is given."""
    parts = argument.split(",") if argument else []
    path = Path(parts[0] if parts and parts[0] else "/dev/fb0")
    if len(parts) < 2:
        return path, None
    size = re.fullmatch(r"(\d{1,5})x(\d{1,5})", parts[1])
    bits = parts[2] if len(parts) == 3 else "16"
    if size is None or not bits.isdigit() or len(parts) > 3:
        raise RequestError(f"framebuffer:{argument} is not framebuffer:PATH,WIDTHxHEIGHT or ...,WIDTHxHEIGHT,BITS")
    width = int(size[1])
    return path, Geometry(width, int(size[2]), int(bits), width * int(bits) // 8)
