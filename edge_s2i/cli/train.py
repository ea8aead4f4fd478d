"""`edge-s2i train speech|picture`: hands everything after the stage to LightningCLI; `train average` is ours."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

USAGE = """\
Usage: edge-s2i train speech|picture [OPTIONS]
       edge-s2i train average FIRST SECOND [--share 0.5] -o FILE

  speech   trains the speech encoder and the space it shares with pictures
  picture  trains the generator, beside the speech stage or on its embeddings
  average  the mean of two speech.safetensors, of a run and of one that started from it

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
    if arguments[0] == "average":
        _average(arguments[1:])
        return
    # LightningCLI is given the arguments here, knowingly, though the process has its own.
    warnings.filterwarnings("ignore", message=".*args parameter is intended to run from within Python.*")
    from edge_s2i.training.command import train as train_stage

    train_stage(arguments[0], arguments[1:])


def _average(arguments: list[str]) -> None:
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(average)
    command(args=arguments, prog_name="edge-s2i train average")


def average(
    first: Annotated[Path, typer.Argument(help="speech.safetensors of the earlier run.")],
    second: Annotated[Path, typer.Argument(help="speech.safetensors of the run that started from it.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.")],
    share: Annotated[float, typer.Option(help="Part of the second run in the mean, 0 to 1.")] = 0.5,
) -> None:
    """The mean of two runs of the speech stage: often better than either at what both were trained for."""
    from edge_s2i.training.averaging import average_runs

    print(f"wrote {average_runs(first, second, share, out)}")
