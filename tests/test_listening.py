"""`edge_s2i.listen` with real threads: order, overload, a slow reader, failures, and an end."""

from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
import soundfile
import speech_streams as streams
import tiny_bundle as tiny
from slow_model import load_slow

import edge_s2i
from edge_s2i.errors import AudioError
from edge_s2i.runtime import (
    Dropped,
    FinalPicture,
    Listener,
    ListenSettings,
    PartialPicture,
    SpeechSession,
    SpeechStarted,
)

SETTINGS = ListenSettings(vad="energy")


class Blocks:
    """A source of given blocks; a live one gives them `seconds` apart."""

    def __init__(self, samples, live=False, block=320, seconds=0.0, fail=None):
        self.name, self.live, self.overflows = "blocks", live, 0
        self._blocks = iter(np.split(samples, range(block, len(samples), block)))
        self._seconds, self._fail, self._closed = seconds, fail, False

    def read(self):
        sleep(self._seconds)
        block = None if self._closed else next(self._blocks, None)
        if block is None and self._fail is not None:
            raise self._fail
        return block

    def close(self):
        self._closed = True


@pytest.fixture
def draw(tiny_bundle: Path):
    return edge_s2i.load(tiny_bundle, threads=1)


def collect(listener, events):
    for event in listener:
        events.append(event)  # what came before an error is kept


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_a_recording_gives_the_events_of_a_session(tiny_bundle, tmp_path):
    path = tmp_path / "words.wav"
    soundfile.write(path, streams.spoken(2, 0), 16_000, subtype="FLOAT")
    listener = edge_s2i.listen(path, bundle=tiny_bundle, threads=1, settings=SETTINGS)
    events = list(listener)
    session = SpeechSession(edge_s2i.load(tiny_bundle, threads=1), SETTINGS)
    expected = session.feed(streams.spoken(2, 0)) + session.finish()
    assert [(type(event), event.at) for event in events] == [(type(event), event.at) for event in expected]
    assert listener.ended
    assert list(listener) == []
    counters = listener.counters
    assert (counters.utterances, counters.finals, counters.dropped_samples) == (2, 2, 0)
    assert counters.seconds == pytest.approx(len(streams.spoken(2, 0)) / 16_000)


def test_a_slow_model_loses_partial_pictures_first(tiny_bundle):
    """A picture takes longer than the time between two of them, but the queue holds the rest."""
    draw, generator = load_slow(tiny_bundle)
    generator.seconds = 0.3
    source = Blocks(streams.spoken(1, 2), live=True, seconds=0.001)  # twenty times the speed of speech
    settings = ListenSettings(vad="energy", queue_seconds=10.0)
    listener = Listener(source, SpeechSession(draw, settings))
    events = list(listener)
    counters = listener.counters
    assert counters.dropped_samples == 0
    assert counters.dropped_partials >= 4
    assert sum(event.partials for event in of(Dropped, events)) == counters.dropped_partials
    assert [final.drawing.nearest(1)[0].concept for final in of(FinalPicture, events)] == ["cat", "dog"]


def test_overload_drops_audio_visibly_and_no_final_picture(tiny_bundle):
    draw, generator = load_slow(tiny_bundle)
    generator.seconds = 0.25
    samples = np.tile(streams.spoken(0, 1, pause=0.4), 10)
    source = Blocks(samples, live=True, seconds=0.0002)  # far faster than speech
    listener = Listener(source, SpeechSession(draw, ListenSettings(vad="energy", queue_seconds=0.5)))
    events = list(listener)
    counters = listener.counters
    assert counters.dropped_samples > 0
    assert sum(event.samples for event in of(Dropped, events)) == counters.dropped_samples
    assert counters.most_waiting_seconds <= 0.5
    starts, finals = of(SpeechStarted, events), of(FinalPicture, events)
    assert [start.utterance for start in starts] == [final.utterance for final in finals]
    assert "gap" in {final.ending for final in finals}
    assert counters.seconds == pytest.approx(len(samples) / 16_000, abs=0.01)  # what was lost is counted as time


def test_a_reader_that_sleeps_does_not_stop_capture(draw):
    source = Blocks(streams.spoken(1), live=True, seconds=0.001)
    listener = Listener(source, SpeechSession(draw, ListenSettings(vad="energy", queue_seconds=0.5)))
    sleep(1.0)
    assert listener.counters.most_waiting_seconds <= 0.5
    events = list(listener)
    assert of(Dropped, events)[0].samples == listener.counters.dropped_samples > 16_000


def test_the_sound_devices_own_losses_are_told(draw):
    source = Blocks(streams.silence(0.5), live=True)
    source.overflows = 3
    events = list(Listener(source, SpeechSession(draw, SETTINGS)))
    assert [event.overflows for event in of(Dropped, events)] == [3]


def test_a_source_that_fails_ends_the_utterance_and_then_raises(draw):
    source = Blocks(streams.spoken(2)[:24_000], fail=AudioError("the cable was pulled"))
    listener = Listener(source, SpeechSession(draw, SETTINGS))
    events = []
    with pytest.raises(AudioError, match="cable"):
        collect(listener, events)
    assert of(FinalPicture, events)[-1].ending == "end"
    assert listener.ended


def test_closing_ends_iteration_with_the_final_picture(draw):
    source = Blocks(np.tile(tiny.word(1)[3_000:-3_000], 2_000), live=True, seconds=0.01)
    listener = Listener(source, SpeechSession(draw, SETTINGS))
    events = []
    begin = monotonic()
    for event in listener:
        events.append(event)
        if isinstance(event, SpeechStarted):
            listener.close()
    assert monotonic() - begin < 5.0
    assert isinstance(events[-1], FinalPicture)


def test_press_and_release_are_heard_where_they_happened(draw):
    settings = ListenSettings(vad="energy", push_to_talk=True)
    with Listener(Blocks(streams.spoken(3), live=True, seconds=0.005), SpeechSession(draw, settings)) as listener:
        while listener.session.time < 0.9:
            listener.poll(0.1)
        listener.press()
        while listener.session.time < 1.9:
            listener.poll(0.1)
        listener.release()
        events = list(listener)
    finals = of(FinalPicture, events)
    assert [final.ending for final in finals] == ["release"]
    assert finals[0].drawing.nearest(1)[0].concept == "red-boat"


def test_polling_does_not_wait(draw):
    listener = Listener(Blocks(np.zeros(16_000, np.float32), live=True, seconds=0.2), SpeechSession(draw, SETTINGS))
    begin = monotonic()
    assert listener.poll(0.0) is None
    assert monotonic() - begin < 0.15
    listener.close()


def test_partials_are_drawn_for_a_source_that_waits_even_if_the_model_is_slow(tiny_bundle):
    draw, generator = load_slow(tiny_bundle)
    generator.seconds = 0.05
    events = list(Listener(Blocks(streams.spoken(2)), SpeechSession(draw, SETTINGS)))
    assert len(of(PartialPicture, events)) >= 3
    assert not of(Dropped, events)
