"""Sounds that nobody should understand: silence, noise, tones, music, and speech taken apart.

The evaluation counts how often the runtime claims to understand them; calibration reports on them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edge_s2i.audio.constants import MAX_SECONDS, SAMPLE_RATE

_SECONDS = (0.5, 2.5)  # the lengths that single words and short phrases have
_LEVEL_DB = (-40.0, -10.0)  # RMS below full scale: from a quiet room's microphone to a loud one
_PIECE = SAMPLE_RATE // 10  # 100 ms: longer than most phones, shorter than most syllables
_FADE = SAMPLE_RATE // 200  # 5 ms: hides the cuts between pieces
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 5, 7), (0, 4, 7, 11), (0, 4, 7, 10), (0, 3, 7, 10))  # semitones above the root
_SCALE = (0, 2, 4, 5, 7, 9, 11)  # a major scale's semitones
_HIGHEST_HARMONIC = 7_000.0  # Hz: below half the sample rate


def _length(generator: np.random.Generator) -> int:
    return int(generator.uniform(*_SECONDS) * SAMPLE_RATE)


def _at_level(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    wanted = 10.0 ** (generator.uniform(*_LEVEL_DB) / 20.0)
    scaled = samples * (wanted / max(float(np.sqrt(np.mean(np.square(samples)))), 1e-9))
    return np.clip(scaled, -1.0, 1.0).astype(np.float32)


def silence(generator: np.random.Generator) -> np.ndarray:
    """Digital silence with at most the rounding noise of a 16-bit converter; (N,) float32 at 16 kHz."""
    return (generator.integers(-1, 2, _length(generator)) / 32768.0).astype(np.float32)


def white_noise(generator: np.random.Generator) -> np.ndarray:
    """Gaussian noise of equal power at all frequencies; (N,) float32 at 16 kHz."""
    return _at_level(generator.standard_normal(_length(generator)), generator)


def pink_noise(generator: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose power falls by 3 dB an octave, like rooms and fans; (N,) float32 at 16 kHz."""
    length = _length(generator)
    spectrum = np.fft.rfft(generator.standard_normal(length))
    bins = np.arange(len(spectrum), dtype=np.float64)
    bins[0] = np.inf  # no constant offset
    return _at_level(np.fft.irfft(spectrum / np.sqrt(bins), length), generator)


def tones(generator: np.random.Generator) -> np.ndarray:
    """One to three steady tones of 100 to 4,000 Hz, like beeps and hums; (N,) float32 at 16 kHz."""
    time = np.arange(_length(generator)) / SAMPLE_RATE
    pitches = np.exp(generator.uniform(np.log(100.0), np.log(4000.0), generator.integers(1, 4)))
    phases = generator.uniform(0.0, 2.0 * np.pi, len(pitches))
    return _at_level(np.sin(2.0 * np.pi * pitches[:, None] * time + phases[:, None]).sum(axis=0), generator)


def chords(generator: np.random.Generator) -> np.ndarray:
    """One to four chords, struck and dying away, of three or four notes; (N,) float32 at 16 kHz."""
    length = _length(generator)
    starts = np.linspace(0, length, generator.integers(1, 5) + 1).astype(int)
    timbre = _Timbre.drawn(generator)
    sound = np.zeros(length)
    root = int(generator.integers(40, 68))  # MIDI: E2 to G#4, 82 to 415 Hz
    for start, end in pairwise(starts):
        chord = _CHORDS[generator.integers(len(_CHORDS))]
        for step in chord:
            sound[start:end] += timbre.note(_hertz(root + step), end - start, generator)
        root += int(generator.choice((-7, -5, 2, 3, 5, 7)))
    return _at_level(sound, generator)


def melodies(generator: np.random.Generator) -> np.ndarray:
    """A tune on one instrument: notes of 0.1 to 0.5 s up and down a scale, some rests; (N,) float32 at 16 kHz."""
    length = _length(generator)
    timbre = _Timbre.drawn(generator)
    sound = np.zeros(length)
    tonic, degree = int(generator.integers(50, 75)), int(generator.integers(0, 8))  # MIDI: D3 to D5, 147 to 587 Hz
    start = 0
    while start < length:
        end = min(length, start + int(generator.uniform(0.1, 0.5) * SAMPLE_RATE))
        if start == 0 or generator.random() > 0.15:
            pitch = tonic + 12 * (degree // len(_SCALE)) + _SCALE[degree % len(_SCALE)]
            sound[start:end] += timbre.note(_hertz(pitch), end - start, generator)
        degree = int(np.clip(degree + generator.integers(-3, 4), -4, 12))
        start = end
    return _at_level(sound, generator)


def _hertz(midi: int) -> float:
    return float(440.0 * 2.0 ** ((midi - 69) / 12.0))


@dataclass(frozen=True)
class _Timbre:
    """How an instrument sounds: its harmonics' fall, how fast a note comes and goes, and its vibrato."""

    roll_off: float  # harmonic k has amplitude k ** -roll_off
    attack: float  # s
    decay: float  # s to a third (1 / e)
    vibrato: float  # share of the pitch

    @classmethod
    def drawn(cls, generator: np.random.Generator) -> "_Timbre":
        return cls(
            generator.uniform(0.6, 2.0),
            generator.uniform(0.005, 0.08),
            generator.uniform(0.15, 1.2),
            generator.choice((0.0, 0.003, 0.01)),
        )

    def note(self, pitch: float, length: int, generator: np.random.Generator) -> np.ndarray:
        """(length,) float64: a tone of `pitch` Hz with its harmonics and envelope, faded out at its end."""
        time = np.arange(length) / SAMPLE_RATE
        swing = self.vibrato * np.sin(2.0 * np.pi * generator.uniform(4.0, 7.0) * time)
        phase = 2.0 * np.pi * np.cumsum(pitch * (1.0 + swing)) / SAMPLE_RATE
        harmonics = np.arange(1, max(2, int(_HIGHEST_HARMONIC / pitch)))[:, None]
        offsets = generator.uniform(0.0, 2.0 * np.pi, harmonics.shape)
        tone = (harmonics**-self.roll_off * np.sin(harmonics * phase + offsets)).sum(axis=0)
        envelope = np.minimum(1.0, time / self.attack) * np.exp(-time / self.decay)
        return tone * envelope * np.minimum(1.0, (length - np.arange(length)) / _FADE)


def reversed_speech(samples: np.ndarray) -> np.ndarray:
    """The clip played backwards: a voice and its spectrum, but no word; (N,) float32."""
    return np.ascontiguousarray(samples[::-1])


def shuffled_speech(samples: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The clip's 100 ms pieces in another order, joins faded over 5 ms; (N,) float32, at most as long."""
    count = len(samples) // _PIECE
    if count < 3:
        return reversed_speech(samples)
    pieces = samples[: count * _PIECE].reshape(count, _PIECE).copy()
    ramp = np.linspace(0.0, 1.0, _FADE, dtype=np.float32)
    pieces[:, :_FADE] *= ramp
    pieces[:, -_FADE:] *= ramp[::-1]
    order = generator.permutation(count)
    while np.array_equal(order, np.arange(count)):
        order = generator.permutation(count)
    return pieces[order].reshape(-1)


SYNTHETIC: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "silence": silence,
    "white noise": white_noise,
    "pink noise": pink_noise,
    "tones": tones,
}
MUSIC: dict[str, Callable[[np.random.Generator], np.ndarray]] = {"chords": chords, "melodies": melodies}
"""Apart from SYNTHETIC, so that what `evaluate` and `export` draw of those stays the same."""

FROM_SPEECH = ("reversed speech", "shuffled speech")


def music(count: int, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Yields `count` sounds of every kind of MUSIC as (kind, samples (N,) float32 at 16 kHz)."""
    for number, (kind, make) in enumerate(MUSIC.items()):
        generator = np.random.default_rng([seed, 100 + number])  # apart from the kinds of unknown_sounds
        for _ in range(count):
            yield kind, make(generator)


def unknown_sounds(clips: Sequence[np.ndarray], count: int, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Yields `count` sounds of every kind as (kind, samples (N,) float32 at 16 kHz).

    clips: 16 kHz speech to take apart, used from the first on; the kinds made from speech stop when it runs
    out. The same seed and clips give the same sounds.
    """
    for number, (kind, make) in enumerate(SYNTHETIC.items()):
        generator = np.random.default_rng([seed, number])
        for _ in range(count):
            yield kind, make(generator)
    longest = int(MAX_SECONDS * SAMPLE_RATE)
    generator = np.random.default_rng([seed, len(SYNTHETIC)])
    for samples in clips[:count]:
        yield FROM_SPEECH[0], reversed_speech(samples[:longest])
    for samples in clips[:count]:
        yield FROM_SPEECH[1], shuffled_speech(samples[:longest], generator)
