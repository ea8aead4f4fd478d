"""Comparing encoders before they are bundles."""

import json

import numpy as np
import pytest
import torch

from edge_s2i.cli.main import main
from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.evaluation.encoder_recall import encoder_recall, held_out_splits
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.models.speech_weights import SpeechWeights


class Knowing:
    """Weights that place a clip on its concept's prototype, save every other clip, which lands on the next one's."""

    def __init__(self, pack: Pack) -> None:
        self.concepts = pack.concept_ids
        self.prototypes = torch.eye(len(pack.concept_ids))

    def embed(self, cache: LogMelCache, clips: np.ndarray) -> torch.Tensor:
        wrong = np.arange(len(clips)) % 2
        landed = self.prototypes[(cache.concept[clips] + wrong) % len(self.concepts)]
        return landed + 0.5 * self.prototypes[cache.concept[clips]]


def test_recall_counts_what_is_nearest(fixture_pack):
    pack = Pack.open(fixture_pack)
    splits = held_out_splits(pack)
    assert "train" not in splits
    report = encoder_recall(Knowing(pack), pack, splits)
    for split in splits:
        clips = len(LogMelCache.of(pack).of_split(split))
        assert report[split]["R@1"].mean == pytest.approx((clips + 1) // 2 / clips)
        assert report[split]["R@5"].mean == 1.0
        assert report[split]["R@1"].values == clips
    assert encoder_recall(Knowing(pack), pack, splits[:1], limit=2)[splits[0]]["R@1"].values == 2


def test_weights_of_other_concepts_and_empty_splits_are_refused(fixture_pack):
    pack = Pack.open(fixture_pack)
    knowing = Knowing(pack)
    with pytest.raises(TrainingError, match="no held-out clips in split 'human-xx'"):
        encoder_recall(knowing, pack, ["human-xx"])
    knowing.concepts = ("another",)
    with pytest.raises(TrainingError, match="of other concepts"):
        encoder_recall(knowing, pack, ["val"])


def test_command_prints_a_line_a_run(fixture_pack, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(SpeechWeights, "load", lambda path: loaded(path, Pack.open(fixture_pack)))
    assert main(["evaluate", "encoders", "one", "two", "--data", str(fixture_pack), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"one", "two"}
    assert report["one"] == report["two"]
    assert main(["evaluate", "encoders", "one", "--data", str(fixture_pack)]) == 0
    assert "R@1 / R@5 / R@10" in capsys.readouterr().out


def loaded(_path, pack: Pack) -> SpeechWeights:
    torch.manual_seed(0)
    encoder = SpeechEncoder(SpeechEncoderConfig(channels=(8,), blocks=(1,), kernels=(3,), embedding_dim=8)).eval()
    prototypes = torch.nn.functional.normalize(torch.randn(len(pack.concept_ids), 8), dim=1)
    return SpeechWeights(encoder, None, prototypes, 10.0, pack.concept_ids, (), torch.zeros(0, 8), "pack", 7)


def test_a_missing_run_is_one_line(fixture_pack, tmp_path, capsys):
    assert main(["evaluate", "encoders", str(tmp_path / "none"), "--data", str(fixture_pack)]) == 2
    assert "does not exist" in capsys.readouterr().err
