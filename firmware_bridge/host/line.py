"""Opens whatever a board is behind as one byte stream: a serial port, a pty, a FIFO, a socket, or HOST:PORT.

A serial port goes through pyserial, which knows every system's rates; the rest needs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
from collections import deque
from typing import Protocol

from edge_s2i.errors import LinkError

READ_BYTES = 4096
MAX_UNSENT = 1 << 20  # bytes that wait for a line that takes nothing: above it, the line is dead
_HOST_PORT = re.compile(r"^(?P<host>\[[0-9a-fA-F:]+\]|[\w.-]+):(?P<port>\d{1,5})$")


class Line(Protocol):
    """A byte stream in both directions."""

    def write(self, content: bytes) -> None:
        """Sends bytes as soon as the line takes them; never waits. OSError once the line is gone."""

    async def read(self) -> bytes:
        """The next bytes; empty at the end of the line. OSError once it is gone."""

    def close(self) -> None:
        """Lets go of the line."""


async def open_line(device: str, baud: int = 921_600) -> Line:
    """Opens `device`. LinkError where it is nothing that a board can be behind; OSError where it is not there now."""
    found = _HOST_PORT.match(device)
    if found and not os.path.exists(device):
        reader, writer = await asyncio.open_connection(found["host"].strip("[]"), int(found["port"]))
        return _StreamLine(reader, writer)
    mode = os.stat(device).st_mode
    if stat.S_ISSOCK(mode):
        reader, writer = await asyncio.open_unix_connection(device)
        return _StreamLine(reader, writer)
    if stat.S_ISFIFO(mode):
        return _FileLine(*_open_fifos(device))
    if not stat.S_ISCHR(mode):
        raise LinkError(
            f"{device} is a file or folder; give a serial port, a pty, a FIFO, a socket, or HOST:PORT of a board"
        )
    if device.startswith("/dev/pts/"):
        handle = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        _make_raw(handle)
        return _FileLine(handle, handle)
    return _serial_line(device, baud)


def _serial_line(device: str, baud: int) -> Line:
    import serial

    try:
        port = serial.Serial(device, baud, timeout=0, write_timeout=0, exclusive=True)
    except ValueError as error:
        raise LinkError(f"{device} cannot run at {baud} baud: {error}") from error
    handle = os.dup(port.fileno())  # pyserial sets the port up; reading and writing is asyncio's
    os.set_blocking(handle, False)
    return _FileLine(handle, handle, keep=port)


def _open_fifos(device: str) -> tuple[int, int]:
    """A FIFO goes one way, so `NAME` is what the board sends and `NAME.out` what it gets."""
    out = f"{device}.out"
    if not os.path.exists(out):
        raise LinkError(f"{device} is a FIFO, which goes one way; make {out} beside it for what the board is sent")
    reading = os.open(device, os.O_RDWR | os.O_NONBLOCK)  # for both, so that it does not end with a writer
    return reading, os.open(out, os.O_RDWR | os.O_NONBLOCK)


def _make_raw(handle: int) -> None:
    import tty

    tty.setraw(handle)


class _StreamLine:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def write(self, content: bytes) -> None:
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT:
            raise OSError("the other end takes nothing")
        self._writer.write(content)

    async def read(self) -> bytes:
        return await self._reader.read(READ_BYTES)

    def close(self) -> None:
        self._writer.close()


class _FileLine:
    def __init__(self, reading: int, writing: int, keep: object | None = None) -> None:
        self._reading, self._writing, self._keep = reading, writing, keep
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._error: OSError | None = None
        self._closed = False

    def write(self, content: bytes) -> None:
        if self._error is not None:
            raise self._error
        if self._unsent_bytes > MAX_UNSENT:
            raise OSError("the line takes nothing")
        self._unsent.append(content)
        self._unsent_bytes += len(content)
        if len(self._unsent) == 1:
            self._flush()

    async def read(self) -> bytes:
        loop = asyncio.get_running_loop()
        while True:
            try:
                return os.read(self._reading, READ_BYTES)
            except BlockingIOError:
                ready: asyncio.Future[None] = loop.create_future()
                loop.add_reader(self._reading, _resolve, ready)
                try:
                    await ready
                finally:
                    if not self._closed:
                        loop.remove_reader(self._reading)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._reading)
        loop.remove_writer(self._writing)
        for handle in {self._reading, self._writing}:
            os.close(handle)
        if self._keep is not None:
            with contextlib.suppress(OSError):
                self._keep.close()  # type: ignore[attr-defined]

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._unsent:
            try:
                taken = os.write(self._writing, self._unsent[0])
            except BlockingIOError:
                loop.add_writer(self._writing, self._flush)
                return
            except OSError as error:
                self._error = error
                break
            self._unsent_bytes -= taken
            rest = self._unsent.popleft()[taken:]
            if rest:
                self._unsent.appendleft(rest)
        loop.remove_writer(self._writing)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
