"""`edge-s2i evaluate`: how well a bundle does on speech that it never heard.

`evaluate bundle` measures the whole bundle and is what `evaluate` means without a name; `evaluate speech` measures its
hearing alone, `evaluate picture` its drawing, and more of each.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edge_s2i.errors import OutputError, RequestError

_DEFAULT = "bundle"


class _BundleUnlessNamed(TyperGroup):
    """`evaluate --data PACK` is `evaluate bundle --data PACK`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else [_DEFAULT, *args])


app = typer.Typer(
    cls=_BundleUnlessNamed,
    help="Measure a bundle on held-out speech. Without a command it is `bundle`: `edge-s2i evaluate --data PACK` "
    "measures the whole bundle, and `edge-s2i evaluate bundle --help` lists the options of that.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[Path, typer.Option(help="Data pack, as `data build` writes it.")]
BundlePath = Annotated[
    Path | None, typer.Option("--bundle", help="Bundle folder or zip; the one that was installed if not given.")
]
PictureEmbeddings = Annotated[
    Path | None,
    typer.Option(help="The speech stage's speech.safetensors, to measure retrieval of real pictures too."),
]
Threads = Annotated[int | None, typer.Option(help="CPU threads that a network may use.")]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="Also write the report as JSON to this file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON and nothing else.")]


@app.command("bundle")
def evaluate(
    data: Data,
    bundle: BundlePath = None,
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
    picture_embeddings: PictureEmbeddings = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for features of real pictures; beside the pack if not given.")
    ] = None,
    threads: Threads = None,
    out: Out = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="Write the main figures, and the limit, into the bundle's manifest."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure the whole bundle on held-out speech.

    Retrieval in the shared space, concept accuracy and fidelity of the pictures drawn, and whether silence,
    noise and nonsense are refused. The bundle is run as it ships; figures hold for the pack and the machine
    named in the report. The first run on a pack also computes features of its real pictures, which takes some
    minutes.
    """
    _check_out(out)
    if record and (split or not pictures):
        part = "--split" if split else "--no-pictures"
        raise RequestError(f"--record replaces all scores of the bundle, and {part} measures a part; leave one out")

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
    _show(report, print_report, out, as_json)
    if record:  # last: what took hours to measure is safe where the bundle cannot be written
        from edge_s2i.evaluation.headline import record as record_headline

        record_headline(report, bundle)


@app.command()
def speech(
    data: Data,
    bundle: BundlePath = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split of held-out speech; may be repeated. All but val, which sets the threshold."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Clips of each split, and sounds of each unknown kind, for a quick look.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed measures the same.")] = 0,
    snr: Annotated[str, typer.Option(help="SNRs of noise in dB, separated by commas.")] = "24,18,12,6,0,-3",
    clips_a_condition: Annotated[
        int, typer.Option(help="Clips of each split heard at every SNR and in rooms; 0 for none of that.")
    ] = 200,
    unknown: Annotated[int, typer.Option(help="Sounds of each kind that nothing should be understood in.")] = 200,
    picture_embeddings: PictureEmbeddings = None,
    threads: Threads = None,
    out: Out = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for plots as PNG; made if it is not there. Needs the train extra.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how a bundle hears, and whether it knows what it does not know.

    Retrieval both ways by language, accent and speaker, in rooms and through noise; calibration; how often words and
    sounds that mean nothing to the bundle are "understood"; and what is taken for what. Nothing is drawn. Words of
    other kinds are spoken by espeak-ng where it is installed. Takes some minutes without --limit.
    """
    _check_out(out)
    _check_plots(plots)
    from edge_s2i.evaluation.speech_report import print_speech_report
    from edge_s2i.evaluation.speech_suite import SpeechSettings, evaluate_speech

    settings = SpeechSettings(
        splits=tuple(dict.fromkeys(split or ())),
        limit=limit,
        seed=seed,
        snrs_db=_levels(snr),
        clips_a_condition=clips_a_condition,
        unknown=unknown,
        threads=threads,
    )
    with _Progress() as progress:
        report = evaluate_speech(bundle, data, settings, picture_embeddings, progress.track)
    _show(report, print_speech_report, out, as_json)
    if plots is not None:
        from edge_s2i.evaluation.plots import write_plots

        _say_written(write_plots(report, _made(plots)))


@app.command()
def picture(
    data: Data,
    bundle: BundlePath = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Split of held-out speech; may be repeated. All if not given.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Clips of each split, for a quick look.")] = None,
    style: Annotated[str | None, typer.Option(help="Style of the pictures; the bundle's default if not given.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws and measures the same.")] = 0,
    concepts: Annotated[int, typer.Option(help="Concepts drawn for variety, styles and truncation.")] = 200,
    latents: Annotated[int, typer.Option(help="Latents drawn of each concept and each ambiguous word.")] = 8,
    inception_weights: Annotated[
        Path | None,
        typer.Option(help="torch-fidelity's Inception weights, for Inception FID too; needs that package."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for features of real pictures; beside the pack if not given.")
    ] = None,
    threads: Threads = None,
    out: Out = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for plots as PNG; made if it is not there.")] = None,
    sheets: Annotated[Path | None, typer.Option(help="Folder for contact sheets; made if it is not there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a bundle draws, from its prototypes and from held-out speech.

    Concept accuracy by an independent classifier beside its ceiling on real pictures; KID, FID, precision, recall,
    density and coverage beside their real-versus-real floors; variety within a concept, truncation, styles, words of
    two meanings, and unseen combinations where the pack holds some out. Needs the train extra; takes some minutes.
    """
    _check_out(out)
    _check_plots(plots)
    _check_folder(sheets, "sheets")

    from edge_s2i.evaluation.picture_report import print_picture_report
    from edge_s2i.evaluation.picture_suite import PictureSettings, evaluate_pictures, write_sheets

    settings = PictureSettings(
        splits=tuple(dict.fromkeys(split or ())),
        limit=limit,
        seed=seed,
        style=style,
        concepts=concepts,
        latents=latents,
        inception=inception_weights,
        threads=threads,
    )
    with _Progress() as progress:
        report = evaluate_pictures(bundle, data, settings, cache, progress.track)
    _show(report, print_picture_report, out, as_json)
    if plots is not None:
        from edge_s2i.evaluation.picture_plots import write_picture_plots

        _say_written(write_picture_plots(report, _made(plots)))
    if sheets is not None:
        _say_written(write_sheets(bundle, data, settings, _made(sheets)))


@app.command()
def encoders(
    weights: Annotated[list[Path], typer.Argument(help="speech.safetensors of one or more runs of the speech stage.")],
    data: Data,
    split: Annotated[list[str] | None, typer.Option(help="Split of held-out speech; may be repeated.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Clips of each split.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare trained speech encoders by retrieval, before they are bundles: a line a run, for ablations."""
    from rich.console import Console
    from rich.table import Table

    from edge_s2i.evaluation.encoder_recall import compare_encoders

    report = compare_encoders(weights, data, tuple(dict.fromkeys(split or ())), limit)
    if as_json:
        print(json.dumps({path: _plain(recall) for path, (_, recall) in report.items()}, indent=1))
        return
    splits = list(next(iter(report.values()))[1])
    table = Table("run", "step", *(f"{name} R@1 / R@5 / R@10" for name in splits))
    for path, (step, recall) in report.items():
        cells = [" / ".join(f"{100 * interval.mean:.1f}" for interval in recall[name].values()) for name in splits]
        table.add_row(path, f"{step:,}", *cells)
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)


@app.command()
def precisions(
    data: Data,
    bundle: BundlePath = None,
    split: Annotated[list[str] | None, typer.Option(help="Split of held-out speech; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=2, help="Clips of all splits together.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="The same seed measures the same.")] = 0,
    pictures: Annotated[
        bool, typer.Option(help="Draw pictures and have them named by a classifier; needs the train extra.")
    ] = True,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for features of real pictures; beside the pack if not given.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads that a network may use.")] = 1,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Compare the precisions that a bundle holds with its float one: bytes, milliseconds, R@1, pictures, KID."""
    _check_out(out)
    from edge_s2i.evaluation.precisions import PrecisionSettings, evaluate_precisions, print_precisions

    settings = PrecisionSettings(tuple(dict.fromkeys(split or ())), limit, seed, pictures, threads)
    with _Progress() as progress:
        report = evaluate_precisions(bundle, data, settings, cache, progress.track)
    _show(report, print_precisions, out, as_json)


def _plain(report: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {split: {name: vars(interval) for name, interval in cuts.items()} for split, cuts in report.items()}


def _levels(text: str) -> tuple[float, ...]:
    """ "24,6,-3" -> (24.0, 6.0, -3.0), each once."""
    try:
        levels = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise RequestError(f"--snr is {text!r}; give numbers of dB with commas between them, such as 24,12,0") from None
    return tuple(dict.fromkeys(levels))


def _check_out(out: Path | None) -> None:
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        raise OutputError(f"{out} cannot be written: give a file name in a folder that exists")


def _check_plots(plots: Path | None) -> None:
    _check_folder(plots, "plots")
    if plots is not None:
        import matplotlib  # noqa: F401 -- missing, it is missed before minutes of measuring


def _check_folder(folder: Path | None, kind: str) -> None:
    if folder is not None and ((folder.exists() and not folder.is_dir()) or not folder.absolute().parent.is_dir()):
        raise OutputError(f"{folder} cannot hold {kind}: give a folder, or a new one in a folder that exists")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}") from error
    return folder


def _say_written(paths: Iterable[Path]) -> None:
    for path in paths:
        print(f"wrote {path}", file=sys.stderr)


def _show(report: Mapping[str, Any], print_tables: Callable, out: Path | None, as_json: bool) -> None:
    """Writes the report where it was asked for and prints it."""
    from rich.console import Console

    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    if out is not None:
        _write(out, text + "\n")
    if as_json:
        print(text)
    else:
        console = Console()
        # Into a file or a pipe the tables may be as wide as they need to be.
        print_tables(report, console if console.is_terminal else Console(width=max(console.width, 120)))


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
