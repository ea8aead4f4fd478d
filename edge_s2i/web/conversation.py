"""One visitor who speaks: audio in, pictures out, over one WebSocket.

The connection's own task receives and never waits for the model; a thread hears and draws. Between them is a bounded
queue: a model that is too slow loses partial pictures first and then audio, and the page is told how much.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import EdgeS2IError
from edge_s2i.runtime import FinalPicture, ListenSettings, PartialPicture, SpeechSession, SpeechStarted
from edge_s2i.runtime.audio_queue import AudioQueue, Block, Mark
from edge_s2i.runtime.events import SpeechEvent
from edge_s2i.runtime.speech_to_picture import Style
from edge_s2i.web import protocol
from edge_s2i.web.protocol import Control, ProtocolError
from edge_s2i.web.rate import TokenBucket
from edge_s2i.web.settings import Limits
from edge_s2i.web.studio import Studio

READINGS = 4
_BEHIND = int(0.16 * SAMPLE_RATE)  # samples waiting, from which partial pictures are left out

# How the page calls what an utterance was not understood for, by how the runtime's sentence begins or ends.
_REASONS = (
    ("silence", "silence"),
    ("steady noise", "noise"),
    ("confidence", "unsure"),
    ("an utterance is at least", "short"),
    ("an utterance is at most", "long"),
)

log = logging.getLogger("edge_s2i.web")


class ClosingError(Exception):
    """The conversation is to be closed."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Conversation:
    """Speaks with one page until either side has had enough."""

    def __init__(self, websocket: WebSocket, studio: Studio, settings: ListenSettings, limits: Limits) -> None:
        self._websocket = websocket
        self._studio = studio
        self._settings = replace(settings, push_to_talk=True, n=1)
        self._limits = limits
        self._session = SpeechSession(studio.draw, self._settings)
        self._queue = AudioQueue(round(settings.queue_seconds * SAMPLE_RATE))
        self._audio = TokenBucket(limits.audio_rate * SAMPLE_RATE, limits.audio_burst * SAMPLE_RATE)
        self._controls = TokenBucket(limits.controls_rate, limits.controls_burst)
        self._chosen = self._settings  # what the page asked for last; the thread takes it up
        self._redraw = Control("redraw")
        self._debug = False
        self._heard: np.ndarray | None = None  # embedding of the last utterance that was understood
        self._unstyled: np.ndarray | None = None  # the same, while the style chooser shows something older
        self._utterance = 0
        self._lost = 0  # samples, not yet told to the page
        self._partials_dropped = 0  # not yet told either
        self._loop = asyncio.get_running_loop()
        self._failed = asyncio.Event()
        self._reason = ""

    async def run(self) -> None:
        """Receives until the page goes, or raises ClosingError."""
        control = await self._first_message()
        self._take(control)
        worker = threading.Thread(target=self._work, name="edge-s2i conversation", daemon=True)
        worker.start()
        failure = asyncio.create_task(self._failed.wait())
        try:
            while True:
                receiving = asyncio.create_task(self._receive(self._limits.idle_seconds, protocol.IDLE))
                await asyncio.wait({receiving, failure}, return_when=asyncio.FIRST_COMPLETED)
                if failure.done():
                    receiving.cancel()
                    raise ClosingError(protocol.FAILED, self._reason)
                self._accept(receiving.result())
        finally:
            failure.cancel()
            self._queue.close()
            await asyncio.to_thread(worker.join, self._limits.send_seconds)

    async def _first_message(self) -> Control:
        content = await self._receive(self._limits.start_seconds, protocol.IDLE)
        if not isinstance(content, str):
            raise ClosingError(protocol.UNREADABLE, "the first message is not a start")
        control = self._control(content)
        if control.type != "start":
            raise ClosingError(protocol.UNREADABLE, "the first message is not a start")
        return control

    async def _receive(self, seconds: float, code: int) -> str | bytes:
        try:
            message = await asyncio.wait_for(self._websocket.receive(), seconds)
        except TimeoutError as error:
            raise ClosingError(code, f"nothing came for {seconds:g} s") from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
        text, content = message.get("text"), message.get("bytes")
        size = len(text.encode("utf-8", "surrogatepass")) if text is not None else len(content or b"")
        if size > self._limits.message_bytes:
            raise ClosingError(
                protocol.TOO_LARGE, f"a message has {size} bytes; {self._limits.message_bytes} are taken"
            )
        return text if text is not None else content or b""

    def _accept(self, content: str | bytes) -> None:
        if isinstance(content, str):
            if not self._controls.take(1):
                raise ClosingError(protocol.TOO_FAST, "more messages came than can be pressed")
            self._take(self._control(content))
            return
        try:
            samples = protocol.parse_audio(content)
        except ProtocolError as error:
            raise ClosingError(protocol.UNREADABLE, str(error)) from error
        if not self._audio.take(len(samples)):
            raise ClosingError(protocol.TOO_FAST, "audio comes faster than anybody speaks")
        self._queue.put(samples)

    def _control(self, content: str) -> Control:
        try:
            return protocol.parse_control(content, self._studio.styles)
        except ProtocolError as error:
            raise ClosingError(protocol.UNREADABLE, str(error)) from error

    def _take(self, control: Control) -> None:
        if control.type in ("start", "choose"):
            chosen = self._chosen
            if control.hands_free is not None:
                chosen = replace(chosen, push_to_talk=not control.hands_free)
            if control.seed is not None:
                chosen = replace(chosen, seed=control.seed)
            if control.style is not None:
                chosen = replace(chosen, style=control.style)
            self._chosen = chosen
            self._debug = self._debug or control.debug
        elif control.type == "redraw":
            self._redraw = control
        self._queue.mark(control.type)

    # What follows runs in the thread.

    def _work(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item, Mark):
                    self._obey(item.name)
                else:
                    self._hear(item)
        except ClosingError as closing:
            self._give_up(closing.reason)
        except EdgeS2IError as error:
            self._give_up(str(error))
        except Exception:
            log.exception("a conversation failed")
            self._give_up("the model failed; the server's log says why")

    def _give_up(self, reason: str) -> None:
        self._reason = reason
        self._queue.close()
        self._loop.call_soon_threadsafe(self._failed.set)

    def _hear(self, block: Block) -> None:
        session = self._session
        dropped = session.partials_dropped
        with self._studio.lock:
            events = session.skip(block.lost) if block.lost else []
            events += session.feed(block.samples, arrived=block.arrived, hurry=self._is_behind())
        self._tell(events)
        self._lost += block.lost
        self._partials_dropped += session.partials_dropped - dropped
        if not self._is_behind():
            self._tell_what_no_block_tells()
            self._catch_up()

    def _tell_what_no_block_tells(self) -> None:
        """Samples that were dropped behind the last block: without another one nobody would say so."""
        lost = self._queue.take_lost() if self._queue.waiting == 0 else 0
        if lost:
            with self._studio.lock:
                events = self._session.skip(lost)
            self._tell(events)
            self._lost += lost

    def _is_behind(self) -> bool:
        return self._queue.waiting > _BEHIND

    def _catch_up(self) -> None:
        """What can wait: to say what was left out, and to draw what was said last in every style."""
        if self._lost or self._partials_dropped:
            self._send({"type": "dropped", "samples": self._lost, "partials": self._partials_dropped})
            self._lost = self._partials_dropped = 0
        if self._unstyled is not None and not self._session.speaking:
            embedding, self._unstyled = self._unstyled, None
            self._send_styles(embedding)

    def _obey(self, name: str) -> None:
        session = self._session
        if name in ("press", "release", "finish"):
            with self._studio.lock:
                events = getattr(session, name)()
            self._tell(events)
            return
        if name == "redraw":
            seed = self._redraw.seed
            self._send_readings(self._session.settings.seed if seed is None else seed, self._redraw.style, first=0)
            return
        before, chosen = session.settings, self._chosen
        if chosen != before:
            with self._studio.lock:
                events = session.finish()
            self._tell(events)
            self._session = SpeechSession(self._studio.draw, chosen)
        if name == "start":
            manifest = self._studio.draw.manifest
            self._send(
                {
                    "type": "ready",
                    "styles": list(manifest.styles),
                    "usual": manifest.default_style,
                    "size": manifest.image_size,
                    "seed": chosen.seed,
                }
            )
            self._send_styles(self._studio.example())

    def _tell(self, events: list[SpeechEvent]) -> None:
        for event in events:
            if isinstance(event, SpeechStarted):
                self._utterance += 1
                self._send({"type": "started", "utterance": self._utterance})
            elif isinstance(event, PartialPicture):
                content = {
                    "type": "partial",
                    "utterance": self._utterance,
                    "strength": event.strength,
                    "confidence": event.drawing.confidence,
                }
                self._send(content, event.drawing.arrays[:1])
            elif isinstance(event, FinalPicture):
                self._tell_final(event)

    def _tell_final(self, event: FinalPicture) -> None:
        drawing = event.drawing
        nearest = drawing.nearest(1)
        content = {
            "type": "final",
            "utterance": self._utterance,
            "understood": drawing.understood,
            "reason": reason_code(drawing.reason),
            "confidence": drawing.confidence,
            "name": nearest[0].caption if nearest else "",
            "seed": drawing.seed,
            "style": self._session.settings.style,
            "ending": event.ending,
            "timings": {name: round(value, 2) for name, value in event.timings.items()},
        }
        self._send(content, drawing.arrays, event.samples if self._debug else None)
        if drawing.understood:
            self._heard = drawing.embedding
            self._send_readings(drawing.seed, self._session.settings.style, first=1)
            self._unstyled = drawing.embedding

    def _send_readings(self, seed: int, style: Style, first: int) -> None:
        """The last utterance as other latents draw it: readings from number `first` on."""
        if self._heard is None:
            return
        with self._studio.lock:
            pictures = self._studio.draw.paint(self._heard, n=READINGS, seed=seed, style=style)
        about = {"type": "reading", "utterance": self._utterance, "seed": seed, "style": style}
        for index in range(first, READINGS):
            self._send({**about, "index": index}, pictures[index : index + 1])

    def _send_styles(self, embedding: np.ndarray | None) -> None:
        """The same in every style, for the style chooser."""
        if embedding is None:
            return
        for style in self._studio.styles:
            with self._studio.lock:
                pictures = self._studio.draw.paint(embedding, seed=self._session.settings.seed, style=style)
            self._send({"type": "style", "style": style}, pictures)

    def _send(
        self, event: dict[str, Any], pictures: np.ndarray | None = None, samples: np.ndarray | None = None
    ) -> None:
        packed = protocol.pack_event(event, pictures, samples)
        sending = self._websocket.send_text(packed) if isinstance(packed, str) else self._websocket.send_bytes(packed)
        future = asyncio.run_coroutine_threadsafe(sending, self._loop)
        try:
            future.result(self._limits.send_seconds)
        except (TimeoutError, CancelledError, RuntimeError, WebSocketDisconnect) as error:
            # The page does not take its pictures, or is gone; RuntimeError: the connection was closed meanwhile.
            future.cancel()
            raise ClosingError(protocol.FAILED, f"pictures could not be sent ({type(error).__name__})") from error


def reason_code(sentence: str) -> str:
    """What the page calls the reason of a drawing that was not understood."""
    return next((code for part, code in _REASONS if part in sentence), "unsure" if sentence else "")
