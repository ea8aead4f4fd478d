"""The sounds that nobody should understand are what their names say."""

import numpy as np

from edge_s2i.audio import log_mel
from edge_s2i.audio.constants import MAX_SECONDS, MIN_SECONDS, SAMPLE_RATE
from edge_s2i.audio.level import modulation, set_peak
from edge_s2i.evaluation import unknown_sounds
from edge_s2i.evaluation.unknown_sounds import FROM_SPEECH, MUSIC, SYNTHETIC
from edge_s2i.runtime.speech_to_picture import MIN_MODULATION


def clip(seconds=1.0, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * SAMPLE_RATE)).astype(np.float32)


def test_every_kind_comes_as_often_as_asked_and_is_usable_audio():
    sounds = list(unknown_sounds.unknown_sounds([clip(seed=i) for i in range(3)], 5, seed=1))
    counts = {kind: sum(1 for name, _ in sounds if name == kind) for kind in (*SYNTHETIC, *FROM_SPEECH)}
    assert counts == {**dict.fromkeys(SYNTHETIC, 5), **dict.fromkeys(FROM_SPEECH, 3)}
    for _, samples in sounds:
        assert samples.dtype == np.float32
        assert MIN_SECONDS * SAMPLE_RATE <= len(samples) <= MAX_SECONDS * SAMPLE_RATE
        assert np.abs(samples).max() <= 1.0


def test_the_same_seed_gives_the_same_sounds():
    first, again = (list(unknown_sounds.unknown_sounds([clip()], 2, seed=7)) for _ in range(2))
    other = list(unknown_sounds.unknown_sounds([clip()], 2, seed=8))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(first, again, strict=True))
    assert not np.array_equal(first[2][1], other[2][1])


def test_pink_noise_loses_three_decibels_an_octave():
    generator = np.random.default_rng(0)
    power = np.zeros(1025)
    for _ in range(40):
        samples = unknown_sounds.pink_noise(generator)[:6144].reshape(3, 2048)
        power += (np.abs(np.fft.rfft(samples * np.hanning(2048))) ** 2 / np.square(samples).mean()).mean(0)
    octaves = [power[low : 2 * low].mean() for low in (16, 32, 64, 128, 256)]
    steps = 10 * np.log10(np.array(octaves[1:]) / octaves[:-1])
    assert np.allclose(steps, -3.0, atol=0.8)


def test_silence_is_below_the_noise_of_any_microphone():
    assert np.abs(unknown_sounds.silence(np.random.default_rng(0))).max() <= 1 / 32768


def test_reversed_speech_is_the_clip_backwards():
    samples = clip()
    assert np.array_equal(unknown_sounds.reversed_speech(samples)[::-1], samples)


def test_shuffled_speech_holds_the_same_pieces_in_another_order():
    samples = np.repeat(np.arange(1, 9, dtype=np.float32) / 8, 1600)
    shuffled = unknown_sounds.shuffled_speech(samples, np.random.default_rng(0))
    middles = shuffled[800::1600]
    assert sorted(middles.tolist()) == (np.arange(1, 9) / 8).tolist()
    assert middles.tolist() != (np.arange(1, 9) / 8).tolist()


def test_music_comes_as_often_as_asked_again_with_the_seed_and_is_usable_audio():
    sounds, again, other = (list(unknown_sounds.music(3, seed=seed)) for seed in (1, 1, 2))
    assert [kind for kind, _ in sounds] == [kind for kind in MUSIC for _ in range(3)]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(sounds, again, strict=True))
    assert not any(np.array_equal(a, b) for (_, a), (_, b) in zip(sounds, other, strict=True))
    for _, samples in sounds:
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert MIN_SECONDS * SAMPLE_RATE <= len(samples) <= MAX_SECONDS * SAMPLE_RATE
        assert 0.001 < np.abs(samples).max() <= 1.0


def test_music_rises_and_falls_so_that_steadiness_does_not_give_it_away():
    sounds = list(unknown_sounds.music(8))
    for kind in MUSIC:
        risen = [modulation(log_mel(set_peak(samples))) for name, samples in sounds if name == kind]
        assert np.mean(np.array(risen) > MIN_MODULATION) > 0.8, kind


def test_a_note_has_its_pitch_and_harmonics():
    generator = np.random.default_rng(0)
    timbre = unknown_sounds._Timbre(roll_off=1.0, attack=0.01, decay=5.0, vibrato=0.0)
    spectrum = np.abs(np.fft.rfft(timbre.note(440.0, SAMPLE_RATE, generator)))
    peaks = sorted(np.argsort(spectrum)[-3:].tolist())
    assert peaks == [440, 880, 1320]  # bins of one second are 1 Hz apart
