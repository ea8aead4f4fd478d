"""`edge-s2i data`: building packs of speech and pictures, and looking at them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge_s2i.data.building import BuiltPack, Progress

app = typer.Typer(help="Build packs of paired speech and pictures, and look at them.", no_args_is_help=True)
build_app = typer.Typer(help="Build a pack from stamps, emoji pictures, both with voices, or your own manifest.")
app.add_typer(build_app, name="build", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the pack; a killed build goes on there.")]
From = Annotated[
    list[Path] | None, typer.Option("--from", help="Folder with packages fetched earlier; may be repeated.")
]
VoicesFrom = Annotated[
    list[Path] | None,
    typer.Option(help="Ready synthesized speech: tar or folder with manifest.jsonl, or a folder of such; repeatable."),
]
Seed = Annotated[int, typer.Option(help="Same seed, same bytes.")]
HeldOut = Annotated[str, typer.Option(help="Language whose human recordings are only for tests.")]
Languages = Annotated[str | None, typer.Option(help="Languages of the speech, separated by commas; all if not given.")]
Sets = Annotated[str, typer.Option(help="Emoji sets, separated by commas.")]
Symbols = Annotated[bool, typer.Option(help="Also the emoji of the symbols group.")]
Variants = Annotated[bool, typer.Option(help="Also gendered, family and right-facing emoji.")]
SkinTones = Annotated[
    bool,
    typer.Option(help="Also people x roles x skin tones, a fifth of the combinations held out of training."),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
DEFAULT_SETS = "noto,twemoji,openmoji,fluent-emoji-flat"


@build_app.command()
def stamps(
    out: Out,
    packages_from: From = None,
    voices_from: VoicesFrom = None,
    seed: Seed = 0,
    held_out_language: HeldOut = "es",
    languages: Languages = None,
    jobs: Jobs = 1,
) -> None:
    """Captioned pictures and human recordings of the captions, from Debian's tuxpaint-stamps-default."""
    _build("stamps", out, packages_from, voices_from, seed, held_out_language, languages, jobs, synthesis=False)


@build_app.command()
def pictures(
    out: Out,
    packages_from: From = None,
    voices_from: VoicesFrom = None,
    seed: Seed = 0,
    sets: Sets = DEFAULT_SETS,
    include_symbols: Symbols = False,
    include_variants: Variants = False,
    skin_tones: SkinTones = False,
    jobs: Jobs = 1,
) -> None:
    """Emoji pictures of several sets, from npm's @iconify-json packages and emojibase-data."""
    _build(
        "pictures",
        out,
        packages_from,
        voices_from,
        seed,
        "es",
        None,
        jobs,
        synthesis=False,
        sets=tuple(sets.split(",")),
        include_symbols=include_symbols,
        include_variants=include_variants,
        skin_tones=skin_tones,
    )


@build_app.command(name="all")
def everything(
    out: Out,
    packages_from: From = None,
    voices_from: VoicesFrom = None,
    seed: Seed = 0,
    held_out_language: HeldOut = "es",
    languages: Languages = None,
    voices: Annotated[int, typer.Option(min=1, help="espeak-ng voices an English text; others in proportion.")] = 8,
    synthesis: Annotated[bool, typer.Option(help="Say everything with the installed synthesizers.")] = True,
    sets: Sets = DEFAULT_SETS,
    include_symbols: Symbols = False,
    include_variants: Variants = False,
    skin_tones: SkinTones = False,
    other_speech: Annotated[
        bool, typer.Option(help="Also hear people who say something else, for the encoder alone: 100 MB more.")
    ] = False,
    jobs: Jobs = 1,
) -> None:
    """Stamps, emoji, words that volunteers say, and synthetic voices for every caption and label."""
    _build(
        "all",
        out,
        packages_from,
        voices_from,
        seed,
        held_out_language,
        languages,
        jobs,
        voices=voices,
        synthesis=synthesis,
        sets=tuple(sets.split(",")),
        include_symbols=include_symbols,
        include_variants=include_variants,
        skin_tones=skin_tones,
        other_speech=other_speech,
    )


@build_app.command()
def manifest(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines: audio, picture, concept [, language, ...].")],
    out: Out,
    seed: Annotated[int, typer.Option(help="Draws who is held out, where no split is given.")] = 0,
    held_out_language: Annotated[
        str | None, typer.Option(help="Language whose recordings are only for tests; none if not given.")
    ] = None,
    jobs: Jobs = 1,
) -> None:
    """A pack of your own pairs: columns audio, picture, concept [, language, speaker, caption, split]."""
    from edge_s2i.data.user_manifest import build_from_manifest

    built = _with_progress(lambda progress: build_from_manifest(file, out, seed, held_out_language, jobs, progress))
    if not any(clip["split"] == "val" for clip in built.clips):
        print(
            "edge-s2i: no clip is of split val, and `edge-s2i export` will refuse a pack without; write val into a "
            "`split` column for some lines, or name more speakers in a `speaker` column, and build again",
            file=sys.stderr,
        )


@app.command()
def show(
    pack: Annotated[Path, typer.Argument(help="Folder of a pack.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Contact sheet (PNG) to write.")] = None,
    concepts: Annotated[int, typer.Option(min=1, help="How many concepts the sheet shows.")] = 48,
    seed: Annotated[int, typer.Option(help="Which concepts: same seed, same choice.")] = 0,
) -> None:
    """What a pack holds: tables, and a contact sheet of pictures with their concepts."""
    from rich.console import Console

    from edge_s2i.data.contact_sheet import write_contact_sheet
    from edge_s2i.data.pack import Pack
    from edge_s2i.data.summary import clip_table, picture_table

    opened = Pack.open(pack)
    console = Console()
    console.print(clip_table(opened.clips()))
    console.print(picture_table(opened.pictures()))
    counts = opened.manifest["counts"]
    console.print(f"{counts['concepts']:,} concepts in {opened.path}")
    if output is not None:
        write_contact_sheet(opened, output, concepts, seed)
        console.print(f"wrote {output}")


def _build(
    content: str,
    out: Path,
    packages_from: list[Path] | None,
    voices_from: list[Path] | None,
    seed: int,
    held_out_language: str,
    languages: str | None,
    jobs: int,
    **more,
) -> None:
    from edge_s2i.data.building import BuildOptions, build

    if languages is not None:
        more["languages"] = tuple(language.strip() for language in languages.split(","))
    options = BuildOptions(
        out=out,
        content=content,
        packages_from=tuple(packages_from or ()),
        voices_from=tuple(voices_from or ()),
        seed=seed,
        held_out_language=held_out_language,
        jobs=jobs,
        **more,
    )
    _with_progress(lambda progress: build(options, progress))


def _with_progress(run: "Callable[[Progress], BuiltPack]") -> "BuiltPack":
    """Runs a build under progress bars, prints what it made, and draws the contact sheet."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from edge_s2i.data.contact_sheet import write_contact_sheet
    from edge_s2i.data.pack import Pack
    from edge_s2i.data.summary import clip_table, picture_table

    console = Console()
    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        built = run(advance)
    if built.clips:
        console.print(clip_table(built.clips))
    console.print(picture_table(built.pictures))
    for reason, count in sorted(built.dropped.items()):
        console.print(f"left out: {count:,} x {reason}")
    for engine, packages in built.absent.items():
        console.print(f"not installed, so not heard: {engine} ({packages})")
    counts = built.manifest["counts"]
    console.print(
        f"{counts['concepts']:,} concepts, {counts['pictures']:,} pictures, {counts['clips']:,} clips "
        f"({counts['hours']:.1f} h) in {built.pack}"
    )
    sheet = built.pack / "contact_sheet.png"
    write_contact_sheet(Pack.open(built.pack), sheet)
    again = f"edge-s2i data show {built.pack} -o FILE --seed 1"
    console.print(f"contact sheet: {sheet}; of other concepts: {again}", soft_wrap=True, markup=False)
    return built
