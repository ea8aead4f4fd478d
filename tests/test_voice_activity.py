"""Both detectors on people, on noise, and on what follows them."""

from pathlib import Path

import numpy as np
import pytest
import speech_streams as streams
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.audio import read_audio
from edge_s2i.errors import BundleError
from edge_s2i.runtime import voice_activity
from edge_s2i.runtime.voice_activity import WINDOW, EnergyDetector, SileroDetector, open_voice_detector

EXAMPLES = sorted((Path(edge_s2i.__file__).parent / "examples").glob("*.ogg"))


def probabilities(detector, samples: np.ndarray) -> np.ndarray:
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    return np.array([detector.probability(window) for window in windows])


@pytest.mark.parametrize("name", ["silero", "energy"])
@pytest.mark.parametrize("path", EXAMPLES[::4], ids=lambda path: path.stem)
def test_people_are_voices_and_the_silence_around_them_is_not(name, path):
    speech = read_audio(path)
    stream = np.concatenate([streams.silence(1.0), speech, streams.silence(1.0, 1)])
    heard = probabilities(open_voice_detector(name), stream) >= 0.5
    begin, end = 16_000 // WINDOW, (16_000 + len(speech)) // WINDOW
    assert not heard[: begin - 1].any()
    assert heard[begin : end + 1].mean() > 0.4
    assert not heard[end + 4 :].any()


def test_silero_does_not_take_noise_hum_or_clicks_for_a_voice(white_noise):
    hum = (0.3 * np.sin(np.arange(32_000) * 0.04)).astype(np.float32)
    clicks = np.zeros(32_000, np.float32)
    clicks[::4_000] = 0.9
    for sound in (white_noise, hum, clicks):
        assert (probabilities(SileroDetector(), sound) < 0.5).mean() > 0.95


def test_a_noise_that_stays_is_no_voice_to_the_energy_detector_after_some_seconds(white_noise):
    stream = np.concatenate([streams.silence(1.0), np.tile(white_noise, 15)])
    heard = probabilities(EnergyDetector(), stream) >= 0.5
    assert heard[40:60].all()
    assert not heard[-100:].any()
    loud = np.tile(white_noise, 15) * np.float32(0.2)
    loud[-16_000:-3_200] += tiny.word(2)
    assert (probabilities(EnergyDetector(), loud) >= 0.5)[-20:-6].any()  # a voice above the noise is one again


def test_the_energy_detector_starts_in_mid_word_and_knows_digital_silence():
    assert (probabilities(EnergyDetector(), tiny.word(1)[4_000:]) >= 0.5).any()
    assert (probabilities(EnergyDetector(), np.zeros(16_000, np.float32)) < 0.01).all()


@pytest.mark.parametrize("name", ["silero", "energy"])
def test_streams_do_not_hear_each_other_and_reset_forgets(name):
    speech = read_audio(EXAMPLES[0])
    alone = probabilities(open_voice_detector(name), speech)
    first, second = open_voice_detector(name), open_voice_detector(name)
    probabilities(second, np.tile(speech, 3))
    np.testing.assert_array_equal(probabilities(first, speech), alone)
    second.reset()
    np.testing.assert_array_equal(probabilities(second, speech), alone)


def test_a_missing_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(voice_activity, "MODEL_PATH", tmp_path / "silero.onnx")
    voice_activity._silero_session.cache_clear()
    try:
        with pytest.raises(BundleError, match="energy detector"):
            SileroDetector()
    finally:
        voice_activity._silero_session.cache_clear()


def test_the_network_is_the_published_one_with_its_licence():
    import hashlib

    published = "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87"  # silero-vad 6.2.3
    assert hashlib.sha256(voice_activity.MODEL_PATH.read_bytes()).hexdigest() == published
    assert "MIT License" in (voice_activity.MODEL_PATH.parent / "LICENSE.MIT").read_text()
