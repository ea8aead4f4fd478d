"""Packs of a user's own pairs, and one clear line for each way of getting the manifest wrong."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_packages as tiny
from PIL import Image
from typer.testing import CliRunner

from edge_s2i.cli.data import app
from edge_s2i.data.pack import Pack
from edge_s2i.data.user_manifest import _split, build_from_manifest, read_rows
from edge_s2i.errors import DataError


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two words, two recordings each, a picture each."""
    place = tmp_path / "mine"
    place.mkdir()
    for number, word in enumerate(("robot", "kite")):
        (place / f"{word}.png").write_bytes(tiny.png(("gray", "purple")[number]))
        for take in (1, 2):
            soundfile.write(place / f"{word}{take}.wav", tiny.tone(200 + 50 * number + 10 * take), tiny.RATE)
    return place


SEED_0_TESTS = (1, 3, 26, 28, 30, 32, 33)


def rows_of(folder: Path) -> list[dict[str, str]]:
    return [
        {"audio": f"{word}{take}.wav", "picture": f"{word}.png", "concept": f"A {word}."}
        for word in ("robot", "kite")
        for take in (1, 2)
    ]


def write(folder: Path, rows: list[dict], kind: str) -> Path:
    file = folder / f"pairs.{kind}"
    if kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with file.open("w", newline="") as target:
            writer = csv.DictWriter(target, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_pack_of_ones_own(folder, tmp_path, kind):
    rows = rows_of(folder)
    rows[0] |= {"language": "fr", "speaker": "Ana", "caption": "Un robot.", "split": "val"}
    if kind == "csv":
        rows = [{"language": "", "speaker": "", "caption": "", "split": ""} | row for row in rows]
    build_from_manifest(write(folder, rows, kind), tmp_path / "pack")
    pack = Pack.open(tmp_path / "pack")
    pack.verify()
    concepts = {concept["concept"]: concept for concept in pack.concepts()}
    assert set(concepts) == {"kite", "robot"}
    assert concepts["robot"]["captions"] == {"en": ["A robot."], "fr": ["Un robot."]}
    clips = list(pack.clips())
    assert len(clips) == 4
    assert {clip["engine"] for clip in clips} == {"human"}
    french = next(clip for clip in clips if clip["language"] == "fr")
    assert (french["speaker"], french["text"], french["split"]) == ("Ana", "Un robot", "val")
    assert len(list(pack.pictures())) == 2
    assert {pair["picture"] for pair in pack.pairs()} == {picture["picture"] for picture in pack.pictures()}


def test_csv_and_jsonl_agree_and_both_repeat(folder, tmp_path):
    file = write(folder, rows_of(folder), "jsonl")
    first = build_from_manifest(file, tmp_path / "one")
    second = build_from_manifest(file, tmp_path / "two", jobs=2)
    assert first.manifest == second.manifest


def test_named_speakers_are_held_out_whole(folder, tmp_path):
    rows = [row | {"speaker": f"speaker {n % 40}"} for n, row in enumerate(rows_of(folder) * 40)]
    file = write(folder, rows, "jsonl")
    found = [splits_of_speakers(file, seed) for seed in (0, 1)]
    for splits in found:
        assert Counter(splits.values())["train"] > 30
    assert found[0] != found[1]
    # What seed 0 holds out it has held out since before seeds were heeded.
    tested = {speaker for speaker, split in found[0].items() if split == "test-human"}
    assert tested == {f"speaker {n}" for n in SEED_0_TESTS}


def splits_of_speakers(file: Path, seed: int) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for row in read_rows(file):
        found.setdefault(row.speaker, set()).add(_split(row, seed, None))
    assert all(len(splits) == 1 for splits in found.values())
    return {speaker: splits.pop() for speaker, splits in found.items()}


def test_the_held_out_language_is_for_tests_only(folder, tmp_path):
    rows = rows_of(folder)
    for row, language in zip(rows, ("es", "es_MX", "en", "es"), strict=True):
        row["language"] = language
    rows[3]["split"] = "train"
    file = write(folder, [{"split": ""} | row for row in rows], "csv")
    built = build_from_manifest(file, tmp_path / "held-out", held_out_language="es_ES")
    assert sorted((clip["language"], clip["split"]) for clip in built.clips)[1:] == [
        ("es", "human-es"),
        ("es", "human-es"),
        ("es", "train"),  # what a row says goes before
    ]
    assert built.manifest["held_out_language"] == "es"
    plain = build_from_manifest(file, tmp_path / "plain")
    assert not any(clip["split"].startswith("human-") for clip in plain.clips)
    assert plain.manifest["held_out_language"] is None
    for wrong, message in (("?", "'\\?' is not a code"), ("French", "fr: .* has no line in it; there are en, es")):
        with pytest.raises(DataError, match=f"--held-out-language {message}"):
            build_from_manifest(file, tmp_path / "wrong", held_out_language=wrong)
    assert not (tmp_path / "wrong").exists()


BAD = [
    ({"audio": "gone.wav"}, "line 1: the audio gone.wav does not exist beside pairs.jsonl"),
    ({"picture": "gone.png"}, "line 1: the picture gone.png does not exist"),
    ({"concept": ""}, "line 1 has no concept; every line needs audio, picture, concept"),
    ({"concept": "?!"}, "line 1: the concept '\\?!' has no letters or digits"),
    ({"concept": 7}, "line 1: concept is 7; give text"),
    ({"language": "?"}, "line 1: the language '\\?' is not a code"),
    ({"split": "exam"}, "line 1: the split 'exam' is unknown; give train, val, test-human"),
    ({"colour": "red"}, "line 1 has the unknown field colour"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_rows_name_their_line(folder, tmp_path, change, message):
    rows = rows_of(folder)
    rows[0] |= change
    with pytest.raises(DataError, match=message) as stopped:
        build_from_manifest(write(folder, rows, "jsonl"), tmp_path / "pack")
    assert "\n" not in str(stopped.value)
    assert not (tmp_path / "pack").exists()


def test_one_picture_has_one_concept(folder, tmp_path):
    rows = rows_of(folder)
    rows[3]["picture"] = "robot.png"
    with pytest.raises(DataError, match=r"line 4 gives .*'kite', but an earlier line gave it 'robot'"):
        build_from_manifest(write(folder, rows, "jsonl"), tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_a_bad_manifest_costs_no_earlier_pack(folder, tmp_path):
    rows = rows_of(folder)
    build_from_manifest(write(folder, rows, "jsonl"), tmp_path / "pack")
    rows[3]["picture"] = "robot.png"
    with pytest.raises(DataError, match="a picture has one concept"):
        build_from_manifest(write(folder, rows, "jsonl"), tmp_path / "pack")
    Pack.open(tmp_path / "pack").verify()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pairs.csv", "audio,picture\na.wav,a.png\n", "has no column concept"),
        ("pairs.csv", "audio,picture,concept,size\na,b,c,d\n", "has the unknown column size"),
        ("pairs.csv", "audio,picture,concept\na.wav,a.png\n", "line 2 does not have 3 values"),
        ("pairs.csv", "audio,picture,concept\na.wav,a.png,a,b\n", "line 2 does not have 3 values"),
        ("pairs.csv", "audio,picture,concept\n", "lists no pairs"),
        ("pairs.jsonl", "[1]\n", "line 1 is not a JSON object"),
        ("pairs.jsonl", "{}\nwords\n", "line 1 has no audio"),
        ("pairs.jsonl", "\nwords\n", "line 2 is not JSON"),
        ("pairs.xlsx", "words", r"is neither \.csv nor \.jsonl"),
    ],
)
def test_files_of_another_kind(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_rows(tmp_path / name)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(DataError, match=r"does not exist; give a \.csv or \.jsonl"):
        read_rows(tmp_path / "pairs.csv")
    (tmp_path / "pairs.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as UTF-8 text"):
        read_rows(tmp_path / "pairs.csv")


def test_media_that_cannot_be_read_are_counted(folder, tmp_path):
    (folder / "robot1.wav").write_bytes(b"not a sound")
    (folder / "kite.png").write_bytes(b"not a picture")
    built = build_from_manifest(write(folder, rows_of(folder), "csv"), tmp_path / "pack")
    assert built.dropped == {
        "picture unreadable": 1,
        "pair whose picture is unfit": 2,
        "recording unreadable": 1,
    }
    assert [clip["concept"] for clip in built.clips] == ["robot"]


def test_a_changed_recording_is_packed_again(folder, tmp_path):
    file = write(folder, rows_of(folder), "csv")
    before = build_from_manifest(file, tmp_path / "pack").manifest["shards"]
    soundfile.write(folder / "robot1.wav", tiny.tone(400), tiny.RATE)
    assert build_from_manifest(file, tmp_path / "pack").manifest["shards"] != before


def test_the_command(folder, tmp_path):
    file = write(folder, rows_of(folder), "csv")
    result = CliRunner().invoke(app, ["build", "manifest", str(file), "--out", str(tmp_path / "pack")])
    assert result.exit_code == 0, result.output
    assert "2 concepts, 2 pictures, 4 clips" in " ".join(result.output.split())
    pack = Pack.open(tmp_path / "pack")
    with Image.open(pack.path / "contact_sheet.png") as sheet:
        purple = np.abs(np.asarray(sheet, int) - (128, 0, 128)).max(axis=-1) < 16
    assert purple.sum() > 500  # the kite
    assert f"contact sheet: {pack.path / 'contact_sheet.png'}" in result.output.replace("\n", "")
    assert "contact_sheet.png" not in pack.manifest["shards"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_command_says_where_export_will_want_more(folder, tmp_path, split):
    rows = [row | {"split": split} for row in rows_of(folder)]
    file = write(folder, rows, "csv")
    result = CliRunner().invoke(app, ["build", "manifest", str(file), "--out", str(tmp_path / "pack")])
    assert result.exit_code == 0, result.output
    warnings = [line for line in result.stderr.splitlines() if "split val" in line]
    assert len(warnings) == (split != "val")
    assert all("`split` column" in warning and "speakers" in warning for warning in warnings)
