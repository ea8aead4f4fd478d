"""A session answers a stream with events: one final picture an utterance, whatever happens in between."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import speech_streams as streams
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.errors import AudioError, RequestError
from edge_s2i.runtime import FinalPicture, ListenSettings, PartialPicture, SpeechSession, SpeechStarted, SpeechToPicture

SETTINGS = ListenSettings(vad="energy")


@pytest.fixture(scope="module")
def draw(tiny_bundle: Path) -> SpeechToPicture:
    return edge_s2i.load(tiny_bundle, threads=1)


def hear(draw, samples, block=1_000, **changes):
    session = SpeechSession(draw, dataclasses.replace(SETTINGS, **changes))
    events = []
    for first in range(0, len(samples), block):
        events += session.feed(samples[first : first + block])
    return events + session.finish()


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_each_word_has_a_start_partials_and_a_final_picture(draw):
    events = hear(draw, streams.spoken(2, 0, 4))
    finals = of(FinalPicture, events)
    assert [final.drawing.nearest(1)[0].concept for final in finals] == ["dog", "apple", "tree"]
    assert all(final.understood and final.ending == "pause" for final in finals)
    assert [start.utterance for start in of(SpeechStarted, events)] == [1, 2, 3]
    for number in (1, 2, 3):
        kinds = [type(event) for event in events if event.utterance == number]
        assert kinds[0] is SpeechStarted
        assert kinds[-1] is FinalPicture
        assert kinds.count(PartialPicture) >= 2
    assert [event.at for event in events] == sorted(event.at for event in events)


def test_final_picture_is_the_file_paths_bit_for_bit(draw):
    for final in of(FinalPicture, hear(draw, streams.spoken(0, 1, 2, 3, 4), n=2, seed=7)):
        again = draw((final.samples, 16_000), n=2, seed=7)
        np.testing.assert_array_equal(final.drawing.arrays, again.arrays)
        np.testing.assert_array_equal(final.drawing.embedding, again.embedding)
        assert final.drawing.confidence == again.confidence


def test_times_are_those_of_the_stream(draw):
    samples = streams.spoken(3, pause=1.5)
    events = hear(draw, samples)
    start, final = of(SpeechStarted, events)[0], of(FinalPicture, events)[0]
    assert 1.45 < start.start < 1.8  # the word swells from nothing
    assert final.start == pytest.approx(start.start - SETTINGS.pre_roll, abs=0.011)
    np.testing.assert_array_equal(final.samples, samples[round(final.start * 16_000) : round(final.end * 16_000)])
    assert final.at - final.speech_end == pytest.approx(SETTINGS.trailing_silence, abs=0.033)
    for partial in of(PartialPicture, events):
        assert final.start <= partial.start < partial.end <= partial.at <= final.at


@pytest.mark.parametrize("block", [1, 160, 512, 7_777, 1_000_000])
def test_blocks_do_not_matter(draw, block):
    samples = streams.spoken(1, 3)[: 16_000 * 4]
    if block == 1:
        samples = samples[:40_000]
    expected = hear(draw, samples)
    events = hear(draw, samples, block)
    assert [type(event) for event in events] == [type(event) for event in expected]
    for event, other in zip(events, expected, strict=True):
        assert event.at == other.at
        if isinstance(event, PartialPicture | FinalPicture):
            np.testing.assert_array_equal(event.drawing.arrays, other.drawing.arrays)


def test_silence_and_nothing_give_no_event(draw):
    assert hear(draw, streams.silence(5.0)) == []
    assert hear(draw, np.zeros(80_000, np.float32)) == []
    assert hear(draw, np.zeros(0, np.float32)) == []


def test_noise_that_starts_an_utterance_is_not_understood_and_not_drawn(draw, white_noise):
    samples = np.concatenate([streams.silence(1.0), white_noise, streams.silence(1.0)])
    final = of(FinalPicture, hear(draw, samples))[0]
    assert not final.understood
    assert final.drawing.reason
    assert len(final.drawing.arrays) == 0


def test_stream_that_ends_in_mid_word_still_has_its_final_picture(draw):
    samples = streams.spoken(2)[: 16_000 + 8_000]
    finals = of(FinalPicture, hear(draw, samples))
    assert [final.ending for final in finals] == ["end"]
    assert finals[0].end == len(samples) / 16_000


def test_endless_speech_is_cut_and_not_taken_up_before_a_pause(draw):
    chatter = np.concatenate([tiny.word(2)[2_000:-2_000]] * 14)
    samples = np.concatenate([streams.silence(0.5), chatter, streams.silence(1.0), tiny.word(1), streams.silence(1.0)])
    finals = of(FinalPicture, hear(draw, samples))
    assert finals[0].ending == "length"
    assert len(finals[0].samples) == 64_000
    assert finals[-1].ending == "pause"
    assert finals[-1].drawing.nearest(1)[0].concept == "cat"
    shorter = of(FinalPicture, hear(draw, samples, max_utterance=1.0))
    assert len(shorter[0].samples) == 16_000


def test_refractory_time_lets_nothing_start(draw):
    samples = streams.spoken(0, 1, 2, pause=0.6)
    assert len(of(FinalPicture, hear(draw, samples))) == 3
    assert len(of(FinalPicture, hear(draw, samples, refractory=1.5))) == 2


def test_longer_trailing_silence_joins_words(draw):
    samples = streams.spoken(0, 1, pause=0.5)
    assert len(of(FinalPicture, hear(draw, samples))) == 2
    assert len(of(FinalPicture, hear(draw, samples, trailing_silence=1.5))) == 1


def test_push_to_talk_hears_from_press_to_release_and_nothing_else(draw):
    session = SpeechSession(draw, dataclasses.replace(SETTINGS, push_to_talk=True))
    samples = streams.spoken(2, 4, pause=0.7)
    assert session.feed(samples) == []  # nobody pressed
    assert session.feed(samples[:11_000]) == []
    pressed = session.press()
    assert [type(event) for event in pressed] == [SpeechStarted]
    assert session.press() == []
    assert session.speaking
    session.feed(samples[11_000 : 11_200 + 12_800])
    events = session.release()
    assert session.release() == []
    assert [event.ending for event in events] == ["release"]
    assert events[0].drawing.nearest(1)[0].concept == "dog"
    assert events[0].start == pytest.approx(pressed[0].start - SETTINGS.pre_roll, abs=0.011)
    assert session.feed(samples[24_000:]) == []
    assert session.finish() == []


def test_a_pause_does_not_end_what_is_pressed(draw):
    session = SpeechSession(draw, SETTINGS)
    session.press()
    events = session.feed(streams.spoken(0, 1, pause=0.6))
    assert not of(FinalPicture, events)
    assert len(of(FinalPicture, session.release())) == 1


@pytest.mark.parametrize("fed", [0, 100, 1_600])
def test_a_button_pressed_for_nothing_is_answered(draw, fed):
    session = SpeechSession(draw, dataclasses.replace(SETTINGS, push_to_talk=True))
    session.press()
    session.feed(streams.silence(fed / 16_000))
    final = session.release()[0]
    assert not final.understood
    assert final.drawing.reason
    assert len(final.drawing.arrays) == 0


def test_presses_in_a_row_lose_no_sample(draw):
    session = SpeechSession(draw, dataclasses.replace(SETTINGS, push_to_talk=True, pre_roll=0.0))
    samples = np.arange(20_000, dtype=np.float32) / 20_000
    finals = []
    for first in range(0, 20_000, 5_000):
        session.press()
        session.feed(samples[first : first + 5_000])
        finals += session.release()
    np.testing.assert_array_equal(np.concatenate([final.samples for final in finals]), samples)


def test_lost_audio_ends_the_utterance_before_it(draw):
    session = SpeechSession(draw, SETTINGS)
    samples = streams.spoken(2)
    events = session.feed(samples[:24_000]) + session.skip(16_000)
    final = of(FinalPicture, events)[0]
    assert final.ending == "gap"
    assert final.end == 1.5
    assert session.time == 2.5
    assert of(FinalPicture, session.feed(streams.spoken(1)))[0].drawing.nearest(1)[0].concept == "cat"


def test_haste_leaves_out_partial_pictures_only_and_counts_them(draw):
    session = SpeechSession(draw, SETTINGS)
    events = session.feed(streams.spoken(2), hurry=True)
    assert not of(PartialPicture, events)
    assert session.partials_dropped >= 2
    expected = of(FinalPicture, hear(draw, streams.spoken(2)))[0]
    np.testing.assert_array_equal(of(FinalPicture, events)[0].drawing.arrays, expected.drawing.arrays)


def test_a_settled_picture_is_the_final_one(draw):
    events = hear(draw, streams.spoken(0, 1, 2, 3, 4))
    settled = [event for event in of(PartialPicture, events) if event.settled]
    finals = of(FinalPicture, events)
    assert len(settled) == len(finals) == 5
    for partial, final in zip(settled, finals, strict=True):
        np.testing.assert_array_equal(partial.drawing.arrays, final.drawing.arrays)


def test_no_partials_when_none_are_asked_for(draw):
    assert not of(PartialPicture, hear(draw, streams.spoken(1), partial_every=0))


def test_values_that_are_not_finite_are_silence(draw):
    samples = streams.spoken(2)
    samples[100:200] = np.nan
    samples[5_000] = np.inf
    assert of(FinalPicture, hear(draw, samples))[0].understood


@pytest.mark.parametrize("samples", [[0.0], np.zeros((3, 2), np.float32), np.zeros(5, np.int16), None])
def test_other_samples_are_refused(draw, samples):
    with pytest.raises(AudioError, match="16 kHz"):
        SpeechSession(draw, SETTINGS).feed(samples)


@pytest.mark.parametrize(
    "changes",
    [
        {"pre_roll": -0.1},
        {"pre_roll": "long"},
        {"trailing_silence": 0.0},
        {"max_utterance": 5.0},
        {"max_utterance": 0.4, "pre_roll": 0.5},
        {"partial_every": 0.01},
        {"refractory": float("nan")},
        {"vad": "guess"},
        {"n": 0},
        {"n": 2.5},
        {"seed": -1},
        {"queue_seconds": 1e9},
    ],
    ids=str,
)
def test_impossible_settings(changes):
    with pytest.raises(RequestError, match=next(iter(changes)).split("_")[0]):
        ListenSettings(**changes)


def test_unknown_style_is_refused_at_once(draw):
    with pytest.raises(RequestError, match="cubism"):
        SpeechSession(draw, ListenSettings(style="cubism"))
