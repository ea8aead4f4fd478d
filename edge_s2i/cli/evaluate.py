"""`edge-s2i evaluate`: how well a bundle does on speech that it never heard."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_s2i.errors import OutputError, RequestError


def evaluate(
    data: Annotated[Path, typer.Option(help="Data pack, as `data build` writes it.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder or zip; the one that was installed if not given.")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Split of held-out speech; may be repeated. All if not given.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Clips of each split, for a quick look.")] = None,
    style: Annotated[
        str | None,
        typer.Option(help="Style of the pictures, or own: that of each clip's picture in the pack."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws and measures the same.")] = 0,
    pictures: Annotated[
        bool, typer.Option(help="Draw pictures and have them named by a classifier; needs the train extra.")
    ] = True,
    picture_embeddings: Annotated[
        Path | None,
        typer.Option(help="The speech stage's speech.safetensors, to measure retrieval of real pictures too."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for features of real pictures; beside the pack if not given.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads that a network may use.")] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write the report as JSON to this file.")] = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write the main figures, and the limit, into the bundle's manifest."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON and nothing else.")] = False,
) -> None:
    """Measure a bundle on held-out speech.

    Retrieval in the shared space, concept accuracy and fidelity of the pictures drawn, and whether silence,
    noise and nonsense are refused. The bundle is run as it ships; figures hold for the pack and the machine
    named in the report. The first run on a pack also computes features of its real pictures, which takes some
    minutes.
    """
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise OutputError(f"{out} cannot be written: give a file name in a folder that exists")
    if record and (split or not pictures):
        part = "--split" if split else "--no-pictures"
        raise RequestError(f"--record replaces all scores of the bundle, and {part} measures a part; leave one out")

    from rich.console import Console

    from edge_s2i.evaluation.report import print_report
    from edge_s2i.evaluation.suite import EvaluationSettings
    from edge_s2i.evaluation.suite import evaluate as measure

    settings = EvaluationSettings(
        splits=tuple(dict.fromkeys(split or ())),
        limit=limit,
        seed=seed,
        style=style,
        pictures=pictures,
        threads=threads,
    )
    with _Progress() as progress:
        report = measure(bundle, data, settings, picture_embeddings, cache, progress.track)
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    if out is not None:
        _write(out, text + "\n")
    if as_json:
        print(text)
    else:
        console = Console()
        # Into a file or a pipe the tables may be as wide as they need to be.
        print_report(report, console if console.is_terminal else Console(width=max(console.width, 120)))
    if record:  # last: what took hours to measure is safe where the bundle cannot be written
        from edge_s2i.evaluation.headline import record as record_headline

        record_headline(report, bundle)


class _Progress:
    """Bars on standard error, which leaves standard output to the report; none where that is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> _Progress:
        self._bars.start()
        return self

    def __exit__(self, *_error: Any) -> None:
        self._bars.stop()

    def track(self, items: Iterable, description: str, total: int) -> Iterator:
        yield from self._bars.track(items, total=total, description=description)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
