"""Filters, converters and codecs leave on the waveform what theirs are known to leave."""

from pathlib import Path

import numpy as np
import pytest

import edge_s2i
from edge_s2i.acoustics import channel
from edge_s2i.audio import read_audio
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import RequestError

WORD = Path(edge_s2i.__file__).parent / "examples" / "en-elephant.ogg"


def white(seconds=2.0, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.1, int(seconds * SAMPLE_RATE)).astype(np.float32)


def sine(hertz, seconds=1.0, peak=0.5):
    return (peak * np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


def band_db(samples, low, high):
    """Mean power between two frequencies in dB."""
    pieces = samples[: len(samples) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
    power = (np.abs(np.fft.rfft(pieces)) ** 2).mean(axis=0)
    hertz = np.fft.rfftfreq(1024, 1 / SAMPLE_RATE)
    return 10 * np.log10(power[(hertz >= low) & (hertz <= high)].mean() + 1e-12)


def snr_db(clean, noisy):
    clean, noisy = clean.astype(np.float64), noisy.astype(np.float64)
    return 10 * np.log10(np.square(clean).sum() / np.square(noisy - clean).sum())


@pytest.mark.parametrize("companded", [False, True])
def test_a_telephone_carries_300_to_3400_hertz(companded):
    samples = white()
    heard = channel.telephone(samples, companded)
    assert heard.dtype == np.float32
    assert len(heard) == len(samples)
    assert abs(band_db(heard, 400, 3200) - band_db(samples, 400, 3200)) < 1.0
    floor = 30.0 if companded else 35.0
    assert band_db(heard, 3700, 3950) < band_db(samples, 3700, 3950) - floor
    assert band_db(heard, 4300, 8000) < band_db(samples, 4300, 8000) - 50.0  # 8 kHz have no such frequencies
    assert band_db(heard, 0, 150) < band_db(samples, 0, 150) - floor


def test_mu_law_has_the_noise_of_the_standard_at_every_level():
    # ITU-T G.712 asks for 33 dB from 0 to -30 dB; eight bits of mu-law cannot give more than about 40.
    for level_db in (-1.0, -6.0, -15.0, -25.0, -30.0):
        samples = sine(440.7, peak=10 ** (level_db / 20))
        assert 34.0 < snr_db(samples, channel.mu_law(samples)) < 40.5
    # Uniform steps of as many bits lose a decibel for each decibel of level.
    assert snr_db(sine(440.7, peak=0.03), channel.quantize(sine(440.7, peak=0.03), 8)) < 25.0


def test_mu_law_is_the_code_of_g_711():
    every = np.arange(-8192, 8192) / np.float32(8192)
    values = np.unique(np.abs(channel.mu_law(every)) * 8192)
    assert len(values) == 128  # seven bits of magnitude; the eighth is the sign
    # Table 2a/G.711: the values of both ends and of the first steps of the first segments.
    assert values[:3].tolist() == [0.0, 2.0, 4.0]
    assert values[16:18].tolist() == [33.0, 37.0]
    assert values[-2:].tolist() == [7775.0, 8031.0]
    assert np.array_equal(channel.mu_law(-every), -channel.mu_law(every))


def test_opus_keeps_length_and_time_and_loses_more_at_fewer_bits():
    samples = read_audio(WORD)
    samples = 0.8 * samples / np.abs(samples).max()
    alike = {}
    for bitrate in (8_000, 32_000):
        heard = channel.opus(samples, bitrate)
        assert heard.dtype == np.float32
        assert len(heard) == len(samples)
        shifted = [
            np.corrcoef(samples[200:-200], heard[200 + lag : len(heard) - 200 + lag])[0, 1] for lag in range(-99, 100)
        ]
        assert abs(int(np.argmax(shifted)) - 99) <= 1  # samples
        alike[bitrate] = max(shifted)
    assert alike[32_000] > 0.98
    assert 0.8 < alike[8_000] < alike[32_000]


def test_opus_takes_what_is_hardly_anything():
    for samples in (np.zeros(0, np.float32), np.zeros(1, np.float32), white(0.01), 100 * white(0.2)):
        heard = channel.opus(samples)
        assert len(heard) == len(samples)
        assert np.isfinite(heard).all()


def test_band_limits_are_where_they_were_asked():
    samples = white()
    heard = channel.band_limit(samples, 200.0, 4000.0)
    assert abs(band_db(heard, 400, 2500) - band_db(samples, 400, 2500)) < 0.5
    # A Butterworth of order four: 3 dB at the edge, 24 dB an octave beyond it.
    assert np.sqrt(2 * np.mean(np.square(channel.band_limit(sine(4000.0), 0.0, 4000.0)[4000:]))) == pytest.approx(
        0.5 / np.sqrt(2.0), rel=0.02
    )
    assert band_db(heard, 60, 100) < band_db(samples, 60, 100) - 20.0
    assert band_db(heard, 7000, 8000) < band_db(samples, 7000, 8000) - 24.0
    assert np.array_equal(channel.band_limit(samples), samples)


def test_an_equalizer_has_the_response_it_was_given():
    gains = np.array([-12.0, -6.0, 0.0, 3.0, 0.0, 6.0, -9.0])
    for hertz, wanted in zip((100, 200, 400, 800, 1600, 3200, 6400), gains, strict=True):
        heard = channel.equalize(sine(hertz), gains)[2000:-2000]
        assert 20 * np.log10(np.sqrt(2 * np.mean(np.square(heard))) / 0.5) == pytest.approx(wanted, abs=1.5)


def test_an_equalizer_does_not_sound_before_its_cause():
    click = np.zeros(1000, np.float32)
    click[500] = 1.0
    heard = channel.equalize(click, np.array([9.0, 3.0, -6.0, 6.0, -3.0, 9.0, 0.0]))
    assert np.abs(heard[:500]).max() < 1e-5
    assert int(np.abs(heard).argmax()) - 500 in range(3)


def test_drawn_equalizers_deviate_as_asked():
    drawn = np.array([channel.draw_equalizer(np.random.default_rng(seed), 4.0) for seed in range(500)])
    assert np.allclose(drawn.mean(axis=1), 0.0, atol=1e-9)
    assert np.sqrt(np.mean(np.square(drawn))) == pytest.approx(4.0, rel=0.1)


def test_clipping_leaves_flat_tops_and_the_rest_as_it_was():
    samples = sine(100.0)
    clipped = channel.clip_peaks(samples, 6.0)
    top = 0.5 * 10 ** (-6 / 20)
    assert np.abs(clipped).max() == pytest.approx(top, rel=1e-4)
    # A sine is above half its peak for two thirds of the time.
    assert np.mean(np.abs(clipped) > 0.9999 * top) == pytest.approx(2 / 3, abs=0.01)
    inside = np.abs(samples) < 0.99 * top
    assert np.array_equal(clipped[inside], samples[inside])


def test_offset_gain_and_quantization_are_exact():
    samples = sine(250.0)
    assert channel.dc_offset(samples, 0.02).mean() == pytest.approx(0.02, abs=1e-5)
    assert np.allclose(channel.gain(samples, -20.0), 0.1 * samples, atol=1e-7)
    coarse = channel.quantize(samples, 4)
    assert set(np.unique(coarse * 8)) <= set(range(-8, 8))
    assert np.abs(coarse - samples).max() <= 1 / 16
    # 6.02 dB a bit, 1.76 dB for a sine (full scale; -6 dB here).
    assert snr_db(sine(441.3), channel.quantize(sine(441.3), 10)) == pytest.approx(6.02 * 10 + 1.76 - 6.02, abs=1.0)


def test_padding_adds_quiet_noise_and_leaves_the_speech():
    samples = sine(300.0, seconds=0.5)
    padded = channel.pad_silence(samples, 0.3, 0.2, np.random.default_rng(0), level_db=-60.0)
    assert len(padded) == SAMPLE_RATE
    assert np.array_equal(padded[4800 : 4800 + len(samples)], samples)
    pauses = np.concatenate([padded[:4800], padded[4800 + len(samples) :]])
    assert 10 * np.log10(np.mean(np.square(pauses))) == pytest.approx(-60.0, abs=0.1)
    assert np.array_equal(channel.pad_silence(samples, 0.0, 0.0, np.random.default_rng(0)), samples)


@pytest.mark.parametrize("length", [1, 3199, 3200, 3300, 16_000])
def test_trimming_takes_ends_and_leaves_a_fifth_of_a_second(length):
    samples = np.arange(length, dtype=np.float32)
    lengths = set()
    for seed in range(20):
        cut = channel.trim_randomly(samples, np.random.default_rng(seed), 0.1)
        assert min(length, 3200) <= len(cut) <= length
        assert len(cut) >= length - 3200
        assert np.array_equal(cut, samples[int(cut[0]) :][: len(cut)])
        lengths.add(len(cut))
    assert len(lengths) > 10 or length <= 3300


@pytest.mark.parametrize(
    "impossible",
    [
        lambda samples: channel.opus(samples, 100),
        lambda samples: channel.band_limit(samples, 500.0, 400.0),
        lambda samples: channel.quantize(samples, 1),
        lambda samples: channel.clip_peaks(samples, -1.0),
        lambda samples: channel.equalize(samples, np.zeros(3)),
        lambda samples: channel.trim_randomly(samples, np.random.default_rng(0), -1.0),
        lambda samples: channel.pad_silence(samples, -1.0, 0.0, np.random.default_rng(0)),
    ],
)
def test_impossible_channels_are_refused(impossible):
    with pytest.raises(RequestError):
        impossible(white(0.1))
