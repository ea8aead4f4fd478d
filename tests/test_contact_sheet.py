"""The contact sheet: every card in its place, and text that the font can write."""

import numpy as np
import pytest
import tiny_bundle as tiny
from PIL import Image, ImageFont

from edge_s2i.audio import log_mel
from edge_s2i.runtime.contact_sheet import Card, _can_write, draw_contact_sheet, log_mel_picture


def card(colour: str | None, said: str = "dog", **changes) -> Card:
    fields = {
        "features": log_mel(tiny.word(0)),
        "said": said,
        "meaning": "dog",
        "language": "en",
        "picture": None if colour is None else Image.new("RGB", (128, 128), colour),
        "confidence": 0.9,
        "understood": colour is not None,
    }
    return Card(**(fields | changes))


def test_every_picture_is_on_the_sheet():
    colours = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255)}
    sheet = np.asarray(draw_contact_sheet([card(colour) for colour in colours], columns=2))
    for value in colours.values():
        assert (sheet == value).all(axis=-1).sum() > 100 * 100


def test_sheet_grows_with_its_cards():
    one, five = (draw_contact_sheet([card("red")] * count, columns=3) for count in (1, 5))
    assert five.width > 2.5 * one.width
    assert five.height > 1.8 * one.height


def test_what_was_not_understood_has_no_picture_but_a_card():
    sheet = np.asarray(draw_contact_sheet([card(None, features=None, confidence=0.1)]))
    assert (sheet < 128).any()


def test_long_and_foreign_captions_are_drawn():
    cards = [card("red", "a very long sentence about a dog " * 5), card("red", "собака"), card("red", "犬")]
    assert draw_contact_sheet(cards).size[0] > 0


def test_a_font_knows_what_it_cannot_write():
    font = ImageFont.load_default(14)
    assert _can_write(font, "dog 7")
    assert not _can_write(font, "\U0001f436")


def test_log_mel_has_low_frequencies_at_the_bottom():
    features = np.full((64, 50), -10.0, np.float32)
    features[:8] = 5.0
    picture = np.asarray(log_mel_picture(features, (100, 64))).astype(int).sum(axis=2)
    assert picture[60, 50] > 3 * picture[5, 50]


@pytest.mark.parametrize("value", [0.0, -13.8])
def test_flat_log_mel_is_drawn(value):
    assert log_mel_picture(np.full((64, 20), value, np.float32), (50, 64)).size == (50, 64)
