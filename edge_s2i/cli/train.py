"""`edge-s2i train speech|picture`: hands everything after the stage to LightningCLI."""

import warnings

USAGE = """\
Usage: edge-s2i train speech|picture [OPTIONS]

  speech   trains the speech encoder and the space it shares with pictures
  picture  trains the generator, beside the speech stage or on its embeddings

Options are those of LightningCLI over the stage's committed configuration:
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
    # LightningCLI is given the arguments here, knowingly, though the process has its own.
    warnings.filterwarnings("ignore", message=".*args parameter is intended to run from within Python.*")
    from edge_s2i.training.command import train as train_stage

    train_stage(arguments[0], arguments[1:])
