"""`edge-s2i train speech|picture`: hands everything after the stage to LightningCLI; the other commands are ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

USAGE = """\
Usage: edge-s2i train speech|picture [OPTIONS]
       edge-s2i train average FIRST SECOND [--share 0.5] [--data PACK] -o FILE
       edge-s2i train embed SPEECH --data PACK -o FILE
       edge-s2i train refit PICTURE --data PACK -o FILE [--steps 100]
       edge-s2i train report RUN [-o FILE]
       edge-s2i train ablation --data PACK -o DIR [--steps 400]

  speech   trains the speech encoder and the space it shares with pictures
  picture  trains the generator, beside the speech stage or on its embeddings
  average  the mean of two speech.safetensors, of a run and of one that started from it
  embed    where a speech.safetensors puts every clip of a pack, for train picture's --data.embeddings
  refit    drawings of a picture.safetensors that came out blank, fitted again alone
  report   one HTML page of a run folder: plots, scores, sample sheets, configuration
  ablation trains the picture stage's losses on one short budget each, and prints a table

Options of the stages are those of LightningCLI over the stage's committed configuration:
  --print_config            show the whole configuration and stop
  --config FILE             overrides in YAML
  --data.pack DIR           any single setting
  --trainer.fast_dev_run 1  one step of everything
  --resume                  go on from the run's last checkpoint
  --help                    after the stage: every option there is
"""


def train(arguments: list[str]) -> None:
    """Runs one training stage; arguments are the stage, then LightningCLI's."""
    if not arguments or arguments[0] in ("--help", "-h"):
        print(USAGE, end="")
        return
    if arguments[0] in _OURS:
        command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        command.command()(_OURS[arguments[0]])
        command(args=arguments[1:], prog_name=f"edge-s2i train {arguments[0]}")
        return
    # LightningCLI is given the arguments here, knowingly, though the process has its own.
    warnings.filterwarnings("ignore", message=".*args parameter is intended to run from within Python.*")
    from edge_s2i.training.command import train as train_stage

    train_stage(arguments[0], arguments[1:])


def average(
    first: Annotated[Path, typer.Argument(help="speech.safetensors of the earlier run.")],
    second: Annotated[Path, typer.Argument(help="speech.safetensors of the run that started from it.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.")],
    share: Annotated[float, typer.Option(help="Part of the second run in the mean, 0 to 1.")] = 0.5,
    data: Annotated[
        Path | None,
        typer.Option(help="Pack whose speech gives batch norms their statistics; the mean of both without."),
    ] = None,
) -> None:
    """The mean of two runs of the speech stage: often better than either at what both were trained for."""
    from edge_s2i.training.averaging import average_runs

    print(f"wrote {average_runs(first, second, share, out, data)}")


def embed(
    speech: Annotated[Path, typer.Argument(help="speech.safetensors of a run, or the mean of two.")],
    data: Annotated[Path, typer.Option(help="The data pack whose clips are heard.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.")],
) -> None:
    """Where the speech stage's weights put every clip of a pack: what a smaller encoder can be taught by."""
    from edge_s2i.training.embedding_cache import embed_pack

    print(f"wrote {embed_pack(speech, data, out)}")


def refit(
    picture: Annotated[Path, typer.Argument(help="picture.safetensors of a run, or of `export recover`.")],
    data: Annotated[Path, typer.Option(help="The data pack that it learned on.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.")],
    steps: Annotated[int, typer.Option(help="For each few concepts that are fitted.")] = 100,
    blank: Annotated[
        float, typer.Option(help="Share of blank paper's pixel error from which on a drawing counts as blank.")
    ] = 0.9,
    features: Annotated[bool, typer.Option(help="Of the last quarter of steps the loss of features too.")] = True,
) -> None:
    """Drawings that came out as good as blank, fitted again: what is remembered of them, and nothing else."""
    from edge_s2i.training.refitting import refit as refit_drawings

    fitted = refit_drawings(picture, data, out, steps, blank, features)
    for item in fitted:
        which = f"{item.style}, the first" if item.first else item.style
        print(f"{item.concept} ({which}): {item.before:.0%} of blank paper's error, now {item.after:.0%}")
    print(f"wrote {out}: {len(fitted)} drawings of {len({item.concept for item in fitted})} concepts fitted again")


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run of either stage.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File to write, else RUN/report.html.")] = None,
) -> None:
    """One HTML page of a run: losses, rates, gradient norms, validation, images seen, sample sheets, configuration."""
    from edge_s2i.training.run_report import write_run_report

    print(f"wrote {write_run_report(run, out)}")


def ablation(
    data: Annotated[Path, typer.Option(help="The data pack to train on.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the runs; scored ones in it are not run again.")],
    steps: Annotated[int, typer.Option(help="Steps of each run; the adversary joins at half of them.")] = 400,
    only: Annotated[list[str] | None, typer.Option(help="Variant to run; may be repeated. All if not given.")] = None,
    speech: Annotated[Path | None, typer.Option(help="speech.safetensors, for the contrastive variant.")] = None,
    embeddings: Annotated[Path | None, typer.Option(help="The speech stage's embeddings.safetensors.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="name=value for every run, as `train picture` takes it; may be repeated.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for features of real pictures; beside the pack if not given.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of the judging network.")] = None,
) -> None:
    """Compare the picture stage's losses: every variant of configs/picture-ablation.yaml, trained and scored alike."""
    from edge_s2i.training.ablation import AblationSettings, as_markdown, run_ablation

    more = tuple(f"--{value}" for value in setting or ())
    settings = AblationSettings(steps, tuple(only or ()), speech, embeddings, more, threads=threads)
    print(as_markdown(run_ablation(data, out, settings, cache), steps), end="")


_OURS: dict[str, Callable[..., None]] = {
    "average": average,
    "embed": embed,
    "refit": refit,
    "report": report,
    "ablation": ablation,
}
