"""Augmentation of speech on a batch of log-mels, vectorized: a room, a microphone, a speaker and a clock, varied.

Mel power is close to additive for independent sounds and a room's late decay is close to a convolution of the power
envelope, so noise, babble and reverberation are applied to mel power; a filter is a sum in the log domain; speed
and vocal-tract length are resampling along time and along mel. All of it costs a few milliseconds a batch, where
the same on waveforms costs more than the encoder's step.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from edge_s2i.audio.constants import LOG_FLOOR, MEL_BANDS

LOG_POWER_PER_DB = math.log(10.0) / 10.0
# Batches are as long as a multiple of so many frames: oneDNN makes every kernel for one shape, and making them anew for
# each of hundreds of lengths took two thirds of a step.
_FRAMES_TOGETHER = 16


@dataclass(frozen=True)
class LogMelAugmentationConfig:
    """Strengths; probabilities are a clip's chance of an effect, ranges are drawn uniformly."""

    speed: tuple[float, float] = (0.85, 1.2)
    vocal_tract: tuple[float, float] = (0.89, 1.12)  # factor on the mel axis; 1 leaves it
    equalizer_db: float = 3.5  # deviation of the random smooth filter
    tilt_db: float = 6.0  # over the whole mel range
    band_limit_probability: float = 0.08
    reverberation_probability: float = 0.25
    decay_seconds: tuple[float, float] = (0.1, 0.7)  # RT60
    late_db: tuple[float, float] = (-12.0, 3.0)  # energy of what comes late, beside the direct sound's
    late_flutter_db: float = 0.0  # deviation of what comes late: many paths add up to more here and less there
    noise_probability: float = 0.4
    snr_db: tuple[float, float] = (5.0, 35.0)
    babble_share: float = 0.4  # of noisy clips: other clips of the batch instead of stationary noise
    gain_db: tuple[float, float] = (-30.0, 3.0)
    max_pad_frames: int = 6  # leading and trailing background kept around the utterance
    max_crop_frames: int = 4
    frequency_masks: int = 2
    frequency_mask_bands: int = 7
    time_masks: int = 2
    time_mask_share: float = 0.06  # of the utterance's frames, each mask at most
    alike_speeds: float = 1.0  # a batch's speeds lie within this share of the range: little padding where it is small

    def weakened(self, strength: float) -> "LogMelAugmentationConfig":
        """The same at `strength`, from 0, which leaves speech all but as it is, to 1."""

        def towards(usual: float, bounds: tuple[float, float]) -> tuple[float, float]:
            low, high = (usual + (bound - usual) * strength for bound in bounds)
            return low, high

        return replace(
            self,
            speed=towards(1.0, self.speed),
            vocal_tract=towards(1.0, self.vocal_tract),
            equalizer_db=self.equalizer_db * strength,
            tilt_db=self.tilt_db * strength,
            band_limit_probability=self.band_limit_probability * strength,
            reverberation_probability=self.reverberation_probability * strength,
            noise_probability=self.noise_probability * strength,
            frequency_mask_bands=round(self.frequency_mask_bands * strength),
            time_mask_share=self.time_mask_share * strength,
        )


def _uniform(batch: int, low: float, high: float, device: torch.device) -> torch.Tensor:
    return torch.empty(batch, device=device).uniform_(low, high)


def _chance(batch: int, probability: float, device: torch.device) -> torch.Tensor:
    return torch.rand(batch, device=device) < probability


@dataclass(frozen=True)
class Warp:
    """How each utterance of a batch is moved in time and over bands, all (B,).

    speed: above 1 is faster. stretch: factor on the mel axis. lead: frames in front, below 0 where some are cut off.
    lengths: frames of what comes out.
    """

    speed: torch.Tensor
    stretch: torch.Tensor
    lead: torch.Tensor
    lengths: torch.Tensor

    def times(self, frames: torch.Tensor) -> torch.Tensor:
        """Where frames (S,) of what comes out were in what goes in, (B, S)."""
        return (frames - self.lead[:, None]) * self.speed[:, None]


def draw_warp(lengths: torch.Tensor, config: LogMelAugmentationConfig) -> Warp:
    """Draws speed, vocal-tract length, cropping and padding for utterances of `lengths` (B,)."""
    batch, device = len(lengths), lengths.device
    slowest, fastest = config.speed
    width = (fastest - slowest) * config.alike_speeds
    slowest += float(torch.rand(())) * (fastest - slowest - width)
    speed = _uniform(batch, slowest, slowest + width, device)
    stretch = _uniform(batch, *config.vocal_tract, device)
    crop = torch.minimum(_uniform(batch, 0, config.max_crop_frames, device), lengths * 0.05)
    lead = _uniform(batch, 0, config.max_pad_frames, device) - crop
    tail = _uniform(batch, 0, config.max_pad_frames, device) - crop
    return Warp(speed, stretch, lead, (lengths / speed + lead + tail).round().clamp(min=16).long())


def warp(log_mel: torch.Tensor, lengths: torch.Tensor, drawn: Warp) -> torch.Tensor:
    """All of `drawn` in one bilinear resampling.

    log_mel (B, MEL_BANDS, T) of `lengths` (B,) -> (B, MEL_BANDS, max(drawn.lengths) or a little more); outside the
    utterance its own quietest frame goes on.
    """
    batch, bands, _ = log_mel.shape
    device = log_mel.device
    frames = -(-int(drawn.lengths.max()) // _FRAMES_TOGETHER) * _FRAMES_TOGETHER
    time = drawn.times(torch.arange(frames, device=device))
    band = torch.arange(bands, device=device)[None, :] * drawn.stretch[:, None]  # (B, bands) in source
    inside = (time >= 0) & (time <= (lengths - 1)[:, None])
    quietest = log_mel.mean(dim=1).argmin(dim=1)
    background = log_mel[torch.arange(batch, device=device), :, quietest][:, :, None]
    grid_x = 2.0 * time / max(log_mel.shape[2] - 1, 1) - 1.0
    grid_y = 2.0 * band / (bands - 1) - 1.0
    grid = torch.stack(
        [grid_x[:, None, :].expand(batch, bands, frames), grid_y[:, :, None].expand(batch, bands, frames)],
        dim=3,
    )
    warped = F.grid_sample(log_mel[:, None], grid, mode="bilinear", padding_mode="border", align_corners=True)[:, 0]
    return torch.where(inside[:, None, :], warped, background)


def smooth_filter_db(batch: int, config: LogMelAugmentationConfig, device: torch.device) -> torch.Tensor:
    """Random smooth microphone responses, (B, MEL_BANDS, 1) in dB: eight random points interpolated, and a tilt."""
    points = torch.randn(batch, 1, 8, device=device) * config.equalizer_db
    curve = F.interpolate(points, size=MEL_BANDS, mode="linear", align_corners=True)[:, 0]
    tilt = _uniform(batch, -config.tilt_db, config.tilt_db, device)[:, None]
    ramp = torch.linspace(-0.5, 0.5, MEL_BANDS, device=device)[None, :]
    return (curve + tilt * ramp)[:, :, None]


def reverberate(power: torch.Tensor, config: LogMelAugmentationConfig) -> torch.Tensor:
    """Adds an exponentially decaying late tail to mel power (B, MEL_BANDS, T), for a random share of the batch."""
    batch = power.shape[0]
    device = power.device
    taps = 40  # 0.4 s of tail
    decay = _uniform(batch, *config.decay_seconds, device)
    frames = torch.arange(1, taps, device=device)[None, :]
    tail = torch.exp(-13.8 * 0.01 * frames / decay[:, None])  # -60 dB after `decay` seconds
    level = 10 ** (_uniform(batch, *config.late_db, device) / 10)[:, None]
    wet = torch.nonzero(_chance(batch, config.reverberation_probability, device))[:, 0]
    if not len(wet):
        return power
    tail = (tail / tail.sum(1, keepdim=True) * level)[wet]
    kernel = F.pad(tail, (1, 0)).flip(1)[:, None]  # the direct sound is no part of what comes late
    padded = F.pad(power[wet].transpose(0, 1), (taps - 1, 0))
    late = F.conv1d(padded, kernel, groups=len(wet)).transpose(0, 1)
    if config.late_flutter_db > 0:
        late = late * torch.exp(torch.randn_like(late) * (config.late_flutter_db * LOG_POWER_PER_DB))
    return power.index_add(0, wet, late)


def noise_power(
    power: torch.Tensor, config: LogMelAugmentationConfig, rows: torch.Tensor | None = None
) -> torch.Tensor:
    """Noise for `rows` (N,) of power (B, MEL_BANDS, T), or for all: (N, MEL_BANDS, T).

    Coloured and slowly moving, or babble of three clips of the batch.
    """
    batch, bands, frames = power.shape
    device = power.device
    count = batch if rows is None else len(rows)
    choose = _chance(count, config.babble_share, device)
    noise = power.new_empty(count, bands, frames)
    still = torch.nonzero(~choose)[:, 0]
    colour = smooth_filter_db(len(still), LogMelAugmentationConfig(equalizer_db=8.0, tilt_db=20.0), device)
    envelope_db = F.interpolate(
        torch.randn(len(still), 1, max(2, frames // 25), device=device) * 3.0,
        size=frames,
        mode="linear",
        align_corners=True,
    )
    # Power of a noise band over 25 ms is about chi-squared with a few degrees of freedom: 2 to 3 dB of flutter.
    flutter_db = torch.randn(len(still), bands, frames, device=device).mul_(2.5)
    noise[still] = flutter_db.add_(colour).add_(envelope_db).mul_(LOG_POWER_PER_DB).exp_()
    babbling = torch.nonzero(choose)[:, 0]
    noise[babbling] = sum(
        power[torch.randint(0, batch, (len(babbling),), device=device)].roll(int(torch.randint(0, frames, ())), dims=2)
        for _ in range(3)
    )
    return noise


def mix(power: torch.Tensor, noise: torch.Tensor, lengths: torch.Tensor, snr_db: torch.Tensor) -> torch.Tensor:
    """power + noise at `snr_db` (B,) measured on mean mel power over the valid frames of each clip."""
    mask = (torch.arange(power.shape[2], device=power.device)[None, :] < lengths[:, None])[:, None]
    speech_level = (power * mask).sum((1, 2))
    noise_level = (noise * mask).sum((1, 2)).clamp(min=1e-12)
    gain = speech_level / noise_level * 10 ** (-snr_db / 10)
    return power + noise * gain[:, None, None]


def augment(
    log_mel: torch.Tensor, lengths: torch.Tensor, config: LogMelAugmentationConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    """Everything but SpecAugment, on unnormalized log-mel (B, MEL_BANDS, T), lengths (B,) -> the same, new lengths."""
    drawn = draw_warp(lengths, config)
    return surround(warp(log_mel, lengths, drawn), drawn.lengths, config), drawn.lengths


def surround(log_mel: torch.Tensor, lengths: torch.Tensor, config: LogMelAugmentationConfig) -> torch.Tensor:
    """What a room, noise and a microphone make of a speaker's log-mel (B, MEL_BANDS, T), frame for frame."""
    batch = log_mel.shape[0]
    device = log_mel.device
    power = (log_mel + smooth_filter_db(batch, config, device) * LOG_POWER_PER_DB).exp_()
    power = reverberate(power, config)
    noisy = torch.nonzero(_chance(batch, config.noise_probability, device))[:, 0]
    if len(noisy):
        snr = _uniform(len(noisy), *config.snr_db, device)
        power[noisy] = mix(power[noisy], noise_power(power, config, noisy), lengths[noisy], snr)
    # A second filter, of the microphone that hears speech and noise alike; band limits silence what is outside.
    gain_db = _uniform(batch, *config.gain_db, device)[:, None, None]
    response = torch.exp((smooth_filter_db(batch, config, device) * 0.5 + gain_db) * LOG_POWER_PER_DB)
    bands = torch.arange(MEL_BANDS, device=device)[None, :]
    low = torch.randint(0, 8, (batch, 1), device=device)
    high = torch.randint(44, MEL_BANDS, (batch, 1), device=device)  # band 44 is about 3.4 kHz: the telephone
    limited = _chance(batch, config.band_limit_probability, device)[:, None]
    keep = ~limited | ((bands >= low) & (bands <= high))
    return power.mul_(response * keep[:, :, None]).add_(LOG_FLOOR).log_()


def spec_augment(features: torch.Tensor, lengths: torch.Tensor, config: LogMelAugmentationConfig) -> torch.Tensor:
    """Masks bands and spans of time with 0, the mean of a normalized log-mel (arXiv 1904.08779, without warping)."""
    batch, bands, frames = features.shape
    device = features.device
    band = torch.arange(bands, device=device)[None, :]
    frame = torch.arange(frames, device=device)[None, :]
    heard_bands = torch.ones(batch, bands, dtype=torch.bool, device=device)
    heard_frames = torch.ones(batch, frames, dtype=torch.bool, device=device)
    for _ in range(config.frequency_masks):
        width = torch.randint(0, config.frequency_mask_bands + 1, (batch, 1), device=device)
        start = (torch.rand(batch, 1, device=device) * (bands - width)).long()
        heard_bands &= ~((band >= start) & (band < start + width))
    for _ in range(config.time_masks):
        width = (torch.rand(batch, 1, device=device) * config.time_mask_share * lengths[:, None]).long()
        start = (torch.rand(batch, 1, device=device) * (lengths[:, None] - width)).long()
        heard_frames &= ~((frame >= start) & (frame < start + width))
    return features * heard_bands[:, :, None] * heard_frames[:, None, :]


def unknown_sounds(log_mel: torch.Tensor, lengths: torch.Tensor, config: LogMelAugmentationConfig) -> torch.Tensor:
    """Sounds that are no concept, made of a batch of clips: reversed speech, shuffled pieces, noise alone.

    log_mel (B, MEL_BANDS, T), lengths (B,) -> (B, MEL_BANDS, T); a third of the batch each.
    """
    batch, _, frames = log_mel.shape
    device = log_mel.device
    index = torch.arange(frames, device=device)[None, :].expand(batch, frames)
    reversed_index = (lengths[:, None] - 1 - index).clamp(min=0)
    # Swapping an utterance's halves keeps every sound and its spectrum and loses the word.
    half = (lengths // 2)[:, None]
    shuffled_index = torch.where(index < lengths[:, None], (index + half) % lengths.clamp(min=1)[:, None], index)
    kind = torch.arange(batch, device=device) % 3
    source = torch.where((kind == 0)[:, None], reversed_index, shuffled_index)
    speech = torch.gather(log_mel, 2, source[:, None, :].expand_as(log_mel))
    noise = torch.log(
        noise_power(torch.exp(log_mel), config) * torch.exp(_uniform(batch, -8.0, 2.0, device))[:, None, None]
        + LOG_FLOOR
    )
    return torch.where((kind == 2)[:, None, None], noise, speech)
