"""Captions become concepts, spoken words and keys for matching."""

import pytest

from edge_s2i.data.captions import concept_id, normalized, spoken_text


@pytest.mark.parametrize(
    ("caption", "id_"),
    [
        ("A dog.", "dog"),
        ("An “Granny Smith” apple.", "granny-smith-apple"),
        ("The letter A.", "letter-a"),
        ("the letter a", "letter-a"),
        ("A", "a"),
        ("A plumber’s wrench.", "plumbers-wrench"),  # noqa: RUF001
        ("A plumber's wrench", "plumbers-wrench"),
        ("piñata", "pinata"),
        ("A cat and a dog", "cat-and-a-dog"),
        ("person: blond hair", "person-blond-hair"),
        ("A US 5 cent piece ($.05)", "us-5-cent-piece-05"),
        ("!!!", ""),
    ],
)
def test_concept_id(caption, id_):
    assert concept_id(caption) == id_


def test_only_english_loses_its_article():
    assert normalized("A casa.", "pt") == "a casa"
    assert normalized("A house.", "en") == "house"


def test_spoken_text_keeps_words_and_drops_typography():
    assert spoken_text("  A “Stop”  sign. ") == "A Stop sign"
    assert spoken_text("«Hospital»") == "Hospital"
    assert spoken_text("Boom!!!") == "Boom!!!"
    assert spoken_text("L’ours.") == "L'ours"  # noqa: RUF001


def test_matching_ignores_quotes_case_and_punctuation():
    assert normalized("«Hospital»", "es") == normalized("hospital.", "es")
