"""`edge-s2i train speech|picture`: LightningCLI over a stage's committed configuration."""

import os
import sys
import warnings
from importlib.resources import files
from pathlib import Path

from edge_s2i.errors import EdgeS2IError, TrainingError

STAGES = ("speech", "picture")
_FOLDER_FLAG = "--trainer.default_root_dir"


def train(stage: str, arguments: list[str]) -> None:
    """Trains `stage`; `arguments` are LightningCLI's (`--data.pack`, `--print_config`, `--ckpt_path` ...).

    The run's folder is `--trainer.default_root_dir`, else what a `--config` says of it, else runs/<stage>. `--resume`
    goes on from its last checkpoint. Raises TrainingError on what can be known to be wrong before the first step.
    """
    if stage not in STAGES:
        raise TrainingError(f"there is no training stage {stage!r}; stages are {' and '.join(STAGES)}")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*LightningCLI's args parameter.*")
    warnings.filterwarnings("ignore", message="(?s).*Unable to serialize instance.*")
    import torch
    from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, RichProgressBar
    from lightning.pytorch.cli import LightningCLI
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    torch.set_float32_matmul_precision("high")
    arguments = list(arguments)
    run = _run_folder(stage, arguments)
    arguments.append(f"{_FOLDER_FLAG}={run}")  # last, and so what LightningCLI obeys too, whatever a --config says
    if "--resume" in arguments:
        arguments.remove("--resume")
        last = run / "checkpoints" / "last.ckpt"
        if not last.is_file():
            raise TrainingError(f"{run} has no checkpoint to resume from ({last} is missing); train without --resume")
        arguments += ["--ckpt_path", str(last)]

    module, data, callbacks = _stage_parts(stage)
    callbacks = [
        *callbacks,
        LearningRateMonitor("step"),
        ModelCheckpoint(
            dirpath=run / "checkpoints",
            filename="step{step}",
            auto_insert_metric_name=False,
            save_last=True,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
    ]
    if sys.stderr.isatty():
        callbacks.append(RichProgressBar(leave=False))
    config = files("edge_s2i.training") / "configs" / f"{stage}.yaml"
    LightningCLI(
        module,
        data,
        args=["fit", "--config", str(config), *arguments],
        trainer_defaults={
            "default_root_dir": str(run),
            "callbacks": callbacks,
            "enable_progress_bar": sys.stderr.isatty(),  # a log file wants lines, not a bar
            "logger": [
                CSVLogger(str(run), name="csv"),  # a resumed run logs into its next version
                TensorBoardLogger(str(run), name="tensorboard"),
            ],
        },
        save_config_kwargs={"overwrite": True},
        seed_everything_default=0,
    )


def _run_folder(stage: str, arguments: list[str]) -> Path:
    """The command line goes before any file that it names, and a later one before an earlier."""
    given = configured = None
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        flag, equals, value = argument.partition("=")
        value = value if equals else following
        if flag == _FOLDER_FLAG:
            given = value
        elif flag in ("-c", "--config", "--trainer"):
            configured = _configured_folder(Path(value), flag == "--trainer") or configured
    return Path(given or configured or Path(os.environ.get("EDGE_S2I_RUNS", "runs")) / stage)


def _configured_folder(config: Path, of_trainer: bool) -> str | None:
    """What a configuration file, of everything or of the trainer alone, says of the run's folder.

    LightningCLI will say what is wrong with the file.
    """
    import yaml

    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
        return (content if of_trainer else content["trainer"])["default_root_dir"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None


def _stage_parts(stage: str) -> tuple[type, type, list]:
    from edge_s2i.training.run_files import SaveSpeech, SaveWeights

    if stage == "speech":
        from edge_s2i.training.speech_data import SpeechData
        from edge_s2i.training.speech_module import SpeechModule

        return SpeechModule, SpeechData, [SaveSpeech()]
    from edge_s2i.training.picture_data import PictureData
    from edge_s2i.training.picture_module import PictureModule

    return PictureModule, PictureData, [SaveWeights("picture")]


def main() -> None:
    """Entry for `python -m edge_s2i.training.command STAGE ...`, which a multi-device launcher re-runs."""
    try:
        train(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:])
    except EdgeS2IError as error:
        print(f"edge-s2i: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
