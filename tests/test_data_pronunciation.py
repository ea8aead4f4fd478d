"""Phones of texts, and of a cache's clips."""

# ruff: noqa: RUF001 - phones in the letters of the phonetic alphabet

import shutil
from dataclasses import replace

import numpy as np
import pytest

from edge_s2i.data import phone_targets, pronunciation
from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.data.phone_targets import PhoneTargets, voice_of
from edge_s2i.data.pronunciation import PHONES, phones
from edge_s2i.errors import DataError

needs_espeak = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")


def read(text: str, voice: str) -> str:
    return "".join(PHONES[number - 1] for number in phones(text, voice))


@needs_espeak
def test_a_text_is_read_in_its_language_without_stress_and_length():
    assert read("Un perro", "es") == "umpero"
    assert read("dog", "en-us") == "dɑɡ"
    assert read("dog", "en-gb") == "dɒɡ"
    assert read("look, a dog", "en-gb") == "lʊkɐdɒɡ"  # two clauses, both read


@needs_espeak
def test_an_unknown_voice_is_one_line():
    with pytest.raises(DataError, match="espeak-ng has no voice 'xx-none'"):
        phones("dog", "xx-none")


def test_words_read_in_another_language_lose_their_marks():
    assert pronunciation._without_language_marks("œ̃ (en)wˈiːkɛnd(fr) lˈɔ̃") == "œ̃ wˈiːkɛnd lˈɔ̃"


def test_without_espeak_the_message_says_what_to_do(monkeypatch):
    pronunciation._library.cache_clear()
    monkeypatch.setattr(pronunciation.ctypes.util, "find_library", lambda _: None)
    with pytest.raises(DataError, match="apt install espeak-ng"):
        phones("dog", "en-us")
    pronunciation._library.cache_clear()


def test_a_clip_is_read_as_its_speaker_speaks():
    assert voice_of("en", "espeak-en-gb-scotland-m3") == "en-gb-scotland"
    assert voice_of("en", "human-en") == "en-us"
    assert voice_of("ca", "human-ca") == "ca"


def test_targets_of_a_cache(fixture_pack, monkeypatch):
    monkeypatch.setattr(phone_targets, "phones", lambda text, _: np.arange(1, 1 + len(text) % 5, dtype=np.uint8))
    pack = Pack.open(fixture_pack)
    cache = LogMelCache.of(pack, jobs=1)
    for path in (fixture_pack / "cache").glob("phones-*"):
        path.unlink()
    targets = PhoneTargets.of(pack, cache)
    batch, counts = targets.batch(np.arange(6))
    assert counts.tolist() == [len(text) % 5 for text in cache.text[:6]]
    for row, count in zip(batch, counts, strict=True):
        assert row[:count].tolist() == list(range(1, count + 1))
        assert not row[count:].any()
    monkeypatch.setattr(phone_targets, "phones", lambda *_: pytest.fail("made again"))
    assert PhoneTargets.of(pack, cache).counts.tolist() == targets.counts.tolist()
    other = replace(cache, text=cache.text[::-1].copy())  # of one length, and not the same rows
    monkeypatch.setattr(phone_targets, "phones", lambda text, _: np.ones(len(text) % 7, np.uint8))
    assert PhoneTargets.of(pack, other).counts.tolist() == [len(text) % 7 for text in other.text]
    (fixture_pack / "cache" / f"phones-{len(cache.lengths)}.npz").unlink()
