"""What the server is told: where to listen, whom to let in, and how much one visitor may ask of it."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from edge_s2i.errors import RequestError

DEFAULT_PORT = 8321
MIN_TOKEN = 16  # characters: what a person makes up is shorter


@dataclass(frozen=True)
class Limits:
    """Bounds on what one visitor, and all of them, can ask for. RequestError for one that makes no sense."""

    sessions: int = 8  # open at once; each holds about 1 MB
    message_bytes: int = 64_000  # 2 s of audio
    audio_rate: float = 2.0  # seconds of audio a second: real time, and catching up after a stall
    audio_burst: float = 8.0  # seconds of audio that may come at once
    controls_rate: float = 8.0  # button presses and choices a second
    controls_burst: float = 24.0
    start_seconds: float = 10.0  # from opening to the first message
    idle_seconds: float = 300.0  # without any message
    send_seconds: float = 10.0  # that a visitor may take to receive a picture

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise RequestError(f"limit {name} is {getattr(self, name)}; give more than 0")


@dataclass(frozen=True)
class WebSettings:
    """Where and for whom the page is served; RequestError for settings that are wrong or not safe."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT  # 0: any free one
    token: str | None = None  # None: none is needed, which only a loopback address may say
    names: tuple[str, ...] = ()  # further host names under which the page may be asked for
    certificate: Path | None = None  # PEM files: browsers give a microphone to https pages only, but for localhost
    key: Path | None = None
    seed: int = 0
    style: str | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise RequestError(f"port is {self.port}; give 1 to 65535, or 0 for any free one")
        if self.seed < 0:
            raise RequestError(f"seed is {self.seed}; give 0 or more")
        if self.token is None and not is_loopback(self.host):
            raise RequestError(f"{self.host} is open to the network and needs a token")
        if self.token is not None and (len(self.token) < MIN_TOKEN or not self.token.isascii()):
            raise RequestError(f"the token has {len(self.token)} characters; give at least {MIN_TOKEN}, ASCII only")
        if self.token is not None and not self.token.replace("-", "").replace("_", "").isalnum():
            raise RequestError("the token has other signs than letters, digits, - and _, which do not fit into a link")
        if (self.certificate is None) != (self.key is None):
            raise RequestError("--certificate and --key belong together; give both, or neither")
        for path in (self.certificate, self.key):
            if path is not None and not path.is_file():
                raise RequestError(f"{path} does not exist; give a PEM file")

    @property
    def scheme(self) -> str:
        """http or https."""
        return "http" if self.certificate is None else "https"

    def allowed_hosts(self) -> frozenset[str]:
        """Names that a request's Host may have, beside IP addresses where the page is open to the network."""
        return frozenset({"localhost", "127.0.0.1", "::1", self.host.lower(), *(name.lower() for name in self.names)})


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_token() -> str:
    """A token of 128 random bits that fits into a link."""
    return secrets.token_urlsafe(16)
