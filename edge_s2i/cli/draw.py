"""`edge-s2i draw`: recordings in, pictures out."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_s2i.errors import AudioError, OutputError, RequestError

if TYPE_CHECKING:
    from edge_s2i.runtime import Drawing

_OTHER_PICTURE_SUFFIXES = {".gif", ".bmp", ".tif", ".tiff", ".svg", ".pdf", ".avif", ".ppm"}


@dataclass(frozen=True)
class _Job:
    source: str  # a path, or - for standard input
    targets: list[Path]  # one a picture


def draw(
    recordings: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help="Recordings of a word or phrase each; - is standard input."),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="A .png, .webp or .jpg for one picture, or a folder for several."),
    ],
    n: Annotated[
        int,
        typer.Option(
            "--n",
            help="Pictures of each recording: the first of seed 0 is the likeliest reading, the others are other "
            "readings where the word was heard in doubt.",
        ),
    ] = 1,
    seed: Annotated[int, typer.Option(help="The same seed draws the same pictures on every run.")] = 0,
    style: Annotated[
        str | None, typer.Option(help="A style, or a blend such as photo=0.7,drawing=0.3; `info` lists them.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder or zip; the one that was installed if not given.")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="onnx or litert; the first that works if not given.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads that a network may use.")] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="Draw also what was not understood.")] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Name the five nearest known concepts, for debugging; drawing knows no names."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a recording, one a line.")] = False,
) -> None:
    """Draw what was said.

    Silence, noise and unknown words are answered "not understood" and give no picture.

    A recording that cannot be used is reported, the others are still drawn, and the exit code is 2.
    """
    jobs = _plan(recordings, out, n)
    weights = parse_style(style)

    import edge_s2i
    from edge_s2i.runtime.picture_file import save_picture

    speech_to_picture = edge_s2i.load(bundle, backend=backend, threads=threads)
    failed = False
    for job in jobs:
        source = sys.stdin.buffer.read() if job.source == "-" else job.source
        try:
            drawing = speech_to_picture(source, n=n, seed=seed, style=weights, draw_anyway=anyway)
        except AudioError as error:
            if len(jobs) == 1:
                raise
            print(f"edge-s2i: {error}", file=sys.stderr)
            failed = True
            continue
        written = list(zip(drawing.pictures, job.targets, strict=False))
        for picture, target in written:
            save_picture(picture, target)
        paths = [str(target) for _, target in written]
        if as_json:
            print(json.dumps(_to_json(job.source, drawing, paths, explain), ensure_ascii=False))
        else:
            _report(job.source, drawing, paths, explain)
    if failed:
        raise typer.Exit(2)


def _plan(recordings: list[str], out: Path, n: int) -> list[_Job]:
    suffix = out.suffix.lower()
    if recordings.count("-") > 1:
        raise RequestError("standard input (-) is given more than once; it can be read once")
    if not out.is_dir() and suffix in {".png", ".webp", ".jpg", ".jpeg"}:
        if len(recordings) > 1 or n > 1:
            raise OutputError(
                f"{out} is one picture, and {len(recordings)} recordings times {n} are asked for; give a folder"
            )
        return [_Job(recordings[0], [out])]
    if not out.is_dir() and suffix in _OTHER_PICTURE_SUFFIXES:
        raise OutputError(f"{out}: pictures are written as .png, .webp or .jpg; give such a name or a folder")
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; give a .png, .webp or .jpg, or a folder")
    jobs = []
    taken: set[str] = set()
    for recording in recordings:
        stem = base = "stdin" if recording == "-" else Path(recording).stem or "picture"
        number = 1
        while stem in taken:  # a/dog.ogg and b/dog.ogg must not overwrite each other
            number += 1
            stem = f"{base}-{number}"
        taken.add(stem)
        names = [f"{stem}.png"] if n == 1 else [f"{stem}.{index + 1}.png" for index in range(n)]
        jobs.append(_Job(recording, [out / name for name in names]))
    return jobs


def parse_style(style: str | None) -> str | dict[str, float] | None:
    """What --style means: a name, or weights by name. RequestError for a blend that cannot be read."""
    if style is None or "=" not in style:
        return style
    weights = {}
    for part in style.split(","):
        name, _, value = part.partition("=")
        try:
            weights[name.strip()] = float(value)
        except ValueError as error:
            raise RequestError(
                f"--style {style!r}: {part!r} is not NAME=WEIGHT; a blend reads photo=0.7,drawing=0.3"
            ) from error
    return weights


def _to_json(source: str, drawing: Drawing, paths: list[str], explain: bool) -> dict[str, Any]:
    content: dict[str, Any] = {
        "input": source,
        "understood": drawing.understood,
        "confidence": round(drawing.confidence, 4),
        "reason": drawing.reason,
        "pictures": paths,
        "seed": drawing.seed,
        "style": dict(drawing.style),
        "timings_ms": {stage: round(value, 3) for stage, value in drawing.timings.items()},
    }
    if explain:
        content["nearest"] = [
            {
                "concept": neighbour.concept,
                "caption": neighbour.caption,
                "cosine": round(neighbour.cosine, 4),
                "probability": round(neighbour.probability, 4),
            }
            for neighbour in drawing.nearest(5)
        ]
    return content


def _report(source: str, drawing: Drawing, paths: list[str], explain: bool) -> None:
    name = "standard input" if source == "-" else source
    total = f"{drawing.timings['total']:.0f} ms"
    where = ", ".join(paths) if len(paths) < 4 else f"{paths[0]} to {paths[-1]}"
    if drawing.understood:
        print(f"{name} -> {where}  (confidence {drawing.confidence:.2f}, {total})")
    else:
        print(f"{name}: not understood, {drawing.reason}" + (f"; drawn anyway -> {where}" if paths else ""))
    if explain:
        from rich.console import Console
        from rich.table import Table

        table = Table("nearest concept", "cosine", "probability")
        for neighbour in drawing.nearest(5):
            table.add_row(neighbour.caption, f"{neighbour.cosine:.3f}", f"{neighbour.probability:.3f}")
        if table.row_count:
            Console().print(table)
