"""Words that no picture is for: none is a caption, and voices that say them were held out of training."""

import shutil
import unicodedata

import numpy as np
import pytest

from edge_s2i.audio.constants import MAX_SECONDS, MIN_SECONDS, SAMPLE_RATE
from edge_s2i.data.splits import TEST_SYNTHETIC, voice_split
from edge_s2i.data.synthesis.espeak import Espeak
from edge_s2i.evaluation.unknown_words import OTHER, UNKNOWN, UnknownWords, held_out_voice
from edge_s2i.evaluation.words import OTHER_WORDS, UNKNOWN_LANGUAGES

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


class FakeEngine(Espeak):
    """espeak-ng's casting, and a tone for speech."""

    def cast(self, seed, language, text, count):
        from edge_s2i.data.synthesis.engine import Casting
        from edge_s2i.data.synthesis.espeak import draw_voice

        voices = [draw_voice(seed, language, text, index) for index in range(count)]
        return [Casting(voice, f"espeak-{voice.name.replace('+', '-')}", voice.name.split("+")[1]) for voice in voices]

    def speak(self, clips):
        for number, clip in enumerate(clips):
            tone = np.sin(np.arange(8000) * (0.05 + 0.001 * number)).astype(np.float32)
            yield clip.key, (tone, SAMPLE_RATE)


@pytest.mark.parametrize(("words", "fewest"), [(OTHER_WORDS, 60), (UNKNOWN_LANGUAGES, 40)])
def test_lists_are_long_enough_and_clean(words, fewest):
    for language, listed in words.items():
        assert len(listed) >= fewest, language
        assert len(set(listed)) == len(listed), language
        assert all(word and word == word.strip() and len(word) <= 40 for word in listed), language
    scripts = {
        word for word in OTHER_WORDS["ru"] if not all("CYRILLIC" in unicodedata.name(c) or c == " " for c in word)
    }
    assert not scripts


def test_known_and_unknown_languages_are_apart():
    assert not OTHER_WORDS.keys() & UNKNOWN_LANGUAGES.keys()
    words = UnknownWords.beside([], ["en", "fi"])
    assert {language for language, _ in words.words[OTHER]} == {"en"}
    assert {language for language, _ in words.words[UNKNOWN]} == {"tr", "sw", "hu", "vi"}


def test_captions_of_any_language_are_not_said():
    everything = UnknownWords.beside([], ["en", "it"]).words[OTHER]
    left = UnknownWords.beside(["Le probablement", "An OPINION!", "¿Forse?", "freedom."], ["en", "it"]).words[OTHER]
    assert set(everything) - set(left) == {("en", "opinion"), ("it", "forse"), ("en", "freedom")}


def test_an_article_does_not_hide_a_caption():
    captions = ["quarter to six", "Courage!", "Il ragione", "opinione", "L’avantage"]  # noqa: RUF001
    left = UnknownWords.beside(captions, ["en", "fr", "it"]).words[OTHER]
    everything = UnknownWords.beside([], ["en", "fr", "it"]).words[OTHER]
    assert set(everything) - set(left) == {
        ("en", "a quarter to six"),
        ("en", "courage"),
        ("fr", "le courage"),
        ("it", "la ragione"),
        ("it", "un'opinione"),
    }


def test_voices_are_those_held_out_of_training():
    engine = FakeEngine()
    for language, word in [("en", "although"), ("fi", "ehkä"), ("ru", "хотя")]:
        casting = held_out_voice(engine, 0, language, word)
        assert voice_split(casting.speaker, casting.timbre) == TEST_SYNTHETIC
    spoken = list(UnknownWords.beside([], ["en"], FakeEngine()).spoken(UNKNOWN, 30))
    assert {voice_split(one.speaker, one.speaker.rpartition("-")[2]) for one in spoken} == {TEST_SYNTHETIC}
    assert len({one.speaker for one in spoken}) > 5


def test_every_word_is_said_once_before_any_is_said_again():
    words = UnknownWords.beside([], ["en"], FakeEngine())
    many = list(words.spoken(OTHER, 70))
    assert len(many) == 70
    assert len({one.word for one in many}) == 64
    assert len({(one.word, one.speaker) for one in many}) > 64  # again, with another voice
    assert [one.word for one in words.spoken(OTHER, 5)] == [one.word for one in many[:5]]
    assert [one.word for one in words.spoken(OTHER, 5, seed=1)] != [one.word for one in many[:5]]


def test_nothing_to_say_is_said_by_nobody():
    assert list(UnknownWords.beside([], ["xx"], FakeEngine()).spoken(OTHER, 5)) == []


@needs_espeak
def test_espeak_says_unknown_languages_as_a_pack_would():
    spoken = list(UnknownWords.beside([], ["en"]).spoken(UNKNOWN, 6))
    assert len(spoken) == 6
    for one in spoken:
        assert MIN_SECONDS <= len(one.samples) / SAMPLE_RATE <= MAX_SECONDS
        assert np.abs(one.samples).max() == pytest.approx(0.8, abs=1e-3)
        assert one.speaker.startswith(f"espeak-{one.language}-")
