"""Reading, resampling, trimming: whatever comes in, 16 kHz mono float32 of the words alone comes out."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_bundle as tiny

from edge_s2i.audio import check_utterance, read_audio, to_mono_16k, trim_silence
from edge_s2i.audio.level import level_db
from edge_s2i.audio.ogg import is_truncated_ogg
from edge_s2i.errors import AudioError


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_a_tone_keeps_its_pitch_level_and_length(rate):
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(rate) / rate)
    samples = to_mono_16k(tone.astype(np.float32), rate)
    assert samples.dtype == np.float32
    assert abs(len(samples) - 16_000) <= 1
    spectrum = np.abs(np.fft.rfft(samples[:16_000] * np.hanning(len(samples[:16_000]))))
    assert spectrum.argmax() == pytest.approx(1_000, abs=2)
    assert np.abs(samples[2_000:-2_000]).max() == pytest.approx(0.5, abs=0.01)


def test_above_half_the_rate_nothing_folds_back():
    time = np.arange(48_000) / 48_000
    samples = to_mono_16k(np.sin(2 * np.pi * 11_000 * time).astype(np.float32), 48_000)
    assert np.abs(samples[1_000:-1_000]).max() < 1e-3


def test_channels_are_mixed():
    channels = np.stack([np.full(8_000, 0.2), np.full(8_000, 0.6)], axis=1)
    np.testing.assert_allclose(to_mono_16k(channels, 16_000), 0.4, atol=1e-6)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32])
def test_integers_reach_full_scale(kind):
    samples = to_mono_16k(np.array([np.iinfo(kind).min, 0, np.iinfo(kind).max], kind), 16_000)
    np.testing.assert_allclose(samples, [-1.0, 0.0, 1.0], atol=0.01)


def test_silence_is_trimmed_but_the_margin_kept():
    word = np.ones(8_000, np.float32) * np.tile([0.3, -0.3], 4_000).astype(np.float32)
    trimmed = trim_silence(np.pad(word, (16_000, 24_000)))
    assert len(trimmed) == 8_000 + 2 * 1_280


@pytest.mark.parametrize("seconds", [1, 10, 55])
def test_a_word_is_found_in_a_long_recording(seconds):
    generator = np.random.default_rng(0)
    recording = (0.001 * generator.standard_normal(seconds * 16_000 + 12_800)).astype(np.float32)
    recording[seconds * 8_000 : seconds * 8_000 + 12_800] += tiny.word(0)
    assert 6_000 < len(trim_silence(recording)) <= 12_800 + 2 * 1_280 + 160
    assert level_db(recording) > -25.0


def test_a_pause_inside_is_kept():
    word = np.tile(np.array([0.3, -0.3], np.float32), 2_000)
    phrase = np.concatenate([word, np.zeros(4_000, np.float32), word])
    assert len(trim_silence(np.pad(phrase, 16_000))) == len(phrase) + 2 * 1_280


def test_trimming_a_trimmed_word_changes_little():
    once = trim_silence(np.pad(tiny.word(0), 8_000))
    assert abs(len(trim_silence(once)) - len(once)) <= 2 * 160


@pytest.mark.parametrize("samples", [np.zeros(16_000, np.float32), np.ones(100, np.float32)])
def test_nothing_loud_comes_back_whole(samples):
    np.testing.assert_array_equal(trim_silence(samples), samples)


def test_length_limits():
    assert len(check_utterance(np.pad(tiny.word(0), 100_000))) <= 4 * 16_000
    with pytest.raises(AudioError, match=r"0\.10 s"):
        check_utterance(tiny.word(0)[:1_600], "x")
    with pytest.raises(AudioError, match=r"holds 4\.\d s"):
        check_utterance(np.tile(tiny.word(0), 6)[: 16_000 * 4 + 9_000])


def test_a_single_click_is_an_utterance_around_it():
    samples = np.zeros(5_000, np.float32)
    samples[4_700:4_960] = 0.5
    utterance = check_utterance(samples)
    assert len(utterance) == 3_200
    assert utterance.max() == 0.5


def test_reading_more_than_a_minute_is_refused_for_arrays_too():
    with pytest.raises(AudioError, match="61 s"):
        read_audio((np.zeros(61 * 8_000, np.float32), 8_000))


def test_ogg_is_judged_by_its_last_page():
    buffer = io.BytesIO()
    soundfile.write(buffer, tiny.word(0), 16_000, format="OGG", subtype="VORBIS")
    buffer.seek(5)
    assert not is_truncated_ogg(io.BytesIO(buffer.getvalue()))
    assert is_truncated_ogg(io.BytesIO(buffer.getvalue()[:-1]))
    assert not is_truncated_ogg(io.BytesIO(b"RIFF and so on"))
    assert not is_truncated_ogg(io.BytesIO(b""))
    whole = io.BytesIO(buffer.getvalue())
    is_truncated_ogg(whole)
    assert whole.tell() == 0


def test_an_ogg_whose_recorder_never_closed_it_is_read():
    """Two of the stamps' 7,418 recordings end without the end-of-stream flag and are whole."""
    buffer = io.BytesIO()
    soundfile.write(buffer, tiny.word(0), 16_000, format="OGG", subtype="VORBIS")
    content = bytearray(buffer.getvalue())
    content[content.rfind(b"OggS") + 5] &= ~4
    assert not is_truncated_ogg(io.BytesIO(bytes(content)))


def test_a_path_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "secret.wav"
    path.write_bytes(b"x")

    def deny(self, *_args, **_kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(AudioError, match="Permission denied"):
        read_audio(path)
