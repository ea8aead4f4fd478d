"""`edge-s2i live`: talk and watch it draw; `edge-s2i devices`: what can be listened to."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_s2i.cli.draw import parse_style

if TYPE_CHECKING:
    from edge_s2i.runtime.events import SpeechEvent


def live(
    device: Annotated[
        str | None, typer.Option(help="Microphone, by number or a part of its name; `edge-s2i devices` lists them.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="In the microphone's place: a recording of any length, a FIFO or .raw file of raw samples, or - for "
            "raw samples from standard input.",
        ),
    ] = None,
    rate: Annotated[int, typer.Option(help="Samples a second of raw samples.")] = 16_000,
    channels: Annotated[int, typer.Option(help="Channels of raw samples.")] = 1,
    sample_format: Annotated[str, typer.Option("--format", help="Raw samples: s16le, s32le or f32le.")] = "s16le",
    pace: Annotated[
        bool, typer.Option("--pace", help="Play --from at the speed of speech, losing what a microphone would lose.")
    ] = False,
    display: Annotated[
        list[str] | None,
        typer.Option(
            help="Where pictures appear, once or several times: window, window:tk, framebuffer, "
            "framebuffer:/dev/fb1,320x240, folder:PATH, none, or what other parts bring: web, bridge:PORT.",
            show_default="window if there is a screen, else framebuffer if there is one, else folder:pictures",
        ),
    ] = None,
    push_to_talk: Annotated[
        bool,
        typer.Option(
            "--push-to-talk", help="Listen only between two presses of Space or Enter (in a window: while it is held)."
        ),
    ] = False,
    vad: Annotated[str, typer.Option(help="What notices a voice: silero, or energy.")] = "silero",
    trailing_silence: Annotated[float, typer.Option(help="Seconds without voice that end an utterance.")] = 0.3,
    max_utterance: Annotated[float, typer.Option(help="Seconds after which an utterance is drawn anyway.")] = 4.0,
    partial_every: Annotated[
        float, typer.Option(help="Seconds of speech between pictures while it goes on; 0 for none.")
    ] = 0.16,
    n: Annotated[int, typer.Option("--n", help="Readings of each utterance; a folder gets them all.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same pictures on every run.")] = 0,
    style: Annotated[
        str | None, typer.Option(help="A style, or a blend such as photo=0.7,drawing=0.3; `info` lists them.")
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Show also what was not understood.")] = False,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder or zip; the one that was installed if not given.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="onnx or litert; what was measured fastest if not given.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads that a network may use; what was measured fastest if not given.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after this long.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object an event on standard output, and the summary at the end.")
    ] = False,
) -> None:
    """Listen and draw what is said, while it is said.

    Ctrl-C ends it and prints what was measured: milliseconds by stage, real-time factor, what was dropped, memory,
    temperature. A run in which the board throttled is marked invalid.
    """
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import edge_s2i
    from edge_s2i.device.displays import open_display
    from edge_s2i.device.live_run import LiveRun
    from edge_s2i.device.run_summary import show_report
    from edge_s2i.device.talk_key import TalkKey
    from edge_s2i.runtime.listen_settings import ListenSettings

    settings = ListenSettings(
        push_to_talk=push_to_talk,
        vad=vad,
        trailing_silence=trailing_silence,
        max_utterance=max_utterance,
        partial_every=partial_every,
        n=n,
        seed=seed,
        style=parse_style(style),
        draw_anyway=anyway,
    )
    draw = edge_s2i.load(bundle, backend=backend, threads=threads, tune=True)
    names = display if display else [default_display()]
    displays = [opened for name in names if (opened := open_display(name)) is not None]
    talk_key = None if source == "-" else TalkKey()
    listener = edge_s2i.listen(
        source,
        settings=settings,
        device=device,
        draw=draw,
        rate=rate,
        channels=channels,
        sample_format=sample_format,
        pace=pace,
    )
    if not as_json:
        hint = "Space or Enter talks, and again ends; " if push_to_talk and talk_key and talk_key.present else ""
        print(f"listening to {listener.source.name}; {hint}Ctrl-C stops", file=sys.stderr)
    tell = _print_json if as_json else _print_line
    report = LiveRun(listener, displays, tell=tell, talk_key=talk_key, seconds=seconds).run()
    if as_json:
        print(json.dumps({"event": "summary", **report}, ensure_ascii=False), flush=True)
    else:
        show_report(report)


def devices(as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False) -> None:
    """List the microphones that `live --device` takes."""
    from dataclasses import asdict

    from edge_s2i.runtime.sources.microphone import input_devices

    found = input_devices()
    if as_json:
        print(json.dumps([asdict(item) for item in found], indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("number", "name", "by", "channels", "rate", "default")
    for item in found:
        row = (str(item.number), item.name, item.host, str(item.channels), f"{item.rate:.0f} Hz")
        table.add_row(*row, "yes" if item.default else "")
    Console().print(table if found else "there is no sound device with an input")


def default_display() -> str:
    """A window where there is a screen to open it on, a framebuffer on a bare board, else a folder."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform in ("darwin", "win32"):
        return "window"
    return "framebuffer" if Path("/dev/fb0").exists() else "folder:pictures"


def _print_line(event: SpeechEvent) -> None:
    from edge_s2i.runtime.events import Dropped, FinalPicture

    if isinstance(event, FinalPicture):
        drawing = event.drawing
        what = "understood" if drawing.understood else f"not understood, {drawing.reason}"
        how = f"confidence {drawing.confidence:.2f}, {event.latency_ms:.0f} ms after the end"
        print(f"{event.at:8.2f} s  {what}  ({how})", flush=True)
    elif isinstance(event, Dropped) and (event.samples or event.overflows):
        print(f"{event.at:8.2f} s  dropped {event.samples / 16_000:.2f} s of audio", flush=True)


def _print_json(event: SpeechEvent) -> None:
    print(json.dumps(event_to_json(event), ensure_ascii=False), flush=True)


def event_to_json(event: SpeechEvent) -> dict[str, Any]:
    """An event as JSON types, without pictures and samples."""
    content: dict[str, Any] = {"event": type(event).__name__}
    for name in event.__dataclass_fields__:
        value = getattr(event, name)
        if name == "drawing":
            content |= {
                "understood": value.understood,
                "confidence": round(value.confidence, 4),
                "reason": value.reason,
                "nearest": [neighbour.caption for neighbour in value.nearest(1)],
            }
        elif name == "timings":
            content["timings_ms"] = {stage: round(ms, 3) for stage, ms in value.items()}
        elif name != "samples" or isinstance(value, int):
            content[name] = round(value, 4) if isinstance(value, float) else value
    return content
