"""Half an hour of speech and noise in simulated time: nothing lost, nothing grown, nothing stuck."""

import pytest

from benchmarks.soak import recordings_and_noise, soak
from edge_s2i.bundle import read_bundle
from edge_s2i.runtime import ListenSettings


@pytest.mark.slow
def test_thirty_minutes_and_a_model_twenty_times_slower_half_way(tiny_bundle):
    """A picture takes 25 ms of the stream's time, and from the middle on 500 ms."""
    settings = ListenSettings(vad="energy", partial_every=0.32)
    report = soak(read_bundle(tiny_bundle), recordings_and_noise(), settings, minutes=30.0, model_ms=25.0)
    assert report.failures == []
    assert report.minutes >= 28
    assert report.utterances > 500
    assert report.dropped_seconds == 0.0  # the queue holds what a slow final picture delays


def test_a_queue_too_short_for_the_slow_model_loses_audio_and_no_final_picture(tiny_bundle):
    settings = ListenSettings(vad="energy", queue_seconds=0.5, partial_every=0)
    report = soak(read_bundle(tiny_bundle), recordings_and_noise(), settings, minutes=2.0, model_ms=60.0)
    assert report.dropped_seconds > 0
    assert report.finals == report.utterances > 20
    assert report.most_waiting_seconds <= 0.5
