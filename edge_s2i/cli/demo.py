"""`edge-s2i demo`: draws every recording that ships with the package, and one sheet of them all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_s2i.errors import RequestError

RECORDINGS_NAME = "recordings.jsonl"
SHEET_NAME = "contact_sheet.png"

# Stages of a drawing's timings, and what their columns are called.
STAGES = {
    "read": "read",
    "log_mel": "log-mel",
    "encoder": "encoder",
    "confidence": "confid.",
    "generator": "generator",
    "total": "total",
}


@dataclass(frozen=True)
class Recording:
    """One line of recordings.jsonl: a recorded utterance and where it comes from."""

    file: str
    language: str
    concept: str
    caption: str  # what is said, in its language
    speaker: str
    split: str
    licence: str
    attribution: str


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the pictures and the contact sheet.")] = Path(
        "demo"
    ),
    recordings: Annotated[
        Path | None, typer.Option(help=f"Folder with {RECORDINGS_NAME}; the package's own if not given.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder or zip; the one that was installed if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same pictures on every run.")] = 0,
    style: Annotated[str | None, typer.Option(help="A style; `info` lists them.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads that a network may use.")] = None,
) -> None:
    """Draw the recordings that come with edge-s2i, and a contact sheet of them all.

    What was heard but not understood is drawn too, and marked so: `draw` would give no picture.
    """
    folder = Path(__file__).parents[1] / "examples" if recordings is None else recordings
    items = read_recordings(folder)

    from rich import box
    from rich.console import Console
    from rich.table import Table

    import edge_s2i
    from edge_s2i.audio import check_utterance, log_mel, read_audio
    from edge_s2i.runtime.contact_sheet import Card, draw_contact_sheet
    from edge_s2i.runtime.picture_file import save_picture

    speech_to_picture = edge_s2i.load(bundle, threads=threads)
    if items:  # the first run of a graph allocates; it would be counted as the first recording's time
        speech_to_picture(folder / items[0].file, draw_anyway=True)
    table = Table(
        title="confidence, and milliseconds by stage",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
    )
    table.add_column("said")
    table.add_column("in", no_wrap=True)
    table.add_column("meaning")
    for heading in ("sure", *STAGES.values()):
        table.add_column(heading, justify="right", no_wrap=True)
    cards = []
    for item in items:
        drawing = speech_to_picture(folder / item.file, seed=seed, style=style, draw_anyway=True)
        picture = drawing.pictures[0] if drawing.pictures else None
        if picture is not None:
            save_picture(picture, out / f"{Path(item.file).stem}.png")
        meaning = speech_to_picture.manifest.caption(item.concept)
        cards.append(
            Card(
                features=log_mel(check_utterance(read_audio(folder / item.file))),
                said=item.caption,
                meaning=meaning,
                language=item.language,
                picture=picture,
                confidence=drawing.confidence,
                understood=drawing.understood,
            )
        )
        colour = "green" if drawing.understood else "yellow"
        times = [f"{drawing.timings[stage]:.1f}" if stage in drawing.timings else "" for stage in STAGES]
        table.add_row(item.caption, item.language, meaning, f"[{colour}]{drawing.confidence:.2f}[/]", *times)
    save_picture(draw_contact_sheet(cards), out / SHEET_NAME)
    console = Console()
    console.print(table)
    understood = sum(card.understood for card in cards)
    languages = len({item.language for item in items})
    console.print(
        f"{understood} of {len(items)} recordings in {languages} languages understood; "
        f"pictures and {SHEET_NAME} are in {out}/",
        highlight=False,
        soft_wrap=True,
    )


def read_recordings(folder: Path) -> list[Recording]:
    """Reads `folder`/recordings.jsonl; RequestError where it is missing or a line is wrong."""
    path = folder / RECORDINGS_NAME
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}; give a folder of recordings") from error
    items = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                items.append(_recording(json.loads(line)))
            except (json.JSONDecodeError, TypeError, KeyError) as error:
                raise RequestError(f"{path}, line {number}, is not a recording: {error}") from error
    if not items:
        raise RequestError(f"{path} lists no recordings; give a folder with some")
    return items


def _recording(content: Mapping[str, Any]) -> Recording:
    return Recording(**{name: str(content[name]) for name in Recording.__dataclass_fields__})
