"""The log-mel of a stream is that of the whole utterance."""

from pathlib import Path

import numpy as np
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.audio import check_utterance, log_mel, read_audio, trim_silence
from edge_s2i.audio.level import set_peak
from edge_s2i.audio.log_mel_stream import LogMelStream

EXAMPLES = sorted((Path(edge_s2i.__file__).parent / "examples").glob("*.ogg"))


@pytest.mark.parametrize("block", [1, 160, 333, 512, 64_000])
def test_blocks_of_any_length_give_the_log_mel_of_the_whole(block):
    samples = np.pad(tiny.word(1), (4_800, 5_120)) + np.float32(1e-4)
    stream = LogMelStream(64_000)
    for first in range(0, len(samples), block):
        stream.append(samples[first : first + block])
        if first % 1_000 < block:
            stream.log_mel(*stream.heard_span()) if first > 2_000 else None
    first, last = stream.heard_span()
    np.testing.assert_array_equal(samples[first:last], trim_silence(samples))
    np.testing.assert_allclose(stream.log_mel(first, last), log_mel(set_peak(samples[first:last])), atol=2e-5)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_recordings_give_the_log_mel_of_the_file_path(path):
    samples = read_audio(path)
    stream = LogMelStream(64_000)
    for first in range(0, len(samples), 512):
        stream.append(samples[first : first + 512])
        stream.heard_span()
    expected = log_mel(set_peak(check_utterance(samples)))
    np.testing.assert_allclose(stream.log_mel(*stream.heard_span()), expected, atol=1e-4)


def test_takes_no_more_than_there_is_room_for():
    stream = LogMelStream(1_000)
    assert stream.append(np.ones(700, np.float32)) == 700
    assert stream.append(np.ones(700, np.float32)) == 300
    assert stream.room == 0
    assert stream.append(np.ones(1, np.float32)) == 0
    stream.clear()
    assert stream.room == 1_000
    assert len(stream.samples) == 0


def test_digital_silence_stays_silence():
    stream = LogMelStream(16_000)
    stream.append(np.zeros(16_000, np.float32))
    first, last = stream.heard_span()
    assert (first, last) == (0, 16_000)
    np.testing.assert_allclose(stream.log_mel(first, last), np.log(1e-6), rtol=1e-6)


def test_the_sound_that_goes_on_began_after_the_last_break():
    """A click before a word, and a stop consonant's silence within it."""
    hops = np.zeros((60, 160), np.float32)
    hops[5:7] = 0.5  # a click
    hops[30:60] = 0.3
    hops[40:45] = 0.0  # 50 ms
    stream = LogMelStream(16_000)
    stream.append(hops.ravel())
    assert stream.loud_since() == 30 * 160
    stream.append(np.zeros(1_600, np.float32))
    assert stream.loud_since() == 70 * 160
    stream.clear()
    assert stream.loud_since() == 0
