"""When a voice opens the gate: early in a soft word, and not in noise, tones, music or knocks."""

import numpy as np
import pytest

from benchmarks import false_openings
from edge_s2i.runtime.voice_activity import WINDOW, SileroDetector
from edge_s2i.runtime.voice_gate import VoiceGate


def opens_at(probabilities, threshold=0.6, needed=2) -> int | None:
    """The window after which the gate is open first."""
    gate = VoiceGate(threshold, needed)
    for number, probability in enumerate(probabilities):
        gate.hear(probability)
        if gate.open:
            return number
    return None


@pytest.mark.parametrize(
    ("probabilities", "window"),
    [
        ([0.0, 0.7, 0.8], 2),
        ([0.0, 0.25, 0.7], 2),  # likely, then sure
        ([0.0, 0.7, 0.25], 2),  # sure, then wavering
        ([0.0, 0.9, 0.1, 0.9, 0.1], None),  # moments
        ([0.5, 0.5, 0.5, 0.5], None),  # likely for long, and never sure
        ([0.3, 0.3, 0.3, 0.65], 3),
        ([0.9], None),
    ],
)
def test_a_voice_is_likely_for_a_while_and_sure_once(probabilities, window):
    assert opens_at(probabilities) == window


def test_more_voice_may_be_asked_for():
    assert opens_at([0.9, 0.3, 0.3, 0.3], needed=4) == 3
    assert opens_at([0.9, 0.3, 0.3, 0.3, 0.3], needed=5) == 4
    assert opens_at([0.9, 0.3, 0.1, 0.3, 0.9], needed=3) is None
    assert opens_at([0.1, 0.7], needed=1) == 1


def test_quiet_is_counted_in_windows_without_voice():
    gate = VoiceGate(0.6, 2)
    for probability in (0.9, 0.4, 0.3, 0.1):
        gate.hear(probability)
    assert gate.quiet == 2
    gate.hear(0.37)
    assert gate.quiet == 0


def test_what_was_voice_in_one_utterance_opens_no_other():
    gate = VoiceGate(0.6, 2)
    gate.hear(0.9)
    gate.hear(0.9)
    assert gate.open
    gate.end()
    assert not gate.open
    gate.hear(0.9)
    assert not gate.open


def test_noise_tones_music_and_knocks_do_not_open_it():
    made = false_openings.streams(12 * 16_000, np.random.default_rng(1))
    for name, sound in made.items():
        if name in ("babble of 8", "babble of 20"):
            continue  # a voice stands out of them now and then
        detector = SileroDetector()
        windows = sound[: len(sound) // WINDOW * WINDOW].reshape(-1, WINDOW)
        opened = opens_at(detector.probability(window) for window in windows)
        assert (opened is not None) == (name == "babble of 3"), name
