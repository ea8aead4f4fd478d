"""A recording chain gives usable speech whatever comes in, the same for a seed, with the effects it was asked for."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import edge_s2i
from edge_s2i.acoustics.chain import HEAVY, LIGHT, MODERATE, RecordingChain, record
from edge_s2i.acoustics.noise import active_power
from edge_s2i.acoustics.speaker import median_pitch
from edge_s2i.audio import read_audio
from edge_s2i.audio.constants import MAX_SECONDS, MIN_SECONDS, SAMPLE_RATE
from edge_s2i.errors import RequestError

EXAMPLES = Path(edge_s2i.__file__).parent / "examples"
PROBABILITIES = [field.name for field in fields(RecordingChain) if field.name.endswith("_probability")]
NOTHING = replace(MODERATE, **dict.fromkeys(PROBABILITIES, 0.0), peak_db=(0.0, 0.0))
EVERYTHING = replace(HEAVY, **dict.fromkeys(PROBABILITIES, 1.0))


@pytest.fixture(scope="module")
def voices():
    return [read_audio(EXAMPLES / f"{name}.ogg") for name in ("en-dog", "es-key", "fr-mug", "ru-key")]


@pytest.fixture(scope="module")
def rooms():
    """Decaying noise after a direct sound: rooms enough for a chain, and no simulation to wait for."""
    generator = np.random.default_rng(0)
    decays = [np.exp(-6.9 * np.arange(4000) / (0.3 * SAMPLE_RATE)) * generator.normal(0, 0.1, 4000) for _ in range(3)]
    return [np.concatenate([[1.0], decay[1:]]).astype(np.float32) for decay in decays]


def test_the_same_seed_gives_the_same_recording(voices, rooms):
    for chain in (MODERATE, EVERYTHING):
        first, again, other = (
            record(voices[0], np.random.default_rng(seed), chain, rooms, voices) for seed in (1, 1, 2)
        )
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


@pytest.mark.parametrize("length", [1, 2, 200, 3199, 3200, 16_000, 64_000, 70_000])
@pytest.mark.parametrize("kind", ["zeros", "constant", "loud", "click", "whisper"])
def test_whatever_comes_in_usable_audio_comes_out(kind, length, voices, rooms):
    generator = np.random.default_rng(0)
    samples = {
        "zeros": np.zeros(length),
        "constant": np.full(length, 0.4),
        "loud": generator.normal(0.0, 30.0, length),
        "click": np.eye(1, length)[0],
        "whisper": generator.normal(0.0, 1e-4, length),
    }[kind].astype(np.float32)
    before = samples.copy()
    for chain in (EVERYTHING, MODERATE):
        heard = record(samples, generator, chain, rooms, voices)
        assert heard.dtype == np.float32
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() <= 1.0
        assert min(length, MIN_SECONDS * SAMPLE_RATE) <= len(heard) <= max(length, MAX_SECONDS * SAMPLE_RATE)
    assert np.array_equal(samples, before)


def test_the_longest_and_shortest_words_stay_within_what_the_device_hears(voices, rooms):
    longest = np.resize(voices[1], int(MAX_SECONDS * SAMPLE_RATE))
    shortest = voices[1][2000 : 2000 + int(MIN_SECONDS * SAMPLE_RATE)]
    for seed in range(5):
        for samples in (longest, shortest):
            heard = record(samples, np.random.default_rng(seed), HEAVY, rooms, voices)
            assert MIN_SECONDS * SAMPLE_RATE <= len(heard) <= MAX_SECONDS * SAMPLE_RATE


def test_silence_stays_silence(voices, rooms):
    quiet = replace(EVERYTHING, offset_probability=0.0, codec_probability=0.0)
    assert np.abs(record(np.zeros(16_000, np.float32), np.random.default_rng(0), quiet, rooms, voices)).max() < 1e-6


def test_a_chain_of_nothing_sets_the_level_alone(voices):
    heard = record(voices[0], np.random.default_rng(0), NOTHING)
    assert np.allclose(heard, voices[0] / np.abs(voices[0]).max(), atol=1e-6)


@pytest.mark.parametrize("snr_db", [-3.0, 20.0])
def test_noise_is_as_loud_as_asked(voices, snr_db):
    chain = replace(NOTHING, noise_probability=1.0, noise_shares=(1.0, 0.0, 0.0), snr_db=(snr_db, snr_db))
    for seed in range(3):
        heard = record(voices[1], np.random.default_rng(seed), chain)
        share = np.dot(heard, voices[1]) / np.dot(voices[1], voices[1])  # the level of the speech in it
        noise = heard - share * voices[1]
        ratio = 10 * np.log10(active_power(share * voices[1]) / np.mean(np.square(noise)))
        assert ratio == pytest.approx(snr_db, abs=0.5)


def test_the_room_is_heard_before_the_noise_and_the_codec_after(voices, rooms):
    """White noise through a telephone has the telephone's band, and no echo of a room."""
    noisy = replace(
        NOTHING,
        room_probability=1.0,
        noise_probability=1.0,
        noise_shares=(1.0, 0.0, 0.0),
        noise_slope=(0.0, 0.0),
        snr_db=(-3.0, -3.0),
        codec_probability=1.0,
        codec_shares=(1.0, 0.0, 0.0, 0.0),
    )
    echo = np.zeros(3000, np.float32)
    echo[[0, 2999]] = 1.0
    generator = np.random.default_rng(0)
    click = np.zeros(32_000, np.float32)
    click[:320] = generator.normal(0.0, 0.5, 320)
    heard = record(click, generator, noisy, [echo], voices)
    power = np.abs(np.fft.rfft(heard)) ** 2
    hertz = np.fft.rfftfreq(len(heard), 1 / SAMPLE_RATE)
    assert power[hertz > 4200].sum() < 1e-4 * power.sum()
    pause = heard[6000:].astype(np.float64)
    alike = np.dot(pause[:-2999], pause[2999:]) / np.dot(pause, pause)
    assert abs(alike) < 0.1  # 0.5 if the noise had gone through the room


def test_another_voice_has_another_pitch(voices):
    chain = replace(NOTHING, voice_probability=1.0, voice_reach=1.0)
    old = median_pitch(voices[3])
    pitches = [median_pitch(record(voices[3], np.random.default_rng(seed), chain)) for seed in range(12)]
    assert max(pitches) > 1.5 * old
    assert min(pitches) < 0.9 * old


def test_heavier_chains_leave_less_of_the_speech(voices, rooms):
    gentle = {"voice_probability": 0.0, "speed_probability": 0.0, "pad_probability": 0.0, "trim_probability": 0.0}
    alike = []
    for strength in (LIGHT, MODERATE, HEAVY):
        chain = replace(strength, **gentle)
        correlations = []
        for seed in range(24):
            heard = record(voices[seed % 4], np.random.default_rng(seed), chain, rooms, voices)
            clean = voices[seed % 4][: len(heard)]
            spectra = [np.log(np.abs(np.fft.rfft(x[: len(clean)])) + 1e-3) for x in (clean, heard)]
            correlations.append(np.corrcoef(*spectra)[0, 1])
        alike.append(np.mean(correlations))
    assert alike[0] > alike[1] > alike[2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("room_probability", 1.2),
        ("voice_reach", -0.1),
        ("speed", (1.1, 0.9)),
        ("snr_db", (np.nan, 3.0)),
        ("noise_shares", (0.0, 0.0, 0.0)),
        ("codec_shares", (1.0, 1.0)),
        ("opus_bitrate", (100, 9_000)),
        ("bits", (1, 8)),
        ("talkers", (0, 2)),
        ("peak_db", (-3.0, 3.0)),
        ("band_low_hz", (100.0, 5_000.0)),
    ],
)
def test_impossible_chains_are_refused_when_they_are_built(name, value):
    with pytest.raises(RequestError, match=name):
        RecordingChain(**{name: value})


def test_lists_of_a_configuration_file_become_tuples():
    assert RecordingChain(snr_db=[0.0, 9.0]).snr_db == (0.0, 9.0)
    assert hash(RecordingChain(noise_shares=[1, 0, 0]))


def test_what_a_chain_needs_is_asked_for(voices, rooms):
    generator = np.random.default_rng(0)
    with pytest.raises(RequestError, match="room_bank"):
        record(voices[0], generator, MODERATE, [], voices)
    with pytest.raises(RequestError, match="babble"):
        record(voices[0], generator, MODERATE, rooms, [])
    with pytest.raises(RequestError, match="0 samples"):
        record(np.zeros(0, np.float32), generator, NOTHING)
    with pytest.raises(RequestError, match="finite"):
        record(np.array([np.inf], np.float32), generator, NOTHING)
