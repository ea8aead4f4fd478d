"""Pitch, formants and tempo move when asked, by what was asked, and not when the others are."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter, resample_poly

import edge_s2i
from edge_s2i.acoustics.speaker import Speaker, change_speed, change_voice, draw_speaker, median_pitch, speak_as
from edge_s2i.audio import read_audio
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import RequestError

CREAKING = Path(edge_s2i.__file__).parent / "examples" / "es-crown.ogg"
FORMANTS_HZ = (700.0, 1220.0, 2600.0)  # of an open vowel


def vowel(pitch_hz=120.0, seconds=0.8):
    """A rising pulse train through three resonances: pitch and formants are known exactly."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hertz = pitch_hz * (1.0 + 0.15 * (2.0 * time / seconds - 1.0))
    samples = np.diff(np.floor(np.cumsum(hertz) / SAMPLE_RATE), prepend=0.0)
    for formant in FORMANTS_HZ:
        radius = np.exp(-np.pi * 80.0 / SAMPLE_RATE)
        poles = [1.0, -2.0 * radius * np.cos(2 * np.pi * formant / SAMPLE_RATE), radius**2]
        samples = lfilter([1.0], poles, samples)
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def formants_of(samples):
    """The three resonances of linear prediction below 4 kHz (Markel & Gray 1976), in Hz."""
    low = resample_poly(samples[1000:-1000], 1, 2)
    low = low * np.hanning(len(low))
    correlation = np.correlate(low, low, "full")[len(low) - 1 :][:9]
    roots = np.roots([1.0, *-solve_toeplitz(correlation[:8], correlation[1:])])
    sharp = roots[(roots.imag > 0) & (np.abs(roots) > 0.85)]
    return np.sort(np.angle(sharp))[:3] * (SAMPLE_RATE / 2) / (2 * np.pi)


def test_pitch_moves_by_the_factor_and_formants_stay():
    samples = vowel()
    higher = change_voice(samples, pitch=1.5)
    assert median_pitch(samples) == pytest.approx(120.0, rel=0.03)
    assert median_pitch(higher) == pytest.approx(180.0, rel=0.03)
    assert np.allclose(formants_of(samples), FORMANTS_HZ, rtol=0.06)
    assert np.allclose(formants_of(higher), FORMANTS_HZ, rtol=0.08)
    assert len(higher) == pytest.approx(len(samples), rel=0.01)
    assert median_pitch(change_voice(samples, pitch_hz=95.0)) == pytest.approx(95.0, rel=0.03)


@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_formants_move_by_the_factor_and_pitch_stays(factor):
    changed = change_voice(vowel(), formants=factor)
    assert np.allclose(formants_of(changed), np.multiply(FORMANTS_HZ, factor), rtol=0.08)
    assert median_pitch(changed) == pytest.approx(120.0, rel=0.03)
    assert len(changed) == pytest.approx(len(vowel()), rel=0.01)


def test_the_melody_widens_and_flattens():
    def span(samples):
        third = len(samples) // 3
        return median_pitch(samples[-third:]) - median_pitch(samples[:third])

    assert span(change_voice(vowel(), pitch_range=2.0)) == pytest.approx(2.0 * span(vowel()), rel=0.15)
    assert abs(span(change_voice(vowel(), pitch_range=0.0))) < 0.1 * span(vowel())


def test_the_same_call_gives_the_same_samples():
    # Praat draws random pieces of what has no pitch, as the consonants of a word.
    word = read_audio(CREAKING)
    first, again = (change_voice(word, formants=1.1, duration=1.2) for _ in range(2))
    assert np.array_equal(first, again)


def test_duration_changes_neither_pitch_nor_formants():
    slower = change_voice(vowel(), duration=1.3)
    assert len(slower) == pytest.approx(1.3 * len(vowel()), rel=0.01)
    assert median_pitch(slower) == pytest.approx(120.0, rel=0.03)
    assert np.allclose(formants_of(slower), FORMANTS_HZ, rtol=0.06)


def test_speed_moves_pitch_and_length_together():
    faster = change_speed(vowel(), 1.2)
    assert len(faster) == pytest.approx(len(vowel()) / 1.2, abs=2)
    assert median_pitch(faster) == pytest.approx(1.2 * 120.0, rel=0.03)
    assert np.allclose(formants_of(faster), np.multiply(FORMANTS_HZ, 1.2), rtol=0.06)


@pytest.mark.parametrize("length", [1, 100, 686, 687, 700, 16_000])
def test_sounds_without_pitch_come_back_finite_and_without_a_warning(length, recwarn):
    noise = np.random.default_rng(0).normal(0.0, 0.1, length).astype(np.float32)
    for samples in (noise, np.zeros(length, np.float32), np.full(length, 0.3, np.float32)):
        for changed in (
            change_voice(samples, formants=1.2, pitch=1.4, pitch_range=1.5, duration=1.25),
            speak_as(samples, Speaker(pitch_hz=300.0, formants=1.3, duration=1.25)),
        ):
            assert changed.dtype == np.float32
            assert np.isfinite(changed).all()
            assert len(changed) == pytest.approx(1.25 * length if length > 686 else length, abs=2)
    assert not recwarn.list
    if length == 16_000:
        assert change_voice(noise, duration=1.25).std() > 0.05  # still noise, not silence


def test_a_melody_stretched_below_zero_ends():
    # Notes of 71 Hz beside a median of 295 Hz: Praat itself would go on for ever, hence another process.
    program = f"""
from edge_s2i.acoustics.speaker import change_voice
from edge_s2i.audio import read_audio
print(len(change_voice(read_audio({str(CREAKING)!r}), formants=0.75, pitch=0.5, pitch_range=1.42)))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert int(run.stdout) == pytest.approx(len(read_audio(CREAKING)), abs=2)


def test_a_drawn_speaker_is_met_by_the_recording():
    samples = vowel(120.0)
    for speaker in (Speaker(pitch_hz=200.0, formants=1.15), Speaker(pitch_hz=85.0, formants=0.9)):
        assert median_pitch(speak_as(samples, speaker)) == pytest.approx(speaker.pitch_hz, rel=0.04)
    # Somebody more than an octave away is met half-way, and no reach is no change.
    assert median_pitch(speak_as(samples, Speaker(pitch_hz=320.0, formants=1.3))) == pytest.approx(240.0, rel=0.04)
    assert median_pitch(speak_as(samples, Speaker(pitch_hz=200.0, formants=1.2), reach=0.0)) == pytest.approx(
        120.0, rel=0.03
    )
    slow = Speaker(pitch_hz=120.0, formants=1.0, duration=1.25)
    assert len(speak_as(samples, slow, longest=14_000)) <= 14_001


def test_drawn_speakers_reach_from_child_to_deep_adult():
    speakers = [draw_speaker(np.random.default_rng([0, number])) for number in range(300)]
    pitch = np.array([speaker.pitch_hz for speaker in speakers])
    formants = np.array([speaker.formants for speaker in speakers])
    assert pitch.min() < 90.0
    assert pitch.max() > 300.0
    assert np.corrcoef(np.log(pitch), np.log(formants))[0, 1] > 0.8
    assert speakers[0] == draw_speaker(np.random.default_rng([0, 0]))


@pytest.mark.parametrize(
    "arguments", [{"formants": 0.0}, {"pitch": 9.0}, {"duration": -1.0}, {"pitch_hz": 5.0}, {"pitch_range": np.nan}]
)
def test_impossible_voices_are_refused(arguments):
    with pytest.raises(RequestError, match=next(iter(arguments))):
        change_voice(vowel(), **arguments)
