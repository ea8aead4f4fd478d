"""Rooms and noise around a clip: the SNR that was asked for, the same noise at every SNR, nobody saying the word."""

import numpy as np
import pytest
import tiny_bundle as tiny

pytest.importorskip("pyroomacoustics")

from edge_s2i.audio.constants import MAX_SECONDS, SAMPLE_RATE
from edge_s2i.evaluation import conditions
from edge_s2i.evaluation.conditions import BABBLE, STEADY, Condition, Surroundings, all_conditions

TALKERS = [(name, tiny.word(index)) for index, name in enumerate(tiny.CONCEPTS)]


@pytest.fixture(scope="module")
def surroundings():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "_ROOMS", 2)  # a tenth of a second each
        made = Surroundings(TALKERS, seed=3)
        made.speech("warm", tiny.word(0), room=True)
        yield made


def decibels(ratio: float) -> float:
    return 10.0 * np.log10(ratio)


def loud_power(samples: np.ndarray) -> float:
    """Mean square of the 10 ms frames within 30 dB of the loudest: pauses are no speech."""
    energy = np.square(samples[: len(samples) // 160 * 160].astype(float)).reshape(-1, 160).mean(axis=1)
    return energy[energy > energy.max() / 1000].mean()


def test_clean_speech_and_every_noise_at_every_snr_dry_and_in_a_room():
    made = all_conditions((12.0, -3.0))
    assert len(made) == len(set(made)) == 2 * (1 + 2 * 2)
    assert made[0] == Condition(None, None, False)
    assert [one.name for one in made[:3]] == ["clean, dry", "babble 12 dB, dry", "babble -3 dB, dry"]
    assert sum(one.room for one in made) == 5


def test_clean_and_dry_is_the_clip_itself(surroundings):
    samples = tiny.word(2)
    assert surroundings.around("k", "dog", samples, Condition(None, None, False)) is samples


@pytest.mark.parametrize("room", [False, True], ids=["dry", "room"])
@pytest.mark.parametrize("noise", [BABBLE, STEADY])
@pytest.mark.parametrize("snr", [24.0, 6.0, -3.0])
def test_the_snr_is_the_one_asked_for(surroundings, noise, snr, room):
    samples = tiny.word(2)
    mixed = surroundings.around("clip", "dog", samples, Condition(noise, snr, room))
    speech = surroundings.speech("clip", samples, room)
    added = mixed.astype(float) - speech
    assert decibels(loud_power(speech) / np.mean(np.square(added))) == pytest.approx(snr, abs=0.1)


def test_conditions_differ_in_one_thing_at_a_time(surroundings):
    samples = tiny.word(1)
    noises = [
        surroundings.around("clip", "cat", samples, Condition(STEADY, snr, False)).astype(float) - samples
        for snr in (12.0, 0.0)
    ]
    assert np.corrcoef(noises)[0, 1] > 0.9999
    again = Surroundings(TALKERS, seed=3).around("clip", "cat", samples, Condition(BABBLE, 6.0, False))
    assert np.array_equal(again, surroundings.around("clip", "cat", samples, Condition(BABBLE, 6.0, False)))
    other = surroundings.around("other clip", "cat", samples, Condition(BABBLE, 6.0, False))
    assert not np.array_equal(again, other)
    different = Surroundings(TALKERS, seed=4).around("clip", "cat", samples, Condition(BABBLE, 6.0, False))
    assert not np.array_equal(again, different)


def test_nobody_in_the_babble_says_the_word(surroundings):
    only = Surroundings([("dog", tiny.word(2)), ("cat", np.zeros(8000, np.float32))], seed=0)
    babble = only.noise("clip", "dog", 8000, Condition(BABBLE, 0.0, False))
    assert not babble.any()  # the dog's clip is all that sounds
    assert only.noise("clip", "tree", 8000, Condition(BABBLE, 0.0, False)).any()


def test_a_room_blurs_speech_and_leaves_it_short_enough_to_be_heard(surroundings):
    samples = tiny.word(3)
    wet = surroundings.speech("clip", samples, room=True)
    assert len(wet) > len(samples)
    assert not np.allclose(wet[: len(samples)], samples, atol=0.01)
    longest = int(MAX_SECONDS * SAMPLE_RATE)
    assert len(surroundings.speech("clip", np.resize(samples, longest), room=True)) == longest
