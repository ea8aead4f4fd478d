"""`edge-s2i bridge`: draws for the panel of a microcontroller that sends what it hears."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated

import typer


def bridge(
    device: Annotated[
        str, typer.Argument(help="Serial port, pty, FIFO, socket, or HOST:PORT that the board is behind.")
    ],
    baud: Annotated[int, typer.Option(help="Rate of a serial port.")] = 921_600,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder or zip; the one that was installed if not given.")
    ] = None,
    partial: Annotated[float, typer.Option(help="Seconds between partial pictures; 0: none.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Chooses among the readings.")] = 0,
    anyway: Annotated[bool, typer.Option("--anyway", help="Show also what was not understood.")] = False,
    pcm: Annotated[bool, typer.Option("--pcm", help="Ask for 16-bit samples instead of ADPCM.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live table.")] = False,
) -> None:
    """Draw for a board's panel: speech comes in, pictures go out, until Ctrl-C. Reconnects by itself."""
    import edge_s2i
    from firmware_bridge.host import Bridge, BridgeSettings, open_line
    from firmware_bridge.link.session import SessionSettings
    from firmware_bridge.link.spec import AudioFormat

    prefer = AudioFormat.S16LE if pcm else AudioFormat.IMA_ADPCM
    settings = BridgeSettings(
        partial_seconds=partial, seed=seed, draw_anyway=anyway, session=SessionSettings(prefer=prefer)
    )
    runner = Bridge(edge_s2i.load(bundle), lambda: open_line(device, baud), settings)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_lines(runner) if plain else _live(runner, device))


async def _live(runner, device: str) -> None:
    from rich.live import Live

    from firmware_bridge.host.table import status_table

    task = asyncio.create_task(runner.run())
    with Live(status_table(runner, device), refresh_per_second=8) as live:
        while not task.done():
            await asyncio.wait([task], timeout=0.25)
            live.update(status_table(runner, device))
    task.result()


async def _lines(runner) -> None:
    task = asyncio.create_task(runner.run())
    state, printed = runner.state, 0

    def print_new() -> int:
        for line in list(state.log)[max(len(state.log) - (state.logged - printed), 0) :]:
            print(line, flush=True)
        return state.logged

    try:
        while not task.done():
            await asyncio.wait([task], timeout=0.1)
            printed = print_new()
    finally:
        print_new()  # what was said since, by whoever is interrupted
    task.result()
