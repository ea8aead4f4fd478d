"""`edge_s2i.listen`: a source of speech, a thread that captures, and events for whoever iterates."""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.runtime.audio_queue import AudioQueue, Block, Mark
from edge_s2i.runtime.events import Dropped, FinalPicture, SpeechEvent, SpeechStarted
from edge_s2i.runtime.listen_settings import ListenSettings
from edge_s2i.runtime.sources.opening import open_source
from edge_s2i.runtime.sources.source import Source
from edge_s2i.runtime.speech_session import SpeechSession
from edge_s2i.runtime.speech_to_picture import SpeechToPicture

_BEHIND_SECONDS = 0.16  # of live audio waiting, from which partial pictures are left out


@dataclass(frozen=True)
class Counters:
    """What became of the stream so far."""

    seconds: float  # of audio heard or lost
    utterances: int  # that started
    finals: int  # that ended
    dropped_samples: int  # at 16 kHz, that nobody heard
    dropped_partials: int
    overflows: int  # of the sound device itself
    waiting_seconds: float  # of audio in the queue now
    most_waiting_seconds: float  # ever
    busy_seconds: float  # of understanding and drawing


class Listener:
    """Iterates over the events of a source. The iterating thread does the work; another one captures.

    A model, or a reader of events, that is too slow loses partial pictures first and then audio; both are counted and
    told by `Dropped`. Capture never waits for them, memory does not grow, and every utterance that started gets its
    final picture. Sources that are not live wait instead, and lose nothing.
    """

    def __init__(self, source: Source, session: SpeechSession) -> None:
        self.source = source
        self.session = session
        self._queue = AudioQueue(round(session.settings.queue_seconds * SAMPLE_RATE))
        self._events: deque[SpeechEvent] = deque()
        self._failure: Exception | None = None
        self._ended = False
        self._busy = 0.0
        self._utterances = self._finals = 0
        self._told_partials = self._told_overflows = 0
        self._capture = threading.Thread(target=self._run, name="edge-s2i capture", daemon=True)
        self._capture.start()

    def __iter__(self) -> Listener:
        return self

    def __next__(self) -> SpeechEvent:
        while not self.ended:
            event = self.poll(None)
            if event is not None:
                return event
        raise StopIteration

    @property
    def ended(self) -> bool:
        """Whether the stream is over and every event was handed out."""
        return self._ended and not self._events and self._failure is None

    def poll(self, timeout: float | None = 0.0) -> SpeechEvent | None:
        """The next event; None if `timeout` seconds bring no audio, or no event came of what they brought.

        For a reader that has other things to do, such as drawing a window. Raises AudioError where the source fails,
        after the last event.
        """
        if not self._events and not self._ended:
            try:
                item = self._queue.get(timeout)
            except TimeoutError:
                return None
            start = perf_counter()
            self._understand(item)
            self._busy += perf_counter() - start
        if self._events:
            return self._events.popleft()
        if self._ended and self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return None

    def press(self) -> None:
        """The talk button goes down, at this moment of the stream. From any thread."""
        self._queue.mark("press")

    def release(self) -> None:
        """The talk button comes up."""
        self._queue.mark("release")

    def close(self) -> None:
        """Stops listening; what was captured is still understood, and then iteration ends."""
        self.source.close()
        self._queue.close()

    @property
    def counters(self) -> Counters:
        """What became of the stream so far."""
        return Counters(
            seconds=self.session.time,
            utterances=self._utterances,
            finals=self._finals,
            dropped_samples=self._queue.dropped,
            dropped_partials=self.session.partials_dropped,
            overflows=self.source.overflows,
            waiting_seconds=self._queue.waiting / SAMPLE_RATE,
            most_waiting_seconds=self._queue.greatest / SAMPLE_RATE,
            busy_seconds=self._busy,
        )

    def _understand(self, item: Block | Mark | None) -> None:
        if item is None:
            self._lose(self._queue.take_lost())
            self._take(self.session.finish())
            self._ended = True
        elif isinstance(item, Mark):
            self._take(self.session.press() if item.name == "press" else self.session.release())
        else:
            self._lose(item.lost)
            behind = self.source.live and self._queue.waiting > _BEHIND_SECONDS * SAMPLE_RATE
            self._take(self.session.feed(item.samples, arrived=item.arrived, hurry=behind))
            if self.source.overflows > self._told_overflows:
                self._tell_dropped(0)

    def _lose(self, samples: int) -> None:
        if samples:
            self._take(self.session.skip(samples))
            self._tell_dropped(samples)

    def _take(self, events: list[SpeechEvent]) -> None:
        for event in events:
            if isinstance(event, SpeechStarted):
                self._utterances += 1
            elif isinstance(event, FinalPicture):
                self._finals += 1
                if self.session.partials_dropped > self._told_partials:
                    self._tell_dropped(0)
            self._events.append(event)

    def _tell_dropped(self, samples: int) -> None:
        partials, overflows = self.session.partials_dropped, self.source.overflows
        told = Dropped(
            at=self.session.time,
            latency_ms=0.0,
            samples=samples,
            partials=partials - self._told_partials,
            overflows=overflows - self._told_overflows,
        )
        self._told_partials, self._told_overflows = partials, overflows
        if told.samples or told.partials or told.overflows:
            self._events.append(told)

    def _run(self) -> None:
        try:
            while (block := self.source.read()) is not None:
                if len(block):
                    self._queue.put(block, wait=not self.source.live)
        except Exception as error:  # raised again in the reader's thread
            self._failure = error
        finally:
            self._queue.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        self._capture.join(2.0)


def start_listening(
    draw: SpeechToPicture,
    source: str | os.PathLike | Source | None = None,
    *,
    settings: ListenSettings | None = None,
    device: int | str | None = None,
    rate: int = SAMPLE_RATE,
    channels: int = 1,
    sample_format: str = "s16le",
    pace: bool = False,
) -> Listener:
    """Opens a source and listens to it; see `edge_s2i.listen`."""
    session = SpeechSession(draw, settings)
    draw.warm_up()
    if source is None or isinstance(source, str | os.PathLike):
        source = open_source(
            source, device=device, rate=rate, channels=channels, sample_format=sample_format, pace=pace
        )
    return Listener(source, session)
