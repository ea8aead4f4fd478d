"""`edge-s2i train speech|picture`: hands everything after the stage to LightningCLI; `average` and `embed` are ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

USAGE = """\
Usage: edge-s2i train speech|picture [OPTIONS]
       edge-s2i train average FIRST SECOND [--share 0.5] -o FILE
       edge-s2i train embed SPEECH --data PACK -o FILE

  speech   trains the speech encoder and the space it shares with pictures
  picture  trains the generator, beside the speech stage or on its embeddings
  average  the mean of two speech.safetensors, of a run and of one that started from it
  embed    where a speech.safetensors puts every clip of a pack, for --model.distill_from and --data.embeddings

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
) -> None:
    """The mean of two runs of the speech stage: often better than either at what both were trained for."""
    from edge_s2i.training.averaging import average_runs

    print(f"wrote {average_runs(first, second, share, out)}")


def embed(
    speech: Annotated[Path, typer.Argument(help="speech.safetensors of a run, or the mean of two.")],
    data: Annotated[Path, typer.Option(help="The data pack whose clips are heard.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.")],
) -> None:
    """Where the speech stage's weights put every clip of a pack: what a smaller encoder can be taught by."""
    from edge_s2i.training.embedding_cache import embed_pack

    print(f"wrote {embed_pack(speech, data, out)}")


_OURS: dict[str, Callable[..., None]] = {"average": average, "embed": embed}
