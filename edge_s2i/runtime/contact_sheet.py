"""One picture of many drawings: the log-mel that was heard, what was said, what was drawn, how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_CARD = 176  # width in pixels of a log-mel and of a picture
_MEL_HEIGHT = 64  # one pixel a band
_GAP = 14
_LINE = 18  # height of a line of text
_INK, _PALE, _PAPER, _FRAME = (32, 34, 38), (120, 124, 132), (255, 255, 255), (214, 216, 220)
_SURE, _UNSURE = (46, 125, 80), (178, 84, 40)

# Fonts that reach beyond Latin where one is installed; Pillow's own comes last.
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf")

# Anchors of a perceptually ordered dark-to-light colour map.
_COLOURS = np.array(
    [(8, 10, 36), (60, 20, 104), (140, 34, 110), (212, 72, 74), (250, 148, 42), (250, 240, 180)], np.float64
)


@dataclass(frozen=True)
class Card:
    """One utterance on the sheet."""

    features: np.ndarray | None  # log-mel (MEL_BANDS, T) in nats; None leaves the panel empty
    said: str  # the words, in their own language
    meaning: str  # the same in English
    language: str
    picture: Image.Image | None  # None: nothing was drawn
    confidence: float
    understood: bool


def draw_contact_sheet(cards: Sequence[Card], columns: int = 5) -> Image.Image:
    """Lays the cards out in rows, RGB."""
    columns = max(1, min(columns, len(cards)))
    rows = -(-len(cards) // columns)
    height = _MEL_HEIGHT + 6 + _CARD + 2 * _LINE + 12
    size = (columns * (_CARD + _GAP) + _GAP, rows * (height + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    font = _font(14)
    small = _font(12)
    for index, card in enumerate(cards):
        left = _GAP + (index % columns) * (_CARD + _GAP)
        top = _GAP + (index // columns) * (height + _GAP)
        if card.features is not None:
            sheet.paste(log_mel_picture(card.features, (_CARD, _MEL_HEIGHT)), (left, top))
        top += _MEL_HEIGHT + 6
        pen.rectangle((left, top, left + _CARD - 1, top + _CARD - 1), outline=_FRAME)
        if card.picture is not None:
            scaled = card.picture.resize((_CARD - 2, _CARD - 2), Image.Resampling.LANCZOS)
            sheet.paste(scaled, (left + 1, top + 1))
        else:
            pen.text((left + _CARD // 2, top + _CARD // 2), "not understood", _PALE, font, anchor="mm")
        top += _CARD + 4
        said = card.said if _can_write(font, card.said) else card.meaning
        pen.text((left, top), _shorten(pen, said, font, _CARD - 28), _INK, font)
        pen.text((left + _CARD - 1, top), card.language, _PALE, font, anchor="ra")
        top += _LINE
        score = f"{card.confidence:.2f}"
        pen.text((left, top), _shorten(pen, card.meaning, small, _CARD - 44), _PALE, small)
        pen.text((left + _CARD - 1, top), score, _SURE if card.understood else _UNSURE, small, anchor="ra")
    return sheet


def log_mel_picture(features: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A log-mel (MEL_BANDS, T) as an RGB picture of `size` (width, height), low frequencies at the bottom.

    Colours span 60 dB below the loudest value.
    """
    span = 60.0 / 10.0 * np.log(10.0)  # nats
    levels = np.clip((features[::-1] - features.max()) / span + 1.0, 0.0, 1.0)
    positions = np.linspace(0.0, 1.0, len(_COLOURS))
    rgb = np.stack([np.interp(levels, positions, _COLOURS[:, channel]) for channel in range(3)], axis=-1)
    return Image.fromarray(np.rint(rgb).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _can_write(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> bool:
    """Whether the font has a glyph of its own for every letter, not the box for missing ones."""
    try:
        missing = bytes(font.getmask("\uffff"))
        return all(letter.isspace() or bytes(font.getmask(letter)) != missing for letter in text)
    except UnicodeEncodeError:  # Pillow's bitmap font knows Latin-1 only
        return False


def _shorten(
    pen: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> str:
    if pen.textlength(text, font) <= width:
        return text
    while text and pen.textlength(text + "...", font) > width:
        text = text[:-1]
    return text.rstrip() + "..."
