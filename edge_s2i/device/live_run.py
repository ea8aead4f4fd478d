"""A live run: a listener's events onto displays, until somebody stops it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import monotonic, perf_counter
from types import FrameType
from typing import Any

from edge_s2i.device.board import Board
from edge_s2i.device.displays.display import Display, picture_of
from edge_s2i.device.run_summary import RunSummary
from edge_s2i.device.service import ServiceManager
from edge_s2i.device.talk_key import TalkKey
from edge_s2i.errors import AudioError
from edge_s2i.runtime.events import FinalPicture, SpeechEvent
from edge_s2i.runtime.listening import Listener

_LOOK_EVERY = 10.0  # s between readings of temperature and throttling
_DEAF_AFTER = 10.0  # s without any audio from a microphone, after which it counts as gone
_PATIENCE = 0.03  # s that a wait for audio may keep a key or a window waiting


class LiveRun:
    """Puts what a listener reports on displays, takes keys, and measures."""

    def __init__(
        self,
        listener: Listener,
        displays: Sequence[Display],
        *,
        tell: Callable[[SpeechEvent], None],
        board: Board | None = None,
        service: ServiceManager | None = None,
        talk_key: TalkKey | None = None,
        seconds: float | None = None,
    ) -> None:
        """tell: is given every event after it was shown; seconds: of running time after which to stop."""
        self._listener = listener
        self._displays = displays
        self._tell = tell
        self._summary = RunSummary(board)
        self._service = service or ServiceManager()
        self._talk_key = talk_key
        self._seconds = seconds
        self._question_size = listener.session.image_size
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ends the run: an utterance that goes on still gets its picture. From any thread or signal handler."""
        self._stop.set()

    def run(self) -> dict[str, Any]:
        """Runs to the end of the source, a key, a signal (Ctrl-C, SIGTERM) or the time limit; returns the report.

        Raises AudioError for a microphone that gives nothing any more: a service manager then starts anew.
        """
        begin = heard = looked = monotonic()
        seconds = 0.0
        with ExitStack() as stack:
            stack.enter_context(self._listener)
            for display in self._displays:
                stack.callback(display.close)
            stack.enter_context(_StoppedBySignals(self.stop))
            if self._talk_key is not None:
                stack.enter_context(self._talk_key)
            self._service.ready(f"listening to {self._listener.source.name}")
            while not self._listener.ended:
                event = self._listener.poll(_PATIENCE)
                if self._listener.session.timings["vad"]:
                    self._summary.add("vad", self._listener.session.timings["vad"])
                if event is not None:
                    self._show(event)
                self._take_actions()
                now = monotonic()
                if self._listener.session.time != seconds or not self._listener.source.live:
                    heard, seconds = now, self._listener.session.time
                if now - heard > _DEAF_AFTER and not self._stop.is_set():
                    raise AudioError(f"{self._listener.source.name} has given no sound for {_DEAF_AFTER:.0f} s")
                self._service.alive()
                if now - looked > _LOOK_EVERY and not self._listener.session.speaking:
                    looked = now
                    self._summary.look_at_board()
                if self._stop.is_set() or (self._seconds is not None and now - begin > self._seconds):
                    self._listener.close()
            self._service.stopping()
        return self._summary.report(self._listener.counters)

    def _show(self, event: SpeechEvent) -> None:
        self._summary.hear(event)
        picture = picture_of(event, self._question_size)
        if picture is not None:
            start = perf_counter()
            for display in self._displays:
                display.show(picture, event)
            if self._displays:
                self._summary.add("display", (perf_counter() - start) * 1000.0)
        if isinstance(event, FinalPicture):
            if self._talk_key is not None:
                self._talk_key.spoken_to_the_end()
            self._service.status(f"{event.utterance} utterances, {self._summary.understood} understood")
        self._tell(event)

    def _take_actions(self) -> None:
        actions = self._talk_key.poll() if self._talk_key is not None else []
        for display in self._displays:
            actions += display.poll()
        for action in actions:
            if action == "press":
                self._listener.press()
            elif action == "release":
                self._listener.release()
            else:
                self.stop()


class _StoppedBySignals:
    """While it lasts, Ctrl-C and SIGTERM call `stop` once; a second Ctrl-C interrupts as ever."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._stop()
        signal.signal(number, self._before[number])
