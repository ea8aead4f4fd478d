"""Everything that happens to a voice between a mouth and a file, in the order in which it happens."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from edge_s2i.acoustics.channel import (
    OPUS_BITRATES,
    band_limit,
    clip_peaks,
    dc_offset,
    draw_equalizer,
    equalize,
    mu_law,
    opus,
    pad_silence,
    quantize,
    telephone,
    trim_randomly,
)
from edge_s2i.acoustics.noise import babble, coloured_noise, hum, mix
from edge_s2i.acoustics.rooms import reverberate
from edge_s2i.acoustics.speaker import change_speed, draw_speaker, speak_as
from edge_s2i.audio.constants import MAX_SECONDS, MIN_SECONDS, SAMPLE_RATE
from edge_s2i.errors import RequestError

_SHORTEST = int(MIN_SECONDS * SAMPLE_RATE)  # samples
_LONGEST = int(MAX_SECONDS * SAMPLE_RATE)
_SILENT_PEAK = 1e-6  # of full scale, below any converter's step: rounding errors that must not be made loud
_NOISES = ("coloured", "hum", "babble")
_CODECS = ("telephone", "mu-law", "opus", "few bits")


@dataclass(frozen=True)
class RecordingChain:
    """How often each effect happens, and the ranges that its strength is drawn from, uniformly.

    Probabilities are a clip's chance of an effect; shares are the relative chances of the kinds of one effect. The
    defaults are `MODERATE`.
    """

    voice_probability: float = 0.25  # somebody else says it
    voice_reach: float = 0.8  # how far from the old speaker to the new one, 0 to 1
    speed_probability: float = 0.3  # of the others: the same speaker, faster or slower, pitch and all
    speed: tuple[float, float] = (0.9, 1.12)
    pad_probability: float = 0.4  # waiting before and after speaking
    pad_seconds: tuple[float, float] = (0.0, 0.3)  # at each end
    room_probability: float = 0.4
    noise_probability: float = 0.6
    noise_shares: tuple[float, float, float] = (0.55, 0.08, 0.37)  # coloured, hum, babble
    snr_db: tuple[float, float] = (-3.0, 24.0)
    noise_slope: tuple[float, float] = (-8.0, 1.0)  # dB an octave, of coloured noise
    talkers: tuple[int, int] = (3, 8)
    equalizer_probability: float = 0.6
    equalizer_db: float = 4.0  # deviation of the microphone's response
    band_probability: float = 0.15  # a small microphone or a speech-band recording
    band_low_hz: tuple[float, float] = (60.0, 350.0)
    band_high_hz: tuple[float, float] = (3_300.0, 7_500.0)
    peak_db: tuple[float, float] = (-30.0, -1.0)  # of the recording, below full scale
    clipping_probability: float = 0.08
    clipping_db: tuple[float, float] = (2.0, 14.0)  # cut off below the peak
    offset_probability: float = 0.08
    offset: tuple[float, float] = (-0.03, 0.03)  # of full scale
    codec_probability: float = 0.15
    codec_shares: tuple[float, float, float, float] = (0.3, 0.15, 0.4, 0.15)  # telephone, mu-law, opus, few bits
    opus_bitrate: tuple[int, int] = (8_000, 32_000)  # bit/s
    bits: tuple[int, int] = (8, 12)
    trim_probability: float = 0.2
    trim_seconds: float = 0.05  # off each end, at most

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, tuple):
                value = tuple(value)  # a configuration file gives lists
                object.__setattr__(self, field.name, value)
                if len(value) != len(field.default):
                    raise RequestError(f"{field.name} is {value}; give {len(field.default)} numbers")
            numbers = value if isinstance(value, tuple) else (value,)
            if not np.isfinite(numbers).all():
                raise RequestError(f"{field.name} is {value}; give finite numbers")
            if field.name.endswith("_probability") and not 0.0 <= value <= 1.0:
                raise RequestError(f"{field.name} is {value}; it must be from 0 to 1")
            if field.name.endswith("_shares") and (min(value) < 0.0 or sum(value) <= 0.0):
                raise RequestError(f"{field.name} is {value}; give shares of 0 or more, not all 0")
            if isinstance(value, tuple) and not field.name.endswith("_shares") and value[0] > value[1]:
                raise RequestError(f"{field.name} is {value}; give the lower end of the range first")
        self._check("voice_reach", 0.0, 1.0)
        self._check("speed", 0.5, 2.0)
        self._check("pad_seconds", 0.0, MAX_SECONDS)
        self._check("snr_db", -40.0, 100.0)
        self._check("noise_slope", -24.0, 24.0)
        self._check("talkers", 1, 100)
        self._check("equalizer_db", 0.0, 40.0)
        self._check("band_low_hz", 1.0, 8_000.0)
        self._check("band_high_hz", 1.0, 8_000.0)
        if self.band_low_hz[1] >= self.band_high_hz[0]:
            raise RequestError(f"band_low_hz {self.band_low_hz} reaches into band_high_hz {self.band_high_hz}")
        self._check("peak_db", -90.0, 0.0)
        self._check("clipping_db", 0.0, 60.0)
        self._check("offset", -0.5, 0.5)
        self._check("opus_bitrate", *OPUS_BITRATES)
        self._check("bits", 2, 16)
        self._check("trim_seconds", 0.0, MAX_SECONDS)

    def _check(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if min(numbers) < low or max(numbers) > high:
            raise RequestError(f"{name} is {value}; it must be from {low:,} to {high:,}")


LIGHT = RecordingChain(
    voice_probability=0.15,
    voice_reach=0.5,
    speed=(0.94, 1.06),
    room_probability=0.25,
    noise_probability=0.4,
    snr_db=(10.0, 30.0),
    equalizer_probability=0.4,
    equalizer_db=2.5,
    band_probability=0.05,
    peak_db=(-20.0, -1.0),
    clipping_probability=0.02,
    clipping_db=(1.0, 6.0),
    offset_probability=0.03,
    codec_probability=0.08,
    opus_bitrate=(16_000, 48_000),
    bits=(10, 14),
    trim_probability=0.1,
    trim_seconds=0.03,
)
MODERATE = RecordingChain()
HEAVY = RecordingChain(
    voice_probability=0.4,
    voice_reach=1.0,
    speed=(0.85, 1.2),
    pad_probability=0.5,
    pad_seconds=(0.0, 0.5),
    room_probability=0.6,
    noise_probability=0.8,
    noise_shares=(0.45, 0.1, 0.45),
    snr_db=(-3.0, 18.0),
    equalizer_probability=0.8,
    equalizer_db=6.0,
    band_probability=0.25,
    peak_db=(-40.0, 0.0),
    clipping_probability=0.15,
    clipping_db=(3.0, 20.0),
    offset_probability=0.15,
    offset=(-0.1, 0.1),
    codec_probability=0.25,
    opus_bitrate=(6_000, 24_000),
    bits=(6, 10),
    trim_probability=0.3,
    trim_seconds=0.08,
)
OTHER_SPEAKERS = replace(MODERATE, voice_probability=0.8, noise_probability=0.4)  # for where speakers are few
CHAINS = {"light": LIGHT, "moderate": MODERATE, "heavy": HEAVY, "other-speakers": OTHER_SPEAKERS}


def record(
    samples: np.ndarray,
    generator: np.random.Generator,
    chain: RecordingChain = MODERATE,
    rooms: Sequence[np.ndarray] = (),
    babble_voices: Sequence[np.ndarray] = (),
) -> np.ndarray:
    """Records `samples` ((N,) float32, mono, 16 kHz) once more, elsewhere, by other means; (M,) float32.

    rooms: responses as of `rooms.room_bank`; babble_voices: clips that people in the background say. The result is
    finite and within [-1, 1], and 0.2 to 4 s long where `samples` are. Silence at its ends is not trimmed, and its
    peak is not set: what the device does about both is for the caller to do. The same arguments and state of
    `generator` give the same result. Raises RequestError where the chain needs rooms or voices and there are none.
    """
    _check_sources(chain, rooms, babble_voices)
    if not len(samples):
        raise RequestError("there are 0 samples to record; give at least 1")
    if not np.isfinite(samples).all():
        raise RequestError("the samples to record are not all finite")
    longest, shortest = max(_LONGEST, len(samples)), min(_SHORTEST, len(samples))
    sound = _of_speaker(samples.astype(np.float32), generator, chain, longest)
    sound = _waiting(sound, generator, chain, longest)
    sound = _at_microphone(sound, generator, chain, rooms, babble_voices)[:longest]
    sound = _through_microphone(sound, generator, chain)
    sound = _converted(sound, generator, chain)
    sound = _coded(sound, generator, chain)
    if generator.uniform() < chain.trim_probability:
        sound = trim_randomly(sound, generator, chain.trim_seconds)
    sound = np.pad(sound, (0, max(0, shortest - len(sound))))  # a 0.2 s clip that was spoken faster
    return np.clip(sound, -1.0, 1.0)


def _check_sources(chain: RecordingChain, rooms: Sequence[np.ndarray], babble_voices: Sequence[np.ndarray]) -> None:
    if chain.room_probability > 0.0 and not len(rooms):
        raise RequestError("there are 0 rooms; give some (see room_bank) or set room_probability to 0")
    if chain.noise_probability > 0.0 and chain.noise_shares[_NOISES.index("babble")] > 0.0 and not len(babble_voices):
        raise RequestError("there are 0 babble voices; give clips or set the share of babble in noise_shares to 0")


def _of_speaker(sound: np.ndarray, generator: np.random.Generator, chain: RecordingChain, longest: int) -> np.ndarray:
    if generator.uniform() < chain.voice_probability:
        sound = speak_as(sound, draw_speaker(generator), chain.voice_reach, longest)
    elif generator.uniform() < chain.speed_probability:
        sound = change_speed(sound, max(generator.uniform(*chain.speed), len(sound) / longest))
    return sound[:longest] if len(sound) else np.zeros(1, np.float32)


def _waiting(sound: np.ndarray, generator: np.random.Generator, chain: RecordingChain, longest: int) -> np.ndarray:
    if generator.uniform() < chain.pad_probability:
        lead, tail = generator.uniform(*chain.pad_seconds, 2)
        # The end of a long word is worth more than the pause before it.
        share = min(1.0, (longest - len(sound)) / max(1.0, (lead + tail) * SAMPLE_RATE + 2.0))
        level_db = 20.0 * np.log10(max(float(np.abs(sound).max()), _SILENT_PEAK)) + generator.uniform(-75.0, -45.0)
        sound = pad_silence(sound, lead * share, tail * share, generator, level_db)
    return sound


def _at_microphone(
    sound: np.ndarray,
    generator: np.random.Generator,
    chain: RecordingChain,
    rooms: Sequence[np.ndarray],
    babble_voices: Sequence[np.ndarray],
) -> np.ndarray:
    reverberant = generator.uniform() < chain.room_probability
    if reverberant:
        sound = reverberate(sound, rooms[int(generator.integers(len(rooms)))])
    if generator.uniform() >= chain.noise_probability:
        return sound
    kind = _choose(_NOISES, chain.noise_shares, generator)
    if kind == "coloured":
        noise = coloured_noise(len(sound), generator, generator.uniform(*chain.noise_slope))
    elif kind == "hum":
        noise = hum(len(sound), generator)
    else:
        noise = babble(babble_voices, len(sound), generator, chain.talkers)
        if reverberant:  # the others are in the same sort of room, or further away
            noise = reverberate(noise, rooms[int(generator.integers(len(rooms)))])[: len(sound)]
    return mix(sound, noise, generator.uniform(*chain.snr_db))


def _through_microphone(sound: np.ndarray, generator: np.random.Generator, chain: RecordingChain) -> np.ndarray:
    if generator.uniform() < chain.equalizer_probability:
        sound = equalize(sound, draw_equalizer(generator, chain.equalizer_db))
    if generator.uniform() < chain.band_probability:
        sound = band_limit(sound, generator.uniform(*chain.band_low_hz), generator.uniform(*chain.band_high_hz))
    return sound


def _converted(sound: np.ndarray, generator: np.random.Generator, chain: RecordingChain) -> np.ndarray:
    if generator.uniform() < chain.clipping_probability:
        sound = clip_peaks(sound, generator.uniform(*chain.clipping_db))
    wanted = 10.0 ** (generator.uniform(*chain.peak_db) / 20.0)
    peak = float(np.abs(sound).max())
    if peak > _SILENT_PEAK:
        sound = sound * np.float32(wanted / peak)
    if generator.uniform() < chain.offset_probability:
        sound = dc_offset(sound, generator.uniform(*chain.offset))
    return np.clip(sound, -1.0, 1.0)


def _coded(sound: np.ndarray, generator: np.random.Generator, chain: RecordingChain) -> np.ndarray:
    if generator.uniform() >= chain.codec_probability:
        return sound
    kind = _choose(_CODECS, chain.codec_shares, generator)
    if kind == "telephone":
        return telephone(sound, companded=bool(generator.uniform() < 0.5))
    if kind == "mu-law":
        return mu_law(sound)
    if kind == "opus":
        return opus(sound, int(generator.integers(*chain.opus_bitrate, endpoint=True)))
    return quantize(sound, int(generator.integers(*chain.bits, endpoint=True)))


def _choose(kinds: tuple[str, ...], shares: tuple[float, ...], generator: np.random.Generator) -> str:
    return kinds[int(np.searchsorted(np.cumsum(shares), generator.uniform() * sum(shares), side="right"))]
