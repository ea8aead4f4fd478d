"""Who is heard only in tests."""

from collections import Counter

from edge_s2i.data import splits
from edge_s2i.data.synthesis.espeak import VARIANTS, Espeak, draw_voice


def test_english_and_the_held_out_language_are_tests_only():
    assert {splits.human_split("en", f"stamp{n}", "es") for n in range(50)} == {"human-en"}
    assert {splits.human_split("es", f"stamp{n}", "es") for n in range(50)} == {"human-es"}
    assert {splits.human_split("fr", f"stamp{n}", "fr") for n in range(50)} == {"human-fr"}


def test_other_languages_keep_a_few_recordings_for_tests():
    counts = Counter(splits.human_split("fr", f"stamp{n}", "es") for n in range(5000))
    assert 0.03 < counts["test-human"] / 5000 < 0.05
    assert 0.013 < counts["val"] / 5000 < 0.027
    assert set(counts) == {"train", "val", "test-human"}


def test_a_timbre_is_on_one_side_in_every_language():
    for variant in VARIANTS:
        found = {splits.voice_split(f"espeak-{accent}-{variant}", variant) for accent in ("en-us", "es", "ru")}
        assert len(found) == 1


def test_every_synthetic_split_has_timbres_and_most_are_for_training():
    counts = Counter(splits.voice_split(f"espeak-en-us-{variant}", variant) for variant in VARIANTS)
    assert counts["train"] > 0.75 * len(VARIANTS)
    assert counts["test-synthetic"] >= 3
    assert counts["val"] >= 1


def test_one_person_in_two_engines_is_on_one_side():
    assert splits.voice_split("flite-slt") == splits.voice_split("festival-slt") == "train"
    assert splits.voice_split("flite-kal16") == splits.voice_split("festival-kal") == "train"
    assert splits.voice_split("piper-en_US-joe-medium") == "train"
    assert splits.voice_split("festival-ked") == "test-synthetic"


def test_pictures_are_spared_for_tests_only_where_there_are_several():
    assert {splits.picture_split(f"noto-{n}", 2) for n in range(500)} == {"train"}
    shares = Counter(splits.picture_split(f"noto-{n}", 4) for n in range(5000))
    assert 0.035 < shares["test"] / 5000 < 0.065


def test_voices_depend_on_seed_and_text_not_on_order():
    assert draw_voice(0, "en", "dog", 3) == draw_voice(0, "en", "dog", 3)
    assert draw_voice(0, "en", "dog", 3) != draw_voice(1, "en", "dog", 3)
    drawn = [draw_voice(0, "en", f"word {n}", 0) for n in range(400)]
    assert len({voice.name.split("+")[0] for voice in drawn}) == 8
    assert all(0.68 <= voice.speed <= 1.38 and 10 <= voice.pitch <= 95 for voice in drawn)


def test_espeak_casting_names_accent_and_variant(monkeypatch):
    monkeypatch.setattr("edge_s2i.data.synthesis.espeak._has_voice", lambda accent: accent != "xx")
    casting = Espeak().cast(0, "en", "dog", 5)
    assert len(casting) == 5
    for cast in casting:
        accent, variant = cast.voice.name.split("+")
        assert cast.speaker == f"espeak-{accent}-{variant}"
        assert cast.timbre == variant
    assert Espeak().cast(0, "xx", "dog", 5) == []
