"""The log-mel: NumPy's and torch's are one definition, and the constants say what they should."""

import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
import tiny_bundle as tiny

from edge_s2i.audio import constants, frame_count, log_mel, normalize_log_mel
from edge_s2i.audio.level import level_db, modulation, set_peak
from edge_s2i.audio.log_mel import analysis_window, mel_filterbank
from edge_s2i.models.torchaudio_import import import_torchaudio


def signals() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    time = np.arange(24_000) / constants.SAMPLE_RATE
    sweep = np.sin(2 * np.pi * (50 * time + 2_600 * time**2)).astype(np.float32)
    return {
        "word": tiny.word(0),
        "word in noise": tiny.word(1) + 0.01 * generator.standard_normal(12_800).astype(np.float32),
        "sweep": 0.7 * sweep,
        "quiet word": 1e-3 * tiny.word(2),
        "clipped word": np.clip(5.0 * tiny.word(3), -1.0, 1.0),
        "silence": np.zeros(8_000, np.float32),
        "shortest": tiny.word(4)[4_000:7_200],
    }


@pytest.mark.parametrize("name", signals())
def test_torch_twin_is_equal(name):
    torch = pytest.importorskip("torch")
    from edge_s2i.models.torch_log_mel import TorchLogMel

    samples = signals()[name].astype(np.float32)
    expected = log_mel(samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        actual = TorchLogMel()(torch.from_numpy(samples)[None])[0].numpy()
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_torch_normalization_is_equal_and_ignores_padding():
    torch = pytest.importorskip("torch")
    from edge_s2i.models.torch_log_mel import normalize_log_mel as normalize_torch

    features = [log_mel(tiny.word(index)[: 6_000 + 1_500 * index]) for index in range(3)]
    longest = max(item.shape[1] for item in features)
    batch = np.full((3, constants.MEL_BANDS, longest), 7.0, np.float32)
    for row, item in zip(batch, features, strict=True):
        row[:, : item.shape[1]] = item
    lengths = torch.tensor([item.shape[1] for item in features])
    actual = normalize_torch(torch.from_numpy(batch), lengths).numpy()
    for row, item in zip(actual, features, strict=True):
        np.testing.assert_allclose(row[:, : item.shape[1]], normalize_log_mel(item), atol=1e-4)
        assert not row[:, item.shape[1] :].any()


def test_constants_are_the_documented_times():
    assert constants.WINDOW_LENGTH / constants.SAMPLE_RATE == 0.025
    assert constants.HOP_LENGTH / constants.SAMPLE_RATE == 0.010
    assert constants.FFT_LENGTH >= constants.WINDOW_LENGTH
    assert constants.MEL_HIGH_HZ < constants.SAMPLE_RATE / 2


@pytest.mark.parametrize("samples", [512, 513, 671, 672, 3_200, 64_000])
def test_frame_count(samples):
    assert log_mel(np.zeros(samples, np.float32)).shape == (constants.MEL_BANDS, frame_count(samples))


def test_fewer_samples_than_a_window_have_no_frame():
    assert frame_count(511) == 0
    assert frame_count(0) == 0


@pytest.mark.parametrize("hertz", [100.0, 440.0, 1_000.0, 4_000.0, 7_000.0])
def test_tone_lands_in_its_band(hertz):
    time = np.arange(8_000) / constants.SAMPLE_RATE
    loudest = int(log_mel(np.sin(2 * np.pi * hertz * time).astype(np.float32)).mean(axis=1).argmax())
    edges = np.linspace(*(2595 * np.log10(1 + np.array([20.0, 7_600.0]) / 700)), constants.MEL_BANDS + 2)
    centre = 700 * (10 ** (edges[loudest + 1] / 2595) - 1)
    assert abs(centre - hertz) < max(40.0, 0.05 * hertz)


def test_silence_is_the_floor():
    np.testing.assert_allclose(log_mel(np.zeros(3_200, np.float32)), np.log(constants.LOG_FLOOR), atol=1e-4)


def test_a_stream_gives_the_same_frames():
    whole = log_mel(tiny.word(0))
    later = log_mel(tiny.word(0)[10 * constants.HOP_LENGTH :])
    np.testing.assert_allclose(later, whole[:, 10:], atol=1e-4)


def test_filterbank_and_window():
    filters = mel_filterbank()
    assert filters.shape == (constants.FFT_LENGTH // 2 + 1, constants.MEL_BANDS)
    assert filters.min() >= 0.0
    assert filters.max() <= 1.0
    assert (filters.sum(axis=0) > 0).all(), "a band without any bin hears nothing"
    window = analysis_window()
    assert window.shape == (constants.FFT_LENGTH,)
    assert np.count_nonzero(window) == constants.WINDOW_LENGTH - 1  # a periodic Hann window starts at 0


def test_normalization():
    features = normalize_log_mel(log_mel(tiny.word(0)))
    assert features.dtype == np.float32
    assert abs(features.mean()) < 1e-3
    assert abs(features.std() - 1.0) < 1e-2
    assert np.isfinite(normalize_log_mel(np.full((64, 20), -13.8, np.float32))).all()


def test_level():
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    assert level_db(tone) == pytest.approx(-3.01, abs=0.05)
    assert level_db(0.01 * tone) == pytest.approx(-43.01, abs=0.05)
    assert level_db(np.zeros(16_000, np.float32)) == -120.0
    assert level_db(np.zeros(3, np.float32)) == -120.0
    assert np.abs(set_peak(0.01 * tone)).max() == pytest.approx(0.8)
    assert not set_peak(np.zeros(10, np.float32)).any()
    assert set_peak(np.zeros(0, np.float32)).size == 0


def test_modulation_tells_speech_from_noise(white_noise):
    assert modulation(log_mel(white_noise)) < 0.17
    for index in range(len(tiny.CONCEPTS)):
        assert modulation(log_mel(tiny.word(index))) > 0.7


SHIM = """
import sys
{before}
from edge_s2i.models.torchaudio_import import import_torchaudio
torchaudio = import_torchaudio()
import torch
assert torchaudio.transforms.MelSpectrogram(16000)(torch.zeros(1, 4000)).shape[1] == 128
print("stubbed" if not torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE else "whole")
"""

# As the newest wheel does beside a CPU-only torch: the compiled part fails to load with an OSError.
BROKEN = """
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "torchaudio._extension":
            raise OSError("libc10_cuda.so: cannot open shared object file")

sys.meta_path.insert(0, Broken())
"""


def run_shim(before: str) -> str:
    pytest.importorskip("torch")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHIM.format(before=before)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.slow
def test_torchaudio_loads_where_its_compiled_part_does_not():
    assert run_shim(BROKEN) == "stubbed"


def test_torchaudio_is_left_alone_where_it_loads_plainly(monkeypatch):
    plain = types.ModuleType("torchaudio")
    monkeypatch.setitem(sys.modules, "torchaudio", plain)
    monkeypatch.delitem(sys.modules, "torchaudio._extension", raising=False)
    assert import_torchaudio() is plain
    assert "torchaudio._extension" not in sys.modules
