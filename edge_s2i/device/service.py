"""Telling systemd that a service is ready and alive, by sd_notify's datagrams (sd_notify(3)); silent elsewhere."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from time import monotonic


class ServiceManager:
    """The service manager that started this process, if one did."""

    def __init__(self, environment: Mapping[str, str] = os.environ, clock: Callable[[], float] = monotonic) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._clock = clock
        self._every = _watchdog_seconds(environment) / 3.0  # three chances before the manager loses patience
        self._last = -float("inf")

    @property
    def present(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def ready(self, status: str) -> None:
        """The service does its work from now on."""
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        """Call often, wherever work goes on: keeps the watchdog quiet, in its own time."""
        now = self._clock()
        if self._every > 0 and now - self._last >= self._every:
            self._last = now
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line that `systemctl status` shows."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """The service is on its way out."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ is an abstract socket, which begins with a zero byte.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.connect(address)
                channel.send(message.encode())
        except OSError:
            pass  # a service manager that went away must not take the service with it


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return int(environment.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return 0.0
