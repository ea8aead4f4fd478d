"""Noises have the spectra they are named for, and are as loud beside the speech as asked."""

import numpy as np
import pytest

from edge_s2i.acoustics.noise import active_power, babble, coloured_noise, hum, mix
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import RequestError


def tones(count=4):
    """Stand-ins for voices that can be told apart in a spectrum: one frequency each, 0.6 to 0.9 s."""
    return [
        (0.1 * (i + 1) * np.sin(2 * np.pi * 500.0 * (i + 1) * np.arange(9600 + 1600 * i) / SAMPLE_RATE)).astype(
            np.float32
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("slope", [-6.0, -3.0, 0.0])
def test_coloured_noise_falls_as_asked(slope):
    generator = np.random.default_rng(0)
    power = np.zeros(1025)
    for _ in range(20):
        pieces = coloured_noise(16 * 2048, generator, slope).reshape(16, 2048) * np.hanning(2048)
        power += (np.abs(np.fft.rfft(pieces)) ** 2).mean(axis=0)
    octaves = 10 * np.log10([power[low : 2 * low].mean() for low in (16, 32, 64, 128, 256, 512)])
    assert np.polyfit(range(6), octaves, 1)[0] == pytest.approx(slope, abs=0.3)


def test_the_level_of_coloured_noise_wanders_slowly():
    noise = coloured_noise(20 * SAMPLE_RATE, np.random.default_rng(1), 0.0)
    level = 10 * np.log10(np.square(noise.reshape(-1, SAMPLE_RATE // 10)).mean(axis=1))  # each 0.1 s
    assert 1.0 < level.std() < 4.0  # steady noise: 0.15 dB
    assert np.abs(np.diff(level)).mean() < 0.5 * level.std() * np.sqrt(2.0)  # neighbours are alike
    assert np.sqrt(np.mean(np.square(noise))) == pytest.approx(0.1, rel=1e-3)


def test_hum_has_energy_at_harmonics_of_the_mains_only():
    seen = set()
    for seed in range(8):
        power = np.abs(np.fft.rfft(hum(SAMPLE_RATE, np.random.default_rng(seed)) * np.hanning(SAMPLE_RATE))) ** 2
        shares = {}
        for mains in (50, 60):
            near = np.abs((np.arange(len(power)) + mains / 2) % mains - mains / 2) <= 4  # 4 Hz: the window and drift
            shares[mains] = power[near].sum() / power.sum()
        seen.add(max(shares, key=lambda mains: shares[mains]))
        assert max(shares.values()) > 0.99
    assert seen == {50, 60}


def test_babble_holds_several_voices_and_is_none_of_them():
    voices = tones()
    mixed = babble(voices, 2 * SAMPLE_RATE, np.random.default_rng(0), talkers=(6, 6))
    assert mixed.dtype == np.float32
    assert len(mixed) == 2 * SAMPLE_RATE
    spectrum = np.abs(np.fft.rfft(mixed))
    strong = [2 * 500 * (i + 1) for i in range(4) if spectrum[2 * 500 * (i + 1) - 4 :][:9].max() > 0.1 * spectrum.max()]
    assert len(strong) >= 3
    for voice in voices:
        alike = np.correlate(mixed, voice, "valid") / np.linalg.norm(voice)
        energy = np.sqrt(np.convolve(np.square(mixed), np.ones(len(voice)), "valid"))
        assert np.abs(alike / energy).max() < 0.9


def test_babble_is_the_same_for_a_seed_and_has_no_gaps():
    first, again, other = (babble(tones(), 48_000, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.square(first.reshape(-1, 800)).mean(axis=1).min() > 1e-4  # RMS is 0.1
    assert not babble([np.zeros(100, np.float32)], 1000, np.random.default_rng(0)).any()


@pytest.mark.parametrize("snr_db", [-3.0, 0.0, 12.5, 24.0])
def test_mixing_gives_the_ratio_that_was_asked_for(snr_db):
    generator = np.random.default_rng(0)
    word = generator.normal(0.0, 0.2, SAMPLE_RATE).astype(np.float32)
    speech = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), word, np.zeros(SAMPLE_RATE, np.float32)])
    noise = coloured_noise(len(speech), generator)
    added = mix(speech, noise, snr_db) - speech
    # The ratio is the word's, not that of a clip which is mostly pause: that would be 4.8 dB less.
    ratio = 10 * np.log10(np.mean(np.square(word)) / np.mean(np.square(added)))
    assert ratio == pytest.approx(snr_db, abs=0.1)


def test_active_power_leaves_out_pauses_and_whispers():
    loud = np.full(1600, 0.5, np.float32)
    assert active_power(loud) == pytest.approx(0.25)
    assert active_power(np.concatenate([loud, np.full(16_000, 0.01, np.float32)])) == pytest.approx(0.25)
    assert active_power(np.concatenate([loud, np.full(1600, 0.05, np.float32)])) == pytest.approx(0.12625)
    assert active_power(np.full(7, 0.5, np.float32)) == pytest.approx(0.25)


def test_silence_has_no_ratio_and_stays_what_it_was():
    silence, noise = np.zeros(800, np.float32), coloured_noise(800, np.random.default_rng(0))
    assert np.array_equal(mix(silence, noise, 0.0), silence)
    assert np.array_equal(mix(noise, silence, 0.0), noise)


def test_noise_that_cannot_be_made_is_refused():
    generator = np.random.default_rng(0)
    with pytest.raises(RequestError, match="0 voices"):
        babble([], 100, generator)
    with pytest.raises(RequestError, match="talkers"):
        babble(tones(), 100, generator, talkers=(3, 2))
    with pytest.raises(RequestError, match="as many"):
        mix(np.zeros(5, np.float32), np.zeros(4, np.float32), 0.0)
    with pytest.raises(RequestError, match="0 samples"):
        coloured_noise(0, generator)
