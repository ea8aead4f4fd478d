"""The Python decoders under atheris; started by `firmware_bridge.tools.fuzz --engine atheris`."""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["firmware_bridge"]):
    from firmware_bridge.link.frame import Frame, FrameDecoder, encode_frame
    from firmware_bridge.link.messages import MESSAGES, decode_message
    from firmware_bridge.link.session import HostSession
    from firmware_bridge.link.tiles import Tiling, decode_records
    from firmware_bridge.simulator import SimulatedBoard

from edge_s2i.errors import LinkError


def try_bytes(content: bytes) -> None:
    """Any bytes into every decoder: they may be refused with LinkError, nothing else may be raised."""
    for frame in FrameDecoder().feed(content + b"\0"):
        assert FrameDecoder().feed(encode_frame(frame)) == [frame]
    if not content:
        return
    kinds = sorted(MESSAGES)
    kind = kinds[content[0] % len(kinds)]
    try:
        message = decode_message(kind, content[1:])
        assert message is not None
        assert decode_message(kind, message.encode()) == message
    except LinkError:
        pass
    with contextlib.suppress(LinkError):
        decode_records(Tiling(20, 11, 8), content)
    try_session(content)


def try_session(content: bytes) -> None:
    """A host in session that is told anything, in good frames: type, length and payload from the input."""
    to_board: list[bytes] = []
    to_host: list[bytes] = []
    host = HostSession(to_board.append, 5, 0.0)
    board = SimulatedBoard(to_host.append)
    host.receive(b"".join(to_host), 0.0)
    board.receive(b"".join(to_board), 0.0)
    now, at = 0.0, 0
    while at + 2 < len(content):
        length = content[at + 1] & 63
        part = content[at + 2 : at + 2 + length]
        to_host.clear()
        board.send_raw(content[at], part)
        host.receive(b"".join(to_host), now)
        board.receive(encode_frame(Frame(content[at], part, at, board._session)), now)
        now += content[at + 1] / 100
        host.poll(now)
        board.poll(now)
        at += 2 + length


def main() -> None:
    """Hands over to atheris."""
    atheris.Setup(sys.argv, try_bytes)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
