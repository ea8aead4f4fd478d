"""The committed fixture, reading packs, and what `edge-s2i data show` makes of one."""

import json
import shutil

import make_fixture
import pytest
from PIL import Image
from typer.testing import CliRunner

from edge_s2i.cli.data import app
from edge_s2i.data.contact_sheet import write_contact_sheet
from edge_s2i.data.pack import Pack
from edge_s2i.errors import DataError


@pytest.fixture
def own_pack(tmp_path):
    shutil.copytree(make_fixture.FIXTURE, tmp_path / "pack")
    return tmp_path / "pack"


def test_the_fixture_is_whole_and_small():
    pack = Pack.open(make_fixture.FIXTURE)
    pack.verify()
    assert len(pack.concepts()) == 12
    assert len(list(pack.pictures())) == 24
    clips = list(pack.clips())
    assert 35 <= len(clips) <= 45
    assert {clip["split"] for clip in clips} == {
        "train",
        "val",
        "test-synthetic",
        "human-en",
        "human-es",
        "test-human",
    }
    assert sum(file.stat().st_size for file in make_fixture.FIXTURE.rglob("*") if file.is_file()) < 300_000


def test_the_script_makes_the_fixture(tmp_path):
    """By names and shapes, not bytes: codecs differ between library versions."""
    make_fixture.make_fixture(tmp_path / "pack")
    made, committed = Pack.open(tmp_path / "pack"), Pack.open(make_fixture.FIXTURE)
    assert made.concepts() == committed.concepts()
    assert made.pairs() == committed.pairs()
    assert list(made.clips()) == list(committed.clips())
    assert list(made.pictures()) == list(committed.pictures())
    assert made.manifest["counts"] == committed.manifest["counts"]


def test_no_pack_here(tmp_path):
    with pytest.raises(DataError, match="is no pack; a pack is what"):
        Pack.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 9, "shards": {}, "counts": {}}', "has pack format 9; this version reads format 1"),
        ('{"format": 1}', "is not a pack's manifest"),
        ("words", "is not a pack's manifest"),
    ],
)
def test_manifests_that_are_none(own_pack, text, message):
    (own_pack / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=message):
        Pack.open(own_pack)


def test_a_missing_shard_is_named(own_pack):
    (own_pack / "speech" / "shard-00001.tar").unlink()
    pack = Pack.open(own_pack)
    with pytest.raises(DataError, match=r"shard-00001\.tar is missing"):
        pack.verify()
    with pytest.raises(DataError, match=r"shard-00001\.tar is missing"):
        list(pack.clips())


def test_contact_sheet_shows_every_chosen_concept(tmp_path):
    pack = Pack.open(make_fixture.FIXTURE)
    write_contact_sheet(pack, tmp_path / "all.png")
    write_contact_sheet(pack, tmp_path / "four.png", concepts=4)
    write_contact_sheet(pack, tmp_path / "again.png", concepts=4)
    write_contact_sheet(pack, tmp_path / "other.png", concepts=4, seed=1)
    assert Image.open(tmp_path / "all.png").height > Image.open(tmp_path / "four.png").height
    assert (tmp_path / "four.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert (tmp_path / "four.png").read_bytes() != (tmp_path / "other.png").read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_a_sheet_that_cannot_be_written(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        write_contact_sheet(Pack.open(make_fixture.FIXTURE), tmp_path / "nowhere" / "sheet.png")


def test_show_prints_tables_and_writes_the_sheet(tmp_path):
    sheet = tmp_path / "sheet.png"
    result = CliRunner().invoke(app, ["show", str(make_fixture.FIXTURE), "-o", str(sheet)])
    assert result.exit_code == 0, result.output
    counts = json.loads((make_fixture.FIXTURE / "manifest.json").read_text())["counts"]
    assert f"{counts['concepts']} concepts" in result.output
    assert "test-synthetic" in result.output
    assert Image.open(sheet).format == "PNG"


def test_show_of_nothing_is_one_error():
    result = CliRunner().invoke(app, ["show", "nowhere"])
    assert result.exit_code != 0
    assert isinstance(result.exception, DataError)
