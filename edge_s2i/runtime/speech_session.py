"""The heart of listening: samples in, events out, with no thread, clock or device of its own.

    session = SpeechSession(edge_s2i.load(), ListenSettings())
    while block := next_block():  # 16 kHz mono float32, of any length
        for event in session.feed(block):
            ...
    session.finish()

The same samples give the same events however they are cut into blocks, but for latencies and for what `hurry` leaves
out. Every utterance that started ends in one FinalPicture. Memory is taken once and does not grow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from edge_s2i.audio.constants import HOP_LENGTH, MIN_SECONDS, SAMPLE_RATE
from edge_s2i.audio.level import level_db
from edge_s2i.audio.log_mel_stream import LogMelStream
from edge_s2i.audio.reading import utterance_span
from edge_s2i.errors import AudioError
from edge_s2i.runtime.drawing import Drawing
from edge_s2i.runtime.events import FAINTEST, Ending, FinalPicture, PartialPicture, SpeechEvent, SpeechStarted
from edge_s2i.runtime.listen_settings import ListenSettings
from edge_s2i.runtime.speech_to_picture import Hearing, SpeechToPicture
from edge_s2i.runtime.voice_activity import WINDOW, VoiceDetector, open_voice_detector
from edge_s2i.runtime.voice_gate import VoiceGate

# Without voice, three windows, after which the picture so far is likely the last, so that it is ready when the pause is
# long enough; and before the end of the pause when it is looked at again, for sound that died away slowly.
_SETTLE_SECONDS = 0.096
_SETTLE_BEFORE_END = (0.096, 0.032)
# How much surer another guess must be than the one that is shown, short of being understood, to take its place:
# pictures that come and go tell nobody anything.
_SURER = 2.0
_PAUSE_SECONDS = 0.096  # without voice before which speech that was cut at its greatest length is not taken up again


@dataclass
class _Utterance:
    number: int
    start: int  # first sample of the recording, on the grid of frames of the stream
    voice_end: int  # sample after the last window with voice
    next_partial: int  # sample at which the next one is due
    held: bool  # by the button: no pause ends it
    partials: int = 0
    shown: tuple[str, float] = ("", 0.0)  # the last partial picture's concept and strength
    settlings: int = 0  # how often the picture of this pause was drawn, or left out in a hurry
    settled: tuple[tuple[int, int], Drawing] | None = None  # the span that was drawn in full in this pause, and how


class SpeechSession:
    """Listens to one stream of speech. Not for several threads at once; one `draw` may serve several sessions."""

    def __init__(
        self,
        draw: SpeechToPicture,
        settings: ListenSettings | None = None,
        *,
        detector: VoiceDetector | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        """draw: what `edge_s2i.load` gives; detector: in place of the one that the settings name.

        Raises RequestError for a style that the bundle does not have.
        """
        self.settings = settings or ListenSettings()
        self._draw = draw
        self._style = draw.style_weights(self.settings.style)
        self._detector = detector or open_voice_detector(self.settings.vad)
        self._gate = VoiceGate(
            self.settings.vad_threshold, max(1, round(self.settings.min_voice * SAMPLE_RATE / WINDOW))
        )
        self._clock = clock
        self._stream = LogMelStream(_samples(self.settings.max_utterance))
        self._recent = np.zeros(_samples(self.settings.pre_roll + self.settings.min_voice) + HOP_LENGTH + WINDOW, "f4")
        self._recent_length = 0
        self._waiting = np.zeros(0, np.float32)  # less than a window
        self._position = 0  # samples of the stream that the detector has heard
        self._number = 0
        self._not_before = 0  # no utterance takes samples from before here
        self._resting_until = 0  # no utterance starts before here
        self._after_cut = False
        self._pressed = False
        self._utterance: _Utterance | None = None
        self._arrived = 0.0
        again = (self.settings.trailing_silence - seconds for seconds in _SETTLE_BEFORE_END)
        moments = (_SETTLE_SECONDS, *(seconds for seconds in again if seconds > _SETTLE_SECONDS))
        self._settle_moments = [_samples(seconds) for seconds in moments]  # of silence
        self.partials_dropped = 0
        self.voice_probability = 0.0  # of the last window: for a meter
        self.timings: dict[str, float] = {"vad": 0.0}  # ms of the last window

    @property
    def time(self) -> float:
        """Seconds of the stream so far."""
        return (self._position + len(self._waiting)) / SAMPLE_RATE

    @property
    def image_size(self) -> int:
        """Width and height of the pictures, in pixels."""
        return self._draw.manifest.image_size

    @property
    def speaking(self) -> bool:
        """Whether an utterance is going on."""
        return self._utterance is not None

    def feed(self, samples: np.ndarray, *, arrived: float | None = None, hurry: bool = False) -> list[SpeechEvent]:
        """Hears (N,) float32 samples at 16 kHz and returns what came of them.

        arrived: when they came, by the session's clock; now if not given. Latencies are counted from there.
        hurry: leaves out partial pictures, and counts them in `partials_dropped`; for a caller that is behind.
        Raises AudioError for another shape or type; samples that are not finite are heard as silence.
        """
        samples = _checked(samples)
        self._arrived = self._clock() if arrived is None else arrived
        events: list[SpeechEvent] = []
        samples = np.concatenate([self._waiting, samples])
        whole = len(samples) - len(samples) % WINDOW
        for first in range(0, whole, WINDOW):
            self._waiting = samples[:0]
            self._hear_window(samples[first : first + WINDOW], events, hurry)
        self._waiting = samples[whole:].copy()
        return events

    def press(self) -> list[SpeechEvent]:
        """The button goes down: an utterance starts now, with the pre-roll before it. Again is no mistake."""
        self._arrived = self._clock()
        events: list[SpeechEvent] = []
        self._pressed = True
        if self._utterance is not None:
            self._utterance.held = True
        else:
            self._take_waiting()
            self._begin(self._position, held=True, events=events)
        return events

    def release(self) -> list[SpeechEvent]:
        """The button comes up: the utterance ends here. Without one, nothing happens."""
        self._arrived = self._clock()
        events: list[SpeechEvent] = []
        self._pressed = False
        if self._utterance is not None and self._utterance.held:
            self._take_waiting()
            self._end("release", events)
        return events

    def skip(self, samples: int) -> list[SpeechEvent]:
        """`samples` of the stream were lost here: an utterance in which they are missing ends before them."""
        self._arrived = self._clock()
        events: list[SpeechEvent] = []
        self._take_waiting()
        if self._utterance is not None:
            self._end("gap", events)
        self._position += samples
        self._forget()
        return events

    def finish(self) -> list[SpeechEvent]:
        """The stream is over: ends an utterance that goes on. What is fed next is heard as another stream's sound."""
        self._arrived = self._clock()
        events: list[SpeechEvent] = []
        self._take_waiting()
        if self._utterance is not None:
            self._end("end", events)
        self._forget()
        self._pressed = self._after_cut = False
        self._resting_until = self._position
        return events

    def _hear_window(self, window: np.ndarray, events: list[SpeechEvent], hurry: bool) -> None:
        start = self._clock()
        self.voice_probability = self._detector.probability(window)
        self.timings["vad"] = (self._clock() - start) * 1000.0
        self._gate.hear(self.voice_probability)
        self._position += WINDOW
        if self._utterance is None:
            self._remember(window)
            self._listen_for_a_start(events)
            if self._utterance is not None and self.settings.partial_every:
                self._draw_so_far(self._utterance, 0, events, hurry)
        else:
            self._stream.append(window)
            self._go_on(self._utterance, events, hurry)

    def _listen_for_a_start(self, events: list[SpeechEvent]) -> None:
        if self._after_cut and self._gate.quiet * WINDOW >= _samples(_PAUSE_SECONDS):
            self._after_cut = False
        if self._pressed or self._after_cut or self.settings.push_to_talk or self._position < self._resting_until:
            return
        if self._gate.open:
            self._begin(self._position - self._gate.needed * WINDOW, held=False, events=events)

    def _begin(self, onset: int, *, held: bool, events: list[SpeechEvent]) -> None:
        oldest = self._position - self._recent_length
        first = max(onset - _samples(self.settings.pre_roll), self._not_before, oldest)
        on_grid = first - first % HOP_LENGTH  # frames of a file that is heard from its start begin there
        first = on_grid if on_grid >= oldest else first
        self._stream.clear()
        self._stream.append(self._recent[first - oldest : self._recent_length])
        self._gate.begin()
        self._number += 1
        self._utterance = _Utterance(
            number=self._number,
            start=first,
            voice_end=self._position,
            next_partial=min(onset, first + self._stream.loud_since()) + _samples(self.settings.partial_every),
            held=held,
        )
        events.append(
            SpeechStarted(
                at=self._position / SAMPLE_RATE,
                latency_ms=self._latency(),
                utterance=self._number,
                start=onset / SAMPLE_RATE,
            )
        )

    def _go_on(self, utterance: _Utterance, events: list[SpeechEvent], hurry: bool) -> None:
        if self._gate.quiet == 0:
            utterance.voice_end = self._position
            utterance.settled, utterance.settlings = None, 0
        silence = self._position - utterance.voice_end
        if self._stream.room == 0:
            self._after_cut = not utterance.held
            self._end("length", events)
        elif not utterance.held and silence >= _samples(self.settings.trailing_silence):
            self._end("pause", events)
        elif self.settings.partial_every:
            self._draw_so_far(utterance, silence, events, hurry)

    def _draw_so_far(self, utterance: _Utterance, silence: int, events: list[SpeechEvent], hurry: bool) -> None:
        moments = self._settle_moments[utterance.settlings :]
        settling = bool(moments) and silence >= moments[0]
        due = self._position >= utterance.next_partial and not utterance.settlings
        if not settling and not due:
            return
        first, last = self._stream.heard_span()
        if last - first < _samples(MIN_SECONDS):
            return
        utterance.next_partial = self._position + _samples(self.settings.partial_every)
        utterance.settlings += settling
        if settling and utterance.settled is not None and utterance.settled[0] == (first, last):
            return
        if hurry:
            self.partials_dropped += 1
            return
        if settling:
            drawing = self._draw_whole(utterance)
            utterance.settled = ((first, last), drawing)
            drawing = replace(drawing, arrays=drawing.arrays[:1])
        else:
            drawing = self._draw_heard(self._hear_span(first, last), n=1)
        strength = self._strength(drawing.confidence)
        if len(drawing.arrays) == 0 or strength < self.settings.partial_strength:
            utterance.next_partial = self._position + 2 * WINDOW  # too early to tell: look again soon
            return
        concept = next((nearest.concept for nearest in drawing.nearest(1)), "")
        if not settling and concept != utterance.shown[0] and strength < min(1.0, _SURER * utterance.shown[1]):
            return
        utterance.shown = (concept, strength)
        utterance.partials += 1
        events.append(
            PartialPicture(
                at=self._position / SAMPLE_RATE,
                latency_ms=self._latency(),
                utterance=utterance.number,
                number=utterance.partials,
                drawing=drawing,
                strength=max(FAINTEST, strength),
                settled=settling,
                start=(utterance.start + first) / SAMPLE_RATE,
                end=(utterance.start + last) / SAMPLE_RATE,
                timings=drawing.timings,
            )
        )

    def _hear_span(self, first: int, last: int) -> Hearing:
        start = self._clock()
        features = self._stream.log_mel(first, last)
        return self._draw.hear_log_mel(features, {"log_mel": (self._clock() - start) * 1000.0})

    def _draw_heard(self, hearing: Hearing, n: int) -> Drawing:
        """With pictures only where they can be shown, partly or as a final picture."""
        wanted = self.settings.draw_anyway or self._strength(hearing.confidence) >= self.settings.partial_strength
        return self._draw.draw_heard(hearing, n=n, seed=self.settings.seed, style=self._style, draw_anyway=wanted)

    def _strength(self, confidence: float) -> float:
        return min(1.0, confidence / max(self._draw.manifest.confidence.threshold, 1e-6))

    def _draw_whole(self, utterance: _Utterance) -> Drawing:
        """What a file of the recording so far would be drawn as, whether it was understood or not."""
        samples, settled = self._stream.samples, utterance.settled
        try:
            if settled is not None and settled[0] == utterance_span(samples) and self._loud(samples):
                return settled[1]  # the same sound, with more silence after it
            hearing = self._draw.hear((samples, SAMPLE_RATE))
        except AudioError as error:
            hearing = Hearing(None, 0.0, False, str(error), {})
        return self._draw_heard(hearing, n=self.settings.n)

    def _loud(self, samples: np.ndarray) -> bool:
        return level_db(samples) >= self._draw.manifest.confidence.min_level_db

    def _end(self, ending: Ending, events: list[SpeechEvent]) -> None:
        utterance = self._utterance
        assert utterance is not None
        drawing = self._draw_whole(utterance)
        if not drawing.understood and not self.settings.draw_anyway:
            drawing = replace(drawing, arrays=drawing.arrays[:0])
        samples = self._stream.samples.copy()
        end = utterance.start + len(samples)
        events.append(
            FinalPicture(
                at=self._position / SAMPLE_RATE,
                latency_ms=self._latency(),
                utterance=utterance.number,
                drawing=drawing,
                ending=ending,
                start=utterance.start / SAMPLE_RATE,
                end=end / SAMPLE_RATE,
                speech_end=utterance.voice_end / SAMPLE_RATE,
                samples=samples,
                timings={**self.timings, **drawing.timings},
            )
        )
        self._utterance = None
        self._recent_length = 0
        self._gate.end()
        self._not_before = end
        self._resting_until = end + _samples(self.settings.refractory)

    def _take_waiting(self) -> None:
        """Counts the samples that do not fill a window as heard, though the detector never sees them."""
        if self._utterance is not None:
            self._stream.append(self._waiting)
        else:
            self._remember(self._waiting)
        self._position += len(self._waiting)
        self._waiting = self._waiting[:0]

    def _remember(self, window: np.ndarray) -> None:
        keep = min(self._recent_length, len(self._recent) - len(window))
        self._recent[:keep] = self._recent[self._recent_length - keep : self._recent_length]
        self._recent[keep : keep + len(window)] = window
        self._recent_length = keep + len(window)

    def _forget(self) -> None:
        self._detector.reset()
        self._recent_length = 0
        self._gate.reset()
        self._not_before = self._position

    def _latency(self) -> float:
        return (self._clock() - self._arrived) * 1000.0


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _checked(samples: np.ndarray) -> np.ndarray:
    if not isinstance(samples, np.ndarray) or samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        given = (
            f"{samples.dtype} of shape {samples.shape}" if isinstance(samples, np.ndarray) else type(samples).__name__
        )
        raise AudioError(f"a session was fed {given}; give float32 samples at 16 kHz of shape (N,)")
    samples = samples.astype(np.float32, copy=False)
    return samples if np.isfinite(samples).all() else np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
