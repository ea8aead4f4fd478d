"""Art of any kind to the one form that models see: 128 x 128 RGB on white, aspect kept, WebP."""

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from edge_s2i.data.records import FileSlice, Picture

PICTURE_SIZE = 128
WEBP_QUALITY = 95
_CROP_MARGIN = 4  # pixels of 128 left white around a cropped picture
_FAINTEST = 6.0  # mean grey levels of difference from white below which there is nothing to see
_DPI = 96.0  # CSS pixels an inch
_OVERSAMPLING = 2  # vector art is drawn at twice the size and reduced: cleaner thin lines


class UnfitPictureError(Exception):
    """Why a picture is left out, in a word or two for the summary."""


def require_renderer(pictures: Iterable[Picture]) -> None:
    """Imports what draws SVG if any picture is one: ModuleNotFoundError before a build, not in the middle of it."""
    if any(isinstance(picture.art, str) or picture.art.path.suffix.lower() == ".svg" for picture in pictures):
        import resvg_py  # noqa: F401


def render(picture: Picture) -> bytes:
    """WebP bytes of the picture; UnfitPictureError if it cannot be read or shows nothing on white."""
    try:
        page = _page(picture, picture.art)
    except UnfitPictureError:
        if picture.fallback is None:
            raise
        page = _page(picture, picture.fallback)
    buffer = io.BytesIO()
    page.save(buffer, "WEBP", quality=WEBP_QUALITY, method=4)
    return buffer.getvalue()


def _page(picture: Picture, art: str | FileSlice) -> Image.Image:
    image = _load(art)
    if picture.crop and (box := image.getchannel("A").point(lambda a: 255 * (a > 8)).getbbox()):
        image = image.crop(box)
    if picture.mirrored:
        image = ImageOps.mirror(image)
    if picture.quarter_turns:
        image = image.rotate(-90 * picture.quarter_turns, expand=True)
    page = on_white(image, margin=_CROP_MARGIN if picture.crop else 0)
    values = np.asarray(page, np.float32)
    if 255.0 - values.mean() < _FAINTEST and values.std() < _FAINTEST:
        raise UnfitPictureError("blank on white")
    return page


def on_white(image: Image.Image, margin: int = 0) -> Image.Image:
    """RGBA of any size -> RGB of PICTURE_SIZE squared, centred, composited on white before it is reduced."""
    background = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(background, image).convert("RGB")
    room = PICTURE_SIZE - 2 * margin
    flat = ImageOps.contain(flat, (room, room), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (PICTURE_SIZE, PICTURE_SIZE), "white")
    page.paste(flat, ((PICTURE_SIZE - flat.width) // 2, (PICTURE_SIZE - flat.height) // 2))
    return page


def _load(art: str | FileSlice) -> Image.Image:
    if isinstance(art, str):
        return _rasterize(art)
    data = art.read()
    if art.path.suffix.lower() == ".svg" or data.lstrip()[:5] in (b"<?xml", b"<svg "):
        return _rasterize(data.decode("utf-8", errors="replace"))
    try:
        image = Image.open(io.BytesIO(data))
        return ImageOps.exif_transpose(image).convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnfitPictureError("unreadable") from error


def _rasterize(svg: str) -> Image.Image:
    import resvg_py  # of the train extra

    try:
        # Only one side is given: resvg keeps the aspect, and a tall drawing is reduced by on_white. Without a
        # dpi, sizes in pt and mm come out as 0.
        width = _OVERSAMPLING * PICTURE_SIZE
        png = resvg_py.svg_to_bytes(svg_string=svg, width=width, dpi=_DPI, skip_system_fonts=True)
        return Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    except (ValueError, OSError) as error:
        raise UnfitPictureError("unreadable") from error
