"""Each augmentation does what its name says to a log-mel, and only that."""

from dataclasses import replace

import pytest
import torch

from edge_s2i.audio.constants import LOG_FLOOR, MEL_BANDS
from edge_s2i.training.log_mel_augmentation import (
    LOG_POWER_PER_DB,
    LogMelAugmentationConfig,
    augment,
    draw_warp,
    mix,
    noise_power,
    reverberate,
    smooth_filter_db,
    spec_augment,
    unknown_sounds,
    warp,
)

NONE = LogMelAugmentationConfig(
    speed=(1.0, 1.0),
    vocal_tract=(1.0, 1.0),
    equalizer_db=0.0,
    tilt_db=0.0,
    band_limit_probability=0.0,
    reverberation_probability=0.0,
    noise_probability=0.0,
    gain_db=(0.0, 0.0),
    max_pad_frames=0,
    max_crop_frames=0,
)


@pytest.fixture
def speech() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(6, MEL_BANDS, 80) * 2.0 - 3.0, torch.tensor([80, 70, 60, 50, 40, 30])


def test_nothing_asked_for_changes_nothing(speech: tuple[torch.Tensor, torch.Tensor]) -> None:
    log_mel, lengths = speech
    result, new_lengths = augment(log_mel, lengths, NONE)
    assert new_lengths.tolist() == lengths.tolist()
    for clip, length in enumerate(lengths.tolist()):
        # Noise 60 dB down moves frames that are themselves far below the mean, and those only a little.
        torch.testing.assert_close(result[clip, :, :length], log_mel[clip, :, :length], atol=0.2, rtol=0)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_speed_changes_lengths(speech: tuple[torch.Tensor, torch.Tensor], factor: float) -> None:
    log_mel, lengths = speech
    drawn = draw_warp(lengths, replace(NONE, speed=(factor, factor)))
    warped, new_lengths = warp(log_mel, lengths, drawn), drawn.lengths
    assert new_lengths.tolist() == (lengths / factor).round().long().tolist()
    assert 0 <= warped.shape[2] - int(new_lengths.max()) < 16
    assert warped.shape[2] % 16 == 0
    # A frame of the slow one is the frame of the original at `factor` times its position.
    torch.testing.assert_close(warped[0, :, 20], log_mel[0, :, round(20 * factor)], atol=1e-3, rtol=1e-3)


def test_speeds_of_a_batch_are_as_alike_as_asked() -> None:
    torch.manual_seed(0)
    batches = [
        draw_warp(torch.full((64,), 100), LogMelAugmentationConfig(speed=(0.8, 1.2), alike_speeds=0.25)).speed
        for _ in range(50)
    ]
    assert all(float(speed.max() - speed.min()) <= 0.1 for speed in batches)
    drawn = torch.cat(batches)
    assert 0.8 <= float(drawn.min()) < 0.83
    assert 1.17 < float(drawn.max()) <= 1.2


def test_weakened_to_nothing_leaves_speech_and_to_one_is_the_same(speech: tuple[torch.Tensor, torch.Tensor]) -> None:
    log_mel, lengths = speech
    config = replace(LogMelAugmentationConfig(), gain_db=(0.0, 0.0), max_pad_frames=0, max_crop_frames=0)
    assert config.weakened(1.0) == config
    heard, same_lengths = augment(log_mel, lengths, config.weakened(0.0))
    assert torch.equal(same_lengths, lengths)
    for row, frames in enumerate(lengths.tolist()):
        # What is near the floor of a logarithm is lifted by it.
        torch.testing.assert_close(heard[row, :, :frames], log_mel[row, :, :frames], atol=0.2, rtol=0)


def test_vocal_tract_moves_bands() -> None:
    ramp = torch.arange(MEL_BANDS, dtype=torch.float32)[None, :, None].expand(1, MEL_BANDS, 30).contiguous()
    length = torch.tensor([30])
    warped = warp(ramp, length, draw_warp(length, replace(NONE, vocal_tract=(0.9, 0.9))))
    torch.testing.assert_close(warped[0, :, 10], 0.9 * ramp[0, :, 0], atol=1e-3, rtol=1e-3)


def test_equalizer_is_constant_over_time_and_smooth_over_bands() -> None:
    torch.manual_seed(0)
    curve = smooth_filter_db(200, LogMelAugmentationConfig(equalizer_db=5.0, tilt_db=0.0), torch.device("cpu"))
    assert curve.shape == (200, MEL_BANDS, 1)
    assert 3.0 < float(curve.std()) < 6.0
    assert float(curve.diff(dim=1).abs().max()) < 5.0


def test_reverberation_only_adds_after_a_sound() -> None:
    torch.manual_seed(0)
    power = torch.zeros(4, MEL_BANDS, 60)
    power[:, :, 20] = 1.0
    wet = reverberate(power, replace(NONE, reverberation_probability=1.0, decay_seconds=(0.3, 0.3)))
    assert float(wet[:, :, :20].abs().max()) == 0.0
    torch.testing.assert_close(wet[:, :, 20], power[:, :, 20])
    tail = wet[:, :, 21:55]
    assert bool((tail.diff(dim=2) < 0).all())
    decay_db = 10 * torch.log10(tail[0, 0, 0] / tail[0, 0, 30])
    assert abs(float(decay_db) - 60.0) < 1.0  # 30 frames are the 0.3 s after which 60 dB are gone
    level = replace(NONE, reverberation_probability=1.0, decay_seconds=(0.2, 0.2), late_db=(6.0, 6.0))
    late = reverberate(power, level)[:, :, 21:]
    torch.testing.assert_close(10 * torch.log10(late.sum(2)), torch.full((4, MEL_BANDS), 6.0), atol=0.01, rtol=0)
    fluttering = reverberate(power, replace(level, late_flutter_db=3.0))
    assert torch.equal(fluttering[:, :, :21], power[:, :, :21])
    flutter_db = 10 * torch.log10(fluttering[:, :, 21:30] / late[:, :, :9])
    assert 2.7 < float(flutter_db.std()) < 3.3


def test_noise_arrives_at_the_asked_ratio(speech: tuple[torch.Tensor, torch.Tensor]) -> None:
    log_mel, lengths = speech
    power = torch.exp(log_mel)
    noise = noise_power(power, LogMelAugmentationConfig(babble_share=0.5))
    snr = torch.tensor([-3.0, 0.0, 5.0, 10.0, 20.0, 24.0])
    added = mix(power, noise, lengths, snr) - power
    for clip, length in enumerate(lengths.tolist()):
        ratio = power[clip, :, :length].sum() / added[clip, :, :length].sum()
        assert abs(float(torch.log(ratio) / LOG_POWER_PER_DB) - float(snr[clip])) < 0.3


def test_band_limit_silences_the_top(speech: tuple[torch.Tensor, torch.Tensor]) -> None:
    log_mel, lengths = speech
    limited, _ = augment(log_mel, lengths, replace(NONE, band_limit_probability=1.0))
    floor = torch.log(torch.tensor(LOG_FLOOR))
    torch.testing.assert_close(limited[:, -1], floor.expand_as(limited[:, -1]))
    assert bool((limited[:, 30, :30] > floor + 1.0).any())


def test_spec_augment_masks_bands_and_times_within_bounds() -> None:
    torch.manual_seed(0)
    config = LogMelAugmentationConfig()
    features = torch.ones(64, MEL_BANDS, 100)
    masked = spec_augment(features, torch.full((64,), 100), config) == 0
    bands, frames = masked.all(dim=2).sum(1), masked.all(dim=1).sum(1)
    assert bool(masked.any())
    assert int(bands.max()) <= config.frequency_masks * config.frequency_mask_bands
    assert int(frames.max()) <= config.time_masks * config.time_mask_share * 100


def test_unknown_sounds_are_not_the_clips(speech: tuple[torch.Tensor, torch.Tensor]) -> None:
    log_mel, lengths = speech
    strange = unknown_sounds(log_mel, lengths, LogMelAugmentationConfig())
    assert strange.shape == log_mel.shape
    torch.testing.assert_close(strange[0, :, :80], log_mel[0].flip(1))  # reversed
    torch.testing.assert_close(strange[1, :, 0], log_mel[1, :, 35])  # its second half first
    assert float((strange[2] - log_mel[2]).abs().mean()) > 0.5  # noise


def test_seed_repeats_the_augmentation(speech: tuple[torch.Tensor, torch.Tensor]) -> None:
    results = []
    for _ in range(2):
        torch.manual_seed(7)
        results.append(augment(*speech, LogMelAugmentationConfig())[0])
    assert torch.equal(*results)
