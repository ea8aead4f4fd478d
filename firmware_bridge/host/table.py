"""The live status table of `edge-s2i bridge`."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from firmware_bridge.host.bridge import Bridge, printable
from firmware_bridge.link.messages import Hello, Status
from firmware_bridge.link.spec import UNKNOWN_TEMPERATURE


def status_table(bridge: Bridge, device: str) -> RenderableType:
    """What is going on, as rich draws it."""
    state, session = bridge.state, bridge.session
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("line", f"{escape(device)}: {state.line}, tried again {state.reconnects} times")
    table.add_row("board", escape(_board(state.hello)))
    if session is not None:
        line, heard = session.counters, session.decoder.counters
        table.add_row("sent", f"{line.frames_sent} frames, {line.bytes_sent:,} bytes")
        table.add_row(
            "heard",
            f"{heard.frames} frames, {heard.bytes:,} bytes; broken {heard.errors}, lost {line.frames_lost}, "
            f"stale {line.stale}; answers in {line.round_trip_ms:.0f} ms",
        )
        table.add_row("sent again", f"{session.retransmissions} tiles")
    speaking = ", [green]speaking[/]" if state.speaking else ""
    table.add_row("utterances", f"{state.utterances}, understood {state.understood}{speaking}")
    if state.last_account is not None:
        account = state.last_account
        table.add_row("last speech", f"{account.total} samples, {account.missing} missing in {account.gaps} gaps")
    table.add_row("last answer", escape(state.last_answer))
    table.add_row(
        "pictures",
        f"{state.pictures}, and {state.partials} partial; drawn in {state.last_draw_ms:.0f} ms, "
        f"on the panel {state.last_show_ms:.0f} ms later",
    )
    if state.status is not None:
        table.add_row("status", _status(state.status))
    return Group(table, *(Text(line, style="dim") for line in state.log))


def _board(hello: Hello | None) -> str:
    if hello is None:
        return "none"
    return (
        f"{printable(hello.name)}, panel {hello.panel_width} x {hello.panel_height}, "
        f"frames of {hello.max_payload}, credits {hello.credits}"
    )


def _status(status: Status) -> str:
    parts = [
        f"up {status.uptime_ms / 1000:.0f} s",
        f"broken {status.checksum_errors + status.framing_errors}, lost {status.frames_lost}",
        f"samples dropped {status.samples_dropped}",
        f"at most {status.receive_high_water} and {status.send_high_water} bytes waiting",
    ]
    if status.heap_free != 0xFFFFFFFF:
        parts.append(f"heap {status.heap_free:,} free")
    if status.temperature != UNKNOWN_TEMPERATURE:
        parts.append(f"{status.temperature / 100:.1f} °C")
    return "; ".join(parts)
