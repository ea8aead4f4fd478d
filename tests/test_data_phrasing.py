"""How a caption is said: articles come and go, sentences carry it, and it stays itself most of the time."""

import pytest

from edge_s2i.data.phrasing import AS_CAPTIONED, CARRIERS, bare, phrased, phrasings
from edge_s2i.data.planning import SPOKEN_LANGUAGES


@pytest.mark.parametrize(
    ("language", "text", "noun"),
    [
        ("en", "A dog", "dog"),
        ("en", "the Moon", "Moon"),
        ("en", "another dog", "another dog"),
        ("en", "a", "a"),
        ("es", "Unas uvas", "uvas"),
        ("de", "die Katze", "Katze"),
        ("el", "ένας σκύλος", "σκύλος"),
        ("ru", "яблоко", "яблоко"),
    ],
)
def test_the_article_comes_off(language, text, noun):
    assert bare(language, text) == noun


def test_a_dog_can_be_said_in_the_ways_that_people_say_it():
    assert {"dog", "the dog", "it's a dog", "a dog, please"} <= set(phrasings("en", "A dog"))
    assert "mira, un perro" in phrasings("es", "Un perro")
    assert "A dog" not in phrasings("en", "A dog")


def test_a_name_keeps_its_capital_in_a_sentence():
    assert "it's Mercury" in phrasings("en", "Mercury")


def test_every_spoken_language_has_carriers():
    assert set(CARRIERS) == set(SPOKEN_LANGUAGES)
    assert all(carrier.count("{}") == 1 for carriers in CARRIERS.values() for carrier in carriers)


def test_the_caption_is_said_as_it_stands_more_often_than_not():
    said = [phrased("en", "A dog", 0, number) for number in range(2_000)]
    assert abs(said.count("A dog") / len(said) - AS_CAPTIONED) < 0.04
    assert set(said) == {"A dog", *phrasings("en", "A dog")}
    assert said == [phrased("en", "A dog", 0, number) for number in range(2_000)]
