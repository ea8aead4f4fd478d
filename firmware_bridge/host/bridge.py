"""Runs the model for a board: an utterance in, partial pictures while it is spoken, the final one after it.

The model is whatever `edge_s2i.load()` gives: a callable on (samples, rate). It runs in one worker thread, so that the
line is served while it draws.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_s2i.errors import EdgeS2IError, LinkError
from firmware_bridge.host.line import Line
from firmware_bridge.link.happenings import Begun, Closed, Ended, Happening, Opened, Shown, TakenBack, Told
from firmware_bridge.link.messages import Hello, Log, Status
from firmware_bridge.link.panel import Panel, fit
from firmware_bridge.link.session import HostSession, SessionSettings
from firmware_bridge.link.spec import CHUNK_BYTES, MAX_UNITS, SAMPLE_RATE, AnswerFlag, PictureState
from firmware_bridge.link.utterances import Account, Utterance

POLL_SECONDS = 0.004
LEAST_PARTIAL_SECONDS = 0.4  # of speech: before it there is nothing to draw
MOST_UTTERANCE_SECONDS = 4.0
KEPT_CHECKSUMS = 8
JPEG_QUALITIES = (85, 60, 35, 10)  # the first whose file is short enough for the link

Draw = Callable[..., Any]  # (samples, rate), seed=, draw_anyway= -> edge_s2i's Drawing


@dataclass(frozen=True)
class BridgeSettings:
    """How the host behaves."""

    partial_seconds: float = 0.3  # between partial pictures; 0: none
    draw_anyway: bool = False  # show also what was not understood
    seed: int = 0
    first_wait: float = 0.25  # s before a line that is gone is tried again; doubles
    most_wait: float = 8.0
    session: SessionSettings = field(default_factory=SessionSettings)

    def __post_init__(self) -> None:
        if self.partial_seconds < 0 or self.first_wait <= 0 or self.most_wait < self.first_wait or self.seed < 0:
            raise LinkError("bridge settings: times are not negative, waits above 0, the seed 0 or more")


@dataclass
class BridgeState:
    """What is going on, for a table."""

    line: str = "closed"
    hello: Hello | None = None
    speaking: bool = False
    utterances: int = 0
    understood: int = 0
    partials: int = 0
    pictures: int = 0  # final ones that the panel has whole
    reconnects: int = 0
    last_answer: str = ""
    last_account: Account | None = None
    last_draw_ms: float = 0.0
    last_show_ms: float = 0.0  # from drawn to whole on the panel
    status: Status | None = None
    checksums: dict[int, int] = field(default_factory=dict)  # of the last final pictures on the panel, by number
    log: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    logged: int = 0  # lines so far


class Bridge:
    """One board, for as long as `run` runs."""

    def __init__(self, draw: Draw, open_line: Callable[[], Awaitable[Line]], settings: BridgeSettings) -> None:
        """open_line: gives the line, again after every loss; raises OSError while it is not there."""
        self.state = BridgeState()
        self.session: HostSession | None = None
        self._draw = draw
        self._open_line = open_line
        self._settings = settings
        self._workers = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self._drawing: asyncio.Task[None] | None = None
        self._drawn = 0  # the utterance that is drawn
        self._partial_wanted = False
        self._final: deque[Utterance] = deque(maxlen=4)  # said while the last one is drawn; more would only be late
        self._current: Utterance | None = None
        self._partial_at = 0.0
        self._shown_from: dict[int, float] = {}

    async def run(self) -> None:
        """Serves the board until cancelled, reconnecting with growing waits. LinkError where it never can."""
        wait = self._settings.first_wait
        try:
            while True:
                try:
                    line = await self._open_line()
                except OSError as error:
                    self._say(f"no line: {error.strerror or error}; again in {wait:.2g} s")
                    self.state.line = "waiting"
                else:
                    self.state.line = "open"
                    opened = await self._serve(line)
                    self.state.line = "lost"
                    if opened:
                        wait = self._settings.first_wait
                self.state.reconnects += 1
                await asyncio.sleep(wait)
                wait = min(2 * wait, self._settings.most_wait)
        finally:
            self._workers.shutdown(wait=False, cancel_futures=True)

    async def _serve(self, line: Line) -> bool:
        """Serves one line until it is lost; did a session open on it?"""
        session = HostSession(line.write, secrets.randbits(32), time.monotonic(), self._settings.session)
        self.session = session
        reader = asyncio.create_task(self._read(line, session))
        try:
            while not reader.done():
                self._take(session.poll(time.monotonic()))
                self._start_drawing()
                await asyncio.wait([reader], timeout=POLL_SECONDS)
            reader.result()
            self._say("the line has ended")
        except OSError as error:
            self._say(f"the line is lost: {error.strerror or error}")
        finally:
            reader.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await reader
            line.close()
            self._forget()
            self.state.hello = None
            self.session = None
        return session.counters.sessions > 0

    async def _read(self, line: Line, session: HostSession) -> None:
        while True:
            content = await line.read()
            if not content:
                return
            self._take(session.receive(content, time.monotonic()))
            self._start_drawing()

    def _take(self, happenings: list[Happening]) -> None:
        state = self.state
        for item in happenings:
            if isinstance(item, Opened):
                self._forget()
                state.hello = item.hello
                self._say(f"board {item.hello.name!r} is there")
            elif isinstance(item, Closed):
                self._forget()
                state.hello = None
                self._say(item.reason)
            elif isinstance(item, Begun):
                self._current = item.utterance
                self._partial_at = time.monotonic() + max(self._settings.partial_seconds, LEAST_PARTIAL_SECONDS)
                state.speaking = True
            elif isinstance(item, Ended):
                self._stop_listening(item.utterance.number)
                self._final.append(item.utterance)
            elif isinstance(item, TakenBack):
                self._take_back(item.number)
            elif isinstance(item, Shown):
                self._note_shown(item)
            elif isinstance(item, Told):
                self._note_told(item.message)

    def _stop_listening(self, number: int) -> None:
        # The next one may have begun before this one's end came.
        if self._current is not None and self._current.number == number:
            self._current, self.state.speaking = None, False

    def _take_back(self, number: int) -> None:
        self._stop_listening(number)
        for utterance in [item for item in self._final if item.number == number]:
            self._final.remove(utterance)
        if self._drawn == number:
            self._stop_drawing()
        self._say("the utterance was taken back")

    def _stop_drawing(self) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
            self._drawing = None

    def _forget(self) -> None:
        self._stop_drawing()  # what a board said before it started again is not for its new session
        self._current, self.state.speaking = None, False
        self._final.clear()
        self._shown_from.clear()

    def _note_shown(self, item: Shown) -> None:
        if item.state == PictureState.WHOLE and item.final:
            self.state.pictures += 1
            self.state.checksums[item.picture] = item.checksum
            while len(self.state.checksums) > KEPT_CHECKSUMS:
                del self.state.checksums[next(iter(self.state.checksums))]
            begin = self._shown_from.pop(item.utterance, None)
            if begin is not None:
                self.state.last_show_ms = 1000 * (time.monotonic() - begin)
        elif item.final:
            self._say(f"the picture did not reach the panel: {item.state.name.lower()}")

    def _note_told(self, message: Status | Log) -> None:
        if isinstance(message, Status):
            self.state.status = message
        else:
            self._say(f"board: {message.text}")

    def _start_drawing(self) -> None:
        if self._drawing is not None and not self._drawing.done():
            return
        if self._drawing is not None:
            done, self._drawing = self._drawing, None
            if not done.cancelled():
                done.result()
        if self._final:
            self._drawn = self._final[0].number
            self._drawing = asyncio.create_task(self._draw_final(self._final.popleft()))
        elif self._current is not None and self._settings.partial_seconds and time.monotonic() >= self._partial_at:
            samples = self._current.samples
            if len(samples) >= LEAST_PARTIAL_SECONDS * SAMPLE_RATE:
                self._partial_at = time.monotonic() + self._settings.partial_seconds
                self._drawn = self._current.number
                self._drawing = asyncio.create_task(self._draw_partial(self._current.number, samples))

    async def _run_model(self, samples: np.ndarray, anyway: bool) -> Any:
        loop = asyncio.get_running_loop()
        last = samples[-int(MOST_UTTERANCE_SECONDS * SAMPLE_RATE) :]
        call = (last.astype(np.float32) / 32768.0, SAMPLE_RATE)
        begin = time.perf_counter()
        drawing = await loop.run_in_executor(
            self._workers, lambda: self._draw(call, seed=self._settings.seed, draw_anyway=anyway)
        )
        self.state.last_draw_ms = 1000 * (time.perf_counter() - begin)
        return drawing

    async def _draw_partial(self, number: int, samples: np.ndarray) -> None:
        try:
            drawing = await self._run_model(samples, self._settings.draw_anyway)
        except EdgeS2IError:
            return  # most often too little of it is speech so far; the final picture tells of anything else
        over = self._current is None or self._current.number != number
        if len(drawing.arrays) and not over and self._show(drawing.arrays[0], number, final=False):
            self.state.partials += 1

    async def _draw_final(self, utterance: Utterance) -> None:
        state, account = self.state, utterance.account()
        state.utterances += 1
        state.last_account = account
        if account.missing:
            self._say(f"utterance {utterance.number}: {account.missing} of {account.total} samples missing")
        try:
            drawing = await self._run_model(utterance.samples, self._settings.draw_anyway)
        except EdgeS2IError as error:
            state.last_answer = str(error)
            self._answer(utterance.number, AnswerFlag.FAILED, 0.0, str(error))
            return
        flags = AnswerFlag.UNDERSTOOD if drawing.understood else AnswerFlag(0)
        nearest = drawing.nearest(1)
        text = nearest[0].caption if drawing.understood and nearest else drawing.reason
        state.understood += bool(drawing.understood)
        state.last_answer = text
        self._answer(utterance.number, flags, drawing.confidence, text)
        if len(drawing.arrays):
            self._shown_from[utterance.number] = time.monotonic()
            self._show(drawing.arrays[0], utterance.number, final=True)

    def _answer(self, utterance: int, flags: AnswerFlag, confidence: float, text: str) -> None:
        if self.session is not None:
            self.session.answer(utterance, flags, confidence, text)

    def _show(self, picture: np.ndarray, utterance: int, final: bool) -> bool:
        if self.session is None or self.session.hello is None:
            return False
        hello = self.session.hello
        panel = Panel.of(hello)
        if panel is None:
            size = (hello.panel_width or picture.shape[1], hello.panel_height or picture.shape[0])
            return self.session.show_jpeg(_jpeg(fit(picture, *size)), *size, utterance=utterance, final=final)
        return self.session.show(panel.render(picture), utterance=utterance, final=final)

    def _say(self, text: str) -> None:
        text = printable(text)
        if not self.state.log or self.state.log[-1] != text:
            self.state.log.append(text)
            self.state.logged += 1


def printable(text: str) -> str:
    """`text` with a question mark for what is no visible character: a board must not steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _jpeg(picture: np.ndarray) -> bytes:
    """The best file that the link can carry; at the last quality noise of its largest side fits."""
    from PIL import Image

    for quality in JPEG_QUALITIES:
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "JPEG", quality=quality)
        if out.tell() <= MAX_UNITS * CHUNK_BYTES:
            break
    return out.getvalue()
