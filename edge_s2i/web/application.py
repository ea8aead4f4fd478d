"""The ASGI application: the page's files, the bundle's, and a WebSocket to speak through."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge_s2i.runtime import ListenSettings
from edge_s2i.web import protocol
from edge_s2i.web.assets import DETECTOR, Asset, bundle_assets, detector_assets, read_assets, version_of
from edge_s2i.web.conversation import ClosingError, Conversation
from edge_s2i.web.gate import Gate
from edge_s2i.web.settings import WebSettings
from edge_s2i.web.studio import Studio

SPEECH_PATH = "/speech"
# ONNX Runtime Web's build with WebGPU: 2.7 MB that only a page beside a GPU asks for.
GPU_RUNTIME = (
    "/vendor/ort.jspi.min.mjs",
    "/vendor/ort-wasm-simd-threaded.jspi.mjs",
    "/vendor/ort-wasm-simd-threaded.jspi.wasm",
)
SERVICE_WORKER = "/service-worker.js"

log = logging.getLogger("edge_s2i.web")


class Talk(Protocol):
    """The other side of one page's WebSocket."""

    async def run(self) -> None:
        """Until the page goes (WebSocketDisconnect), or is to go (ClosingError)."""
        ...


def make_application(studio: Studio, settings: WebSettings) -> ASGIApp:
    """The whole server as an ASGI application; RequestError for a style that the bundle does not have."""
    listening = ListenSettings(seed=settings.seed, style=settings.style, push_to_talk=True)
    studio.draw.style_weights(settings.style)

    def converse(websocket: WebSocket) -> Conversation:
        return Conversation(websocket, studio, listening, settings.limits)

    return page_application(settings, converse, bundle_assets(studio.bundle))


def page_application(
    settings: WebSettings, converse: Callable[[WebSocket], Talk], bundle: Mapping[str, Asset]
) -> ASGIApp:
    """The page, and whoever talks to it.

    converse: makes the other side of a WebSocket; bundle: what the page computes with by itself, may be empty.
    """
    assets = {**read_assets(), **bundle, **(detector_assets() if bundle else {})}
    version = version_of(assets)
    # A browser takes up a service worker whose bytes are new, and with it the files that a new version brings.
    assets[SERVICE_WORKER] = assets[SERVICE_WORKER].followed_by(f"// {version}\n")
    listing = {
        "version": version,
        "offline": bool(bundle),
        "gpu": list(GPU_RUNTIME),  # kept for offline use by the page that has a use for them
        "detector": DETECTOR if DETECTOR in assets else None,
        "seed": settings.seed,
        "style": settings.style,
        "files": sorted(assets.keys() - set(GPU_RUNTIME)),
    }
    present: set[Talk] = set()

    async def serve_listing(_request: Request) -> Response:
        # What the service worker keeps for the time without this server.
        return Response(json.dumps(listing), media_type="application/json")

    async def serve_asset(request: Request) -> Response:
        asset = assets.get(request.url.path)
        if asset is None:
            return PlainTextResponse("there is no such page\n", 404)
        return _answer(request, asset)

    async def speak(websocket: WebSocket) -> None:
        client = "unknown" if websocket.client is None else websocket.client.host
        await websocket.accept()
        try:
            if not websocket.scope.get("edge_s2i.admitted", False):
                raise ClosingError(protocol.NO_TOKEN, "the token is wrong or missing")
            if len(present) >= settings.limits.sessions:
                raise ClosingError(protocol.FULL, f"{len(present)} people are here already")
            talk = converse(websocket)
            present.add(talk)
            log.info("%s: came; %d here", client, len(present))
            try:
                await talk.run()
            finally:
                present.discard(talk)
        except WebSocketDisconnect as gone:
            log.info("%s: went (%d)", client, gone.code)
        except ClosingError as closing:
            log.warning("%s: closed %d, %s", client, closing.code, closing.reason)
            await _close(websocket, closing)

    routes = [
        Route("/assets.json", serve_listing),
        WebSocketRoute(SPEECH_PATH, speak),
        Route("/{path:path}", serve_asset),
    ]
    return Gate(Starlette(routes=routes), settings)


async def _close(websocket: WebSocket, closing: ClosingError) -> None:
    try:
        await websocket.close(closing.code, closing.reason[:120])  # a close frame holds 123 bytes
    except RuntimeError:
        log.debug("the page had gone before it could be told")


def _answer(request: Request, asset: Asset) -> Response:
    headers = {"ETag": asset.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    if asset.encoding is not None:
        accepted = {part.partition(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")}
        if asset.encoding not in accepted:
            # Browsers take Brotli from https and from localhost, which are the places that give them a microphone.
            return PlainTextResponse("this file is stored with Brotli; ask with Accept-Encoding: br\n", 406)
        headers["Content-Encoding"] = asset.encoding
    return Response(asset.content, headers={**headers, "Content-Type": asset.type})
