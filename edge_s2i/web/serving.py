"""Running the application: a socket, uvicorn, one line that says where, and a clean end."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from edge_s2i.errors import RequestError
from edge_s2i.web.settings import WebSettings, is_loopback


def open_socket(settings: WebSettings) -> socket.socket:
    """A listening socket; RequestError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise RequestError(
            f"{settings.host} port {settings.port} cannot be listened on ({error.strerror or error}); "
            "give another --host or --port"
        ) from error
    return listener


def links(settings: WebSettings, port: int) -> list[str]:
    """Where a person opens the page: the first on this machine, the second from others of the network."""
    names = ["localhost" if settings.host in ("0.0.0.0", "::") else settings.host]
    if not is_loopback(settings.host):
        names += [name for name in (_address(), *settings.names) if name and name not in names]
    ending = "/" if settings.token is None else f"/?token={settings.token}"
    return [f"{settings.scheme}://{f'[{name}]' if ':' in name else name}:{port}{ending}" for name in names]


def make_server(application: Any, settings: WebSettings, port: int, started: Callable[[list[str]], None]) -> Any:
    """A uvicorn server. started: called with the links when requests are answered."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                started(links(settings, port))

    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,  # addresses may hold a token
        lifespan="off",
        ws="websockets-sansio",
        ws_max_size=2 * settings.limits.message_bytes,  # above the application's own bound, which says why it closes
        ws_max_queue=16,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        ws_per_message_deflate=False,  # pictures and speech: time is dearer than bytes, and zip bombs stay out
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
        limit_concurrency=128,
        h11_max_incomplete_event_size=16_384,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
    )
    return Server(config)


def serve(application: Any, settings: WebSettings, started: Callable[[list[str]], None]) -> None:
    """Serves until Ctrl-C or a termination signal; see `make_server`."""
    with open_socket(settings) as listener:
        try:
            make_server(application, settings, listener.getsockname()[1], started).run(sockets=[listener])
        except KeyboardInterrupt:
            logging.getLogger("edge_s2i.web").debug("stopped by Ctrl-C")


def _address() -> str:
    """This machine's address on its network, as far as its routes tell; empty without one."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # chooses a route, sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return ""
