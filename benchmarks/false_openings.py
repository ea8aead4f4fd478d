"""How often a session takes for speech what is none: openings a minute of sounds that nobody says to it.

    python -m benchmarks.false_openings              # four minutes of each sound
    python -m benchmarks.false_openings --minutes 1

Silence, noise, tones, music and knocks are made by a generator of fixed seed. Babble is the bundled recordings of
other people, three, eight or twenty talking at once: three are speech, and open the session again after every 4 s.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

import edge_s2i
from edge_s2i.audio import read_audio
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.evaluation import unknown_sounds
from edge_s2i.runtime import ListenSettings, SpeechSession, SpeechStarted, SpeechToPicture

_ROOM = 1e-4  # RMS of what is between the sounds: -80 dB below full scale


def streams(length: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Every stream by name, (length,) float32 at 16 kHz each."""
    room = (_ROOM * generator.standard_normal(length)).astype(np.float32)
    sounds = {"silence": room}
    for level in (-50, -35, -20):
        noise = 10 ** (level / 20) * generator.standard_normal(length)
        sounds[f"white noise at {level} dB"] = noise.astype(np.float32)
    made = ("white_noise", "pink_noise", "tones", "chords", "melodies")
    for name in made:
        sound = _one_after_the_other(getattr(unknown_sounds, name), length, generator)
        sounds[f"{name.replace('_', ' ')}, with pauses"] = room + sound
    sounds["knocks"] = room + _one_after_the_other(_knock, length, generator)
    folder = Path(edge_s2i.__file__).parent / "examples"
    people = [read_audio(path) for path in sorted(folder.glob("*.ogg"))]
    for talkers in (3, 8, 20):
        sounds[f"babble of {talkers}"] = _babble(people, talkers, length, generator)
    return sounds


def openings(draw: SpeechToPicture, samples: np.ndarray, settings: ListenSettings) -> float:
    """Utterances a minute that start in (N,) float32 samples at 16 kHz."""
    session = SpeechSession(draw, settings)
    events = [
        event for first in range(0, len(samples), SAMPLE_RATE) for event in session.feed(samples[first:][:SAMPLE_RATE])
    ]
    return sum(isinstance(event, SpeechStarted) for event in events) * 60 * SAMPLE_RATE / len(samples)


def _one_after_the_other(
    make: Callable[[np.random.Generator], np.ndarray], length: int, generator: np.random.Generator
) -> np.ndarray:
    parts, made = [], 0
    while made < length:
        parts += [make(generator), np.zeros(int(generator.uniform(0.2, 1.0) * SAMPLE_RATE), np.float32)]
        made += len(parts[-2]) + len(parts[-1])
    return np.concatenate(parts)[:length]


def _knock(generator: np.random.Generator) -> np.ndarray:
    """A noise that dies away within 1 to 12 ms to a third."""
    decay = np.exp(-np.arange(1_600) / generator.uniform(20, 200))
    return (generator.uniform(0.05, 0.6) * decay * generator.standard_normal(1_600)).astype(np.float32)


def _babble(people: list[np.ndarray], talkers: int, length: int, generator: np.random.Generator) -> np.ndarray:
    total = np.zeros(length, np.float32)
    for _ in range(talkers):
        place = 0
        while place < length:
            said = people[generator.integers(len(people))][: length - place]
            loudness = 0.1 * 10 ** (generator.normal(0, 4) / 20) / np.abs(said).max() if len(said) > 1_600 else 0.0
            total[place : place + len(said)] += np.float32(loudness) * said
            place += len(said) + int(generator.uniform(0, 0.3) * SAMPLE_RATE)
    return total / np.float32(np.sqrt(talkers))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.0, help="of each sound")
    chosen = parser.parse_args()
    draw = edge_s2i.load(threads=1)
    settings = ListenSettings(partial_every=0.0)
    made = streams(int(chosen.minutes * 60 * SAMPLE_RATE), np.random.default_rng(0))
    print(json.dumps({name: round(openings(draw, sound, settings), 2) for name, sound in made.items()}, indent=2))


if __name__ == "__main__":
    main()
