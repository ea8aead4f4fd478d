"""`edge-s2i evaluate speech` end to end, on the tiny bundle and a tiny pack whose words that bundle knows."""

import io
import json

import numpy as np
import pytest
import tiny_bundle as tiny
from rich.console import Console
from tiny_pack import STYLES, write_picture_embeddings, write_tiny_pack

pytest.importorskip("pyroomacoustics")

from edge_s2i.bundle import write_bundle
from edge_s2i.cli.main import main
from edge_s2i.errors import RequestError
from edge_s2i.evaluation import conditions
from edge_s2i.evaluation.speech_report import print_speech_report
from edge_s2i.evaluation.speech_suite import SpeechSettings, evaluate_speech

FAST = SpeechSettings(snrs_db=(24.0, -3.0), clips_a_condition=4, unknown=3, threads=1)


@pytest.fixture(scope="module", autouse=True)
def two_rooms():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "_ROOMS", 2)  # a tenth of a second each
        yield


@pytest.fixture(scope="module")
def tiny_pack(tmp_path_factory):
    return write_tiny_pack(tmp_path_factory.mktemp("data") / "pack")


@pytest.fixture(scope="module")
def report(tiny_bundle, tiny_pack):
    return evaluate_speech(tiny_bundle, tiny_pack, FAST)


def test_all_held_out_splits_but_val_are_measured(report):
    assert set(report["splits"]) == {"test-synthetic", "human-en", "human-es"}
    assert report["val_clips"] == 10
    for split in report["splits"].values():
        assert split["speech_to_concept"]["R@1"]["value"] == 1.0
        assert split["concept_to_speech"]["queries"] == 5
        assert split["concept_to_speech"]["gallery"] == 10
        assert split["concept_to_speech"]["mAP"]["value"] == 1.0
        assert split["confusions"] == split["attractors"] == []
    language = report["splits"]["human-es"]["by_language"]["es"]
    assert language["clips"] == 10
    assert language["speech_to_concept"]["R@10"]["value"] == 1.0
    assert language["wrong_and_understood"]["value"] == 0.0
    assert list(report["splits"]["human-es"]["by_accent"]) == ["es (people)"]
    json.dumps(report, allow_nan=False)


def test_thresholds_and_unknown_input(report):
    found = report["open_set"]
    assert found["thresholds"]["shipped"] == 0.5
    assert found["thresholds"]["val_95"] > 0.5  # the tiny bundle is sure of its words
    assert found["kinds"]["silence"]["refused_before_encoder"] == {"silence": 3}
    assert found["kinds"]["silence"]["false_understood"]["val_95"]["value"] == 0.0
    assert {"chords", "melodies", "reversed speech", "shuffled speech"} <= set(found["kinds"])
    assert found["splits"]["human-en"]["right"] == 10
    assert found["splits"]["human-en"]["true_accept"]["shipped"]["value"] == 1.0
    assert 0.0 <= found["pooled"]["voices"]["false_understood"]["shipped"]["value"] <= 1.0
    # Words are no noise: they have an AUROC of their own.
    kinds = {kind for kind in found["kinds"] if kind in ("other words", "unknown language")}
    assert kinds <= found["splits"]["human-en"]["auroc"].keys()
    assert report["splits"]["human-en"]["confidence"]["auroc_speech_vs_noise"] == pytest.approx(
        found["splits"]["human-en"]["auroc"]["noise and music"], abs=1e-4
    )
    assert bool(found["notes"]) != ("other words" in found["kinds"])  # said, or said why not


def test_every_condition_is_heard_on_the_same_clips(report):
    for split in report["conditions"].values():
        assert len(split) == 2 * (1 + 2 * 2)
        assert {found["clips"] for found in split} == {4}
        clean = next(found for found in split if found["noise"] is None and not found["room"])
        assert clean["speech_to_concept"]["R@1"]["value"] == 1.0
    worst = [
        found["speech_to_concept"]["R@1"]["value"]
        for split in report["conditions"].values()
        for found in split
        if found["noise"] == "babble" and found["snr_db"] == -3.0
    ]
    assert np.mean(worst) < 0.8  # a mean spectrum does not survive other talkers


def test_mixed_up_prototypes_are_heard_as_one_another(tmp_path, tiny_pack):
    names = (*tiny.CONCEPTS[1:], tiny.CONCEPTS[0])
    write_bundle(tmp_path / "mixed", tiny.manifest(concepts=names), tiny.files())
    settings = SpeechSettings(splits=("human-en",), clips_a_condition=0, unknown=0)
    report = evaluate_speech(tmp_path / "mixed", tiny_pack, settings)
    split = report["splits"]["human-en"]
    assert split["speech_to_concept"]["R@1"]["value"] == 0.0
    assert split["by_speaker"]["ann"]["right_when_understood"]["value"] == 0.0
    assert split["by_speaker"]["ann"]["wrong_and_understood"]["value"] > 0.5
    assert {(pair["said"], pair["heard_as"]) for pair in split["confusions"]} == set(
        zip(tiny.CONCEPTS, names, strict=True)
    )
    assert report["open_set"]["thresholds"]["val_95"] is None  # nothing of val was heard rightly
    assert report["open_set"]["kinds"] == report["conditions"] == {}
    print_speech_report(report, Console(file=io.StringIO()))


def test_pictures_are_searched_for_both_ways(tiny_bundle, tiny_pack, tmp_path):
    prototypes = np.stack([tiny.embed(tiny.word(index)) for index in range(5)])
    keys = [f"{style}-{concept}" for style in STYLES for concept in tiny.CONCEPTS]
    path = write_picture_embeddings(tmp_path / "pictures.safetensors", np.tile(prototypes, (4, 1)), keys)
    settings = SpeechSettings(splits=("human-en",), snrs_db=(), clips_a_condition=3, unknown=0)
    report = evaluate_speech(tiny_bundle, tiny_pack, settings, path)
    split = report["splits"]["human-en"]
    assert split["picture_to_speech"]["mAP"]["value"] == 1.0
    assert split["by_language"]["en"]["speech_to_picture"]["R@1"]["value"] == 1.0
    assert "picture_to_speech" not in split["by_language"]["en"]  # among ten clips it would prove little
    dry, wet = report["conditions"]["human-en"]
    assert (dry["name"], wet["name"]) == ("clean, dry", "clean, in a room")
    assert dry["speech_to_picture"]["R@1"]["value"] == 1.0


def test_tables_hold_every_split_kind_and_condition(report):
    console = Console(record=True, width=120, file=io.StringIO())
    print_speech_report(report, console)
    text = console.export_text()
    for name in (*report["splits"], *report["open_set"]["kinds"], "es (people)", "babble, room", "24 dB", "-3 dB"):
        assert name in text, name
    assert "nan" not in text.lower().split()


def test_the_seed_and_the_limit_choose_the_clips(tiny_bundle, tiny_pack):
    settings = SpeechSettings(splits=("human-en",), limit=2, clips_a_condition=0, unknown=5)
    report, again = (evaluate_speech(tiny_bundle, tiny_pack, settings) for _ in range(2))
    assert report["splits"] == again["splits"]
    assert report["open_set"] == again["open_set"]
    assert report["splits"]["human-en"]["clips"] == report["open_set"]["kinds"]["tones"]["sounds"] == 2


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"limit": 0}, "limit"),
        ({"seed": -1}, "seed"),
        ({"unknown": -1}, "unknown"),
        ({"threads": 0}, "threads"),
        ({"clips_a_condition": -1}, "condition"),
        ({"snrs_db": (6.0, float("nan"))}, "nan dB"),
        ({"snrs_db": (900.0,)}, "900"),
    ],
)
def test_impossible_settings_are_refused(wrong, named):
    with pytest.raises(RequestError, match=named):
        SpeechSettings(**wrong)


def test_command_prints_json_alone_and_writes_report_and_plots(tiny_bundle, tiny_pack, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("edge_s2i.evaluation.figures._DPI", 40)
    arguments = ["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--split", "human-en", "--limit", "2"]
    out, plots = tmp_path / "report.json", tmp_path / "plots"
    assert (
        main(["evaluate", "speech", *arguments, "--snr", "6,-3", "--json", "-o", str(out), "--plots", str(plots)]) == 0
    )
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads(out.read_text())
    assert {found["snr_db"] for found in json.loads(captured.out)["conditions"]["human-en"]} == {None, 6.0, -3.0}
    assert {path.name for path in plots.iterdir()} >= {"reliability.png", "accuracy_against_snr.png"}
    assert str(plots / "reliability.png") in captured.err


def test_command_prints_tables(tiny_bundle, tiny_pack, capsys):
    arguments = ["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--clips-a-condition", "0", "--limit", "1"]
    assert main(["evaluate", "speech", *arguments]) == 0
    assert "False understood" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--data", "{pack}", "--split", "train"], "train"),
        (["--data", "{pack}", "--snr", "6,loud"], "6,loud"),
        (["--data", "{pack}", "--snr", "inf"], "inf dB"),
        (["--data", "{pack}", "--limit", "0"], "limit"),
        (["--data", "{pack}", "-o", "{pack}/missing/report.json"], "report.json"),
        (["--data", "{pack}", "--plots", "{pack}/manifest.json"], "manifest.json"),
        (["--data", "{pack}", "--plots", "{pack}/missing/plots"], "missing/plots"),
        (["--data", "{pack}", "--picture-embeddings", "nothing.safetensors"], "nothing.safetensors"),
    ],
)
def test_command_says_what_is_wrong_in_one_line(tiny_bundle, tiny_pack, capsys, arguments, named):
    filled = [argument.format(pack=tiny_pack) for argument in arguments]
    assert main(["evaluate", "speech", "--bundle", str(tiny_bundle), *filled]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_without_matplotlib_plots_are_refused_before_measuring(tiny_bundle, tiny_pack, tmp_path, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(
        "edge_s2i.evaluation.speech_suite.evaluate_speech", lambda *_: pytest.fail("measured before refusing")
    )
    arguments = ["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--plots", str(tmp_path / "plots")]
    assert main(["evaluate", "speech", *arguments]) == 2
    error = capsys.readouterr().err
    assert "matplotlib" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", [["evaluate"], ["evaluate", "bundle"]], ids=" ".join)
def test_evaluate_without_a_command_is_evaluate_bundle(tiny_bundle, tiny_pack, capsys, monkeypatch, command):
    called = []
    monkeypatch.setattr("edge_s2i.evaluation.suite.evaluate", lambda *arguments: called.append(arguments) or {})
    arguments = ["--bundle", str(tiny_bundle), "--data", str(tiny_pack), "--no-pictures", "--split", "val", "--json"]
    assert main([*command, *arguments]) == 0
    ((bundle, pack, settings, *_),) = called
    assert (bundle, pack, settings.splits, settings.pictures) == (tiny_bundle, tiny_pack, ("val",), False)
    assert capsys.readouterr().out == "{}\n"


def test_help_names_both_commands_and_nothing_else_asks_for_data(capsys):
    assert main(["evaluate", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "bundle" in shown
    assert "speech" in shown
    assert main(["evaluate"]) == 2
    assert "--data" in capsys.readouterr().err


def test_a_command_that_does_not_exist_is_refused(capsys):
    assert main(["evaluate", "speach", "--data", "pack"]) == 2
    assert "speach" in capsys.readouterr().err
