"""The mean of two runs of the speech stage."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from edge_s2i.cli.main import main
from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.models.picture_tower import PictureTower
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.models.speech_weights import SpeechWeights
from edge_s2i.models.torch_log_mel import normalize_log_mel
from edge_s2i.training import averaging

CONFIG = {"channels": [8], "blocks": [1], "kernels": [3], "heads": 2, "embedding_dim": 8}


def write_run(path, seed: int, concepts: list[str]):
    torch.manual_seed(seed)
    encoder, tower = SpeechEncoder(SpeechEncoderConfig(**CONFIG)), PictureTower(embedding_dim=8)
    tensors = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    tensors |= {f"picture_tower.{name}": value for name, value in tower.state_dict().items()}
    tensors["prototypes"] = torch.nn.functional.normalize(torch.randn(len(concepts), 8), dim=1)
    tensors["picture_embeddings"] = torch.nn.functional.normalize(torch.randn(3, 8), dim=1)
    tensors["scale"] = torch.tensor([20.0 + seed])
    metadata = {
        "stage": "speech",
        "encoder": json.dumps(CONFIG),
        "concepts": json.dumps(concepts),
        "picture_keys": "[]",
    }
    save_file(
        {name: value.contiguous() for name, value in tensors.items()}, path, metadata | {"pack": "p", "step": "7"}
    )
    return path


def test_the_mean_lies_between_and_is_a_run_of_its_own(tmp_path, capsys):
    first, second = (write_run(tmp_path / f"{seed}.safetensors", seed, ["a", "b"]) for seed in (1, 2))
    out = tmp_path / "mean.safetensors"
    assert main(["train", "average", str(first), str(second), "--share", "0.25", "-o", str(out)]) == 0
    old, new, mean = (load_file(path) for path in (first, second, out))
    torch.testing.assert_close(mean["scale"], torch.tensor([21.25]))
    name = "encoder.blocks.0.pointwise.weight"
    torch.testing.assert_close(mean[name], 0.75 * old[name] + 0.25 * new[name])
    weights = SpeechWeights.load(out)
    torch.testing.assert_close(weights.prototypes.norm(dim=1), torch.ones(2))
    assert weights.step == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["1.safetensors", "other.safetensors", "-o", "mean.safetensors"], "differ in concepts"),
        (["1.safetensors", "none.safetensors", "-o", "mean.safetensors"], "does not exist"),
        (["1.safetensors", "2.safetensors", "--share", "1.5", "-o", "mean.safetensors"], "0 to 1"),
        (["1.safetensors", "2.safetensors", "-o", "nowhere/mean.safetensors"], "cannot be written"),
    ],
)
def test_what_does_not_fit_is_one_line_and_writes_nothing(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "1.safetensors", 1, ["a", "b"])
    write_run(tmp_path / "2.safetensors", 2, ["a", "b"])
    write_run(tmp_path / "other.safetensors", 2, ["a", "c"])
    assert main(["train", "average", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("mean*"))


def test_batch_norms_of_the_mean_get_statistics_of_the_packs_speech(tmp_path, fixture_pack, monkeypatch):
    monkeypatch.setattr(averaging, "_BATCH", 2)  # of the same length, or nearly: hardly anything is padded
    monkeypatch.setattr(averaging, "_HUMAN_WEIGHT", 1.0)
    first, second = (write_run(tmp_path / f"{seed}.safetensors", seed, ["a", "b"]) for seed in (1, 2))
    out = tmp_path / "mean.safetensors"
    assert main(["train", "average", str(first), str(second), "--data", str(fixture_pack), "-o", str(out)]) == 0
    old, new, mean = (load_file(path) for path in (first, second, out))
    name = "encoder.blocks.0.pointwise.weight"
    torch.testing.assert_close(mean[name], 0.5 * old[name] + 0.5 * new[name])
    encoder = SpeechWeights.load(out).encoder
    cache = LogMelCache.of(Pack.open(fixture_pack))
    means, variances = [], []
    for clip in cache.of_split("train"):
        log_mel, lengths = (torch.from_numpy(array) for array in cache.log_mel_batch(np.array([clip])))
        with torch.no_grad():
            heard = encoder.stem(normalize_log_mel(log_mel, lengths).unsqueeze(2))
        means.append(heard.mean((0, 2, 3)))
        variances.append(heard.var((0, 2, 3)))
    variance = torch.stack(variances).mean(0)
    found = encoder.stem_norm  # of 64 draws of these clips: near the mean over all
    assert ((found.running_mean - torch.stack(means).mean(0)).abs() < 0.25 * variance.sqrt()).all()
    assert ((found.running_var / variance - 1.0).abs() < 0.25).all()
    assert (torch.stack(means).mean(0).abs() > variance.sqrt()).any()  # not what a norm begins with
