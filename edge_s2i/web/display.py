"""The page as a display of `edge-s2i live`: it shows what the device hears by its own microphone."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge_s2i.errors import RequestError
from edge_s2i.runtime import FinalPicture, PartialPicture, SpeechEvent
from edge_s2i.web import protocol
from edge_s2i.web.application import page_application
from edge_s2i.web.conversation import READINGS, ClosingError, reason_code
from edge_s2i.web.protocol import ProtocolError
from edge_s2i.web.rate import TokenBucket
from edge_s2i.web.serving import make_server, open_socket
from edge_s2i.web.settings import DEFAULT_PORT, WebSettings, is_loopback, new_token

_MOST_WAITING = 32  # events that a slow page may have waiting; then it is sent away, and connects again
_MOST_ACTIONS = 64


class Viewer:
    """One page that looks on."""

    def __init__(self, websocket: WebSocket, display: WebDisplay) -> None:
        self._websocket = websocket
        self._display = display
        self._waiting: asyncio.Queue[str | bytes] = asyncio.Queue(_MOST_WAITING)
        self._full = False
        limits = display.settings.limits
        self._controls = TokenBucket(limits.controls_rate, limits.controls_burst)

    async def run(self) -> None:
        """Sends events and takes presses until the page goes."""
        self.put(protocol.pack_event({"type": "ready", "styles": [], "usual": "", "size": 0, "microphone": False}))
        self._display.viewers.add(self)
        tasks = {asyncio.create_task(self._send()), asyncio.create_task(self._receive())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._display.viewers.discard(self)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def put(self, packed: str | bytes) -> None:
        """Adds an event to what the page is sent."""
        try:
            self._waiting.put_nowait(packed)
        except asyncio.QueueFull:
            self._full = True

    async def _send(self) -> None:
        while not self._full:
            packed = await self._waiting.get()
            socket = self._websocket
            sending = socket.send_text(packed) if isinstance(packed, str) else socket.send_bytes(packed)
            await asyncio.wait_for(sending, self._display.settings.limits.send_seconds)
        raise ClosingError(protocol.GOING_AWAY, "the page takes its pictures too slowly")

    async def _receive(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
            text = message.get("text")
            if text is None or len(text) > self._display.settings.limits.message_bytes:
                raise ClosingError(protocol.UNREADABLE, "this page listens for itself; it takes no sound")
            if not self._controls.take(1):
                raise ClosingError(protocol.TOO_FAST, "more messages came than can be pressed")
            try:
                control = protocol.parse_control(text, ())
            except ProtocolError as error:
                raise ClosingError(protocol.UNREADABLE, str(error)) from error
            if control.type in ("press", "release"):
                self._display.actions.append(control.type)


class WebDisplay:
    """Serves the page from a thread of its own."""

    def __init__(self, settings: WebSettings) -> None:
        """RequestError where the address cannot be had."""
        self.settings = settings
        self.viewers: set[Viewer] = set()
        self.actions: deque[str] = deque(maxlen=_MOST_ACTIONS)
        self.links: list[str] = []
        self._utterance = 0
        self._listener = open_socket(settings)
        self._ready = threading.Event()
        application = page_application(settings, lambda websocket: Viewer(websocket, self), {})
        self._server = make_server(application, settings, self._listener.getsockname()[1], self._started)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._serve, name="edge-s2i page", daemon=True)
        self._thread.start()
        self._ready.wait(10.0)

    def show(self, _picture: np.ndarray, event: SpeechEvent) -> None:
        """Sends the event's own pictures to every page that looks on."""
        if isinstance(event, PartialPicture):
            self._begin(event.utterance)
            content = {"type": "partial", "strength": event.strength, "confidence": event.drawing.confidence}
            self._tell(content, event.drawing.arrays[:1])
        elif isinstance(event, FinalPicture):
            self._begin(event.utterance)
            drawing = event.drawing
            nearest = drawing.nearest(1)
            content = {
                "type": "final",
                "understood": len(drawing.arrays) > 0,
                "reason": reason_code(drawing.reason),
                "confidence": drawing.confidence,
                "name": nearest[0].caption if nearest else "",
                "seed": drawing.seed,
                "style": None,
                "ending": event.ending,
            }
            self._tell(content, drawing.arrays[:1])
            for index in range(1, min(READINGS, len(drawing.arrays))):
                self._tell({"type": "reading", "index": index}, drawing.arrays[index : index + 1])

    def poll(self) -> list[str]:
        """What was pressed on the pages since the last call."""
        actions = []
        while self.actions:
            actions.append(self.actions.popleft())
        return actions

    def close(self) -> None:
        """Ends the server."""
        self._server.should_exit = True
        self._thread.join(10.0)
        self._listener.close()

    def _serve(self) -> None:
        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._listener])

        asyncio.run(run())

    def _started(self, links: list[str]) -> None:
        self.links = links
        print(f"page: {'  '.join(links)}", flush=True)
        self._ready.set()

    def _begin(self, utterance: int) -> None:
        if utterance != self._utterance:
            self._utterance = utterance
            self._tell({"type": "started"}, None)

    def _tell(self, event: Mapping[str, Any], pictures: np.ndarray | None) -> None:
        packed = protocol.pack_event({**event, "utterance": self._utterance}, pictures)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._spread, packed)

    def _spread(self, packed: str | bytes) -> None:
        for viewer in self.viewers:
            viewer.put(packed)


def open_display(argument: str) -> WebDisplay:
    """`web`, `web:PORT` or `web:HOST:PORT`; a host other than this machine gets a token, which is printed."""
    host, _, port = argument.rpartition(":")
    host = host or "127.0.0.1"
    if port and not port.isdecimal():
        raise RequestError(f"display web:{argument}: {port!r} is no port; give web, web:PORT or web:HOST:PORT")
    token = None if is_loopback(host) else new_token()
    return WebDisplay(WebSettings(host=host, port=int(port or DEFAULT_PORT), token=token))
