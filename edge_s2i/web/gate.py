"""Who is let in, before anything else is looked at: the host name, the token, the origin; and the headers of answers.

* A name that is not this server's (DNS rebinding) is answered 421.
* Where a token is needed, `/?token=...` puts it into a cookie and everything else wants that cookie, or the header
  `Authorization: Bearer ...`. Tokens are compared in constant time.
* A WebSocket must come from this server's own page: without that Origin it is refused before it opens.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge_s2i.web.settings import WebSettings, is_loopback

COOKIE = "edge-s2i"
_YEAR = 365 * 24 * 3600

# Nothing from elsewhere, nothing inline, no evaluation but of WebAssembly.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # Isolation from other origins, which WebAssembly's threads need too.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=(), payment=(), usb=()",
}

log = logging.getLogger("edge_s2i.web")


class Gate:
    """ASGI middleware in front of the application."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._settings = settings
        self._hosts = settings.allowed_hosts()
        self._open = not is_loopback(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        answer: Response | None = None
        if not self._knows_host(request.headers):
            answer = _refuse(request, 421, f"this server is not called {_shown(request.headers.get('host'))}")
        elif request.method not in ("GET", "HEAD"):
            answer = _refuse(request, 405, "only GET and HEAD are answered")
        elif self._settings.token is not None and not self.has_token(request.headers):
            given = request.query_params.get("token")
            if given is not None and scope["path"] == "/" and self._equals_token(given):
                answer = self._welcome()
            else:
                answer = _refuse(request, 401, "open the link with the token that edge-s2i web printed")
        await (self._app if answer is None else answer)(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not self._knows_host(headers) or not _is_own_origin(headers):
            log.warning(
                "%s: speech refused: host %s, origin %s",
                _client(scope),
                _shown(headers.get("host")),
                _shown(headers.get("origin")),
            )
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the answer is 403
            return
        # A wrong token is told after accepting: a page cannot read why an opening was refused.
        scope["edge_s2i.admitted"] = self._settings.token is None or self.has_token(headers)
        await self._app(scope, receive, send)

    def has_token(self, headers: Headers) -> bool:
        """Whether a request carries the token, in its cookie or in its Authorization."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._equals_token(bearer.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._equals_token(cookie.value)

    def _equals_token(self, given: str) -> bool:
        token = self._settings.token or ""
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())

    def _knows_host(self, headers: Headers) -> bool:
        name = _host_name(headers.get("host", ""))
        return name in self._hosts or (self._open and _is_address(name))

    def _welcome(self) -> Response:
        # The token leaves the address bar, and with it the history and what people copy from there.
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            COOKIE,
            self._settings.token or "",
            max_age=_YEAR,
            httponly=True,
            samesite="strict",
            secure=self._settings.scheme == "https",
        )
        return answer


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers


def _refuse(request: Request, status: int, reason: str) -> Response:
    log.warning("%s: %s %s: %d, %s", _client(request.scope), request.method, _shown(request.url.path), status, reason)
    return PlainTextResponse(f"{reason}\n", status)


def _is_own_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return False
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == headers.get("host", "").lower()


def _host_name(host: str) -> str:
    """The name in a Host header, without its port and, for IPv6, its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return "unknown" if client is None else str(client[0])


def _shown(text: str | None) -> str:
    """What a stranger sent, fit for a log: one line, no control characters, not long."""
    return "none" if text is None else ascii(text[:80])
