"""The bundle: whole, verified, and plain about what is wrong with it."""

import hashlib
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.bundle import (
    AudioFrontEnd,
    ConfidenceSettings,
    GraphInfo,
    Manifest,
    read_bundle,
    write_bundle,
)
from edge_s2i.cli.main import main
from edge_s2i.errors import BundleError, OutputError
from edge_s2i.prototypes import read_prototypes, write_prototypes


def edit_manifest(bundle: Path, **changes) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(path: Path) -> str:
    """The one line with which `path` is refused."""
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_folder_and_zip_hold_the_same(tmp_path, tiny_bundle):
    folder = read_bundle(tiny_bundle)
    write_bundle(tmp_path / "b.zip", tiny.manifest(), tiny.files())
    archive = read_bundle(tmp_path / "b.zip")
    assert archive.manifest == folder.manifest
    assert archive.files == folder.files
    assert edge_s2i.load(tmp_path / "b.zip")((tiny.word(0), 16_000)).understood


def test_equal_bundles_are_equal_bytes(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_bundle(tmp_path / name, tiny.manifest(), tiny.files())
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_manifest_survives_its_json(tiny_bundle):
    manifest = read_bundle(tiny_bundle).manifest
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def test_prototypes_are_unit_length(tiny_bundle):
    prototypes = read_bundle(tiny_bundle).prototypes()
    assert prototypes.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(prototypes, axis=1), 1.0, atol=1e-6)
    assert ((prototypes * tiny.prototypes()).sum(axis=1) > 0.9999).all()


def test_prototypes_of_earlier_bundles_are_read(tmp_path):
    files = tiny.files() | {"concepts.npy": tiny.half_prototypes()}
    assert len(files["concepts.npy"]) > len(tiny.files()["concepts.npy"])
    prototypes = write_bundle(tmp_path / "b", tiny.manifest(), files).prototypes()
    np.testing.assert_allclose(prototypes, tiny.prototypes(), atol=1e-3)


def test_prototypes_of_nothing_are_nothing():
    rows = np.array([[0.0, 0.0], [0.6, -0.8], [1e-9, 0.0]], np.float32)
    read = read_prototypes(write_prototypes(rows), (3, 2))
    np.testing.assert_allclose(read, [[0.0, 0.0], [0.6, -0.8], [1.0, 0.0]], atol=2e-3)
    assert read_prototypes(write_prototypes(np.zeros((0, 4), np.float32)), (0, 4)).shape == (0, 4)


@pytest.mark.parametrize("kind", [np.int16, np.complex64, np.bool_, "U3"])
def test_prototypes_of_other_numbers_are_refused(tmp_path, kind):
    content = io.BytesIO()
    np.save(content, np.zeros((len(tiny.CONCEPTS), tiny.EMBEDDING), kind))
    with pytest.raises(BundleError, match=r"concepts\.npy holds numbers of type"):
        write_bundle(tmp_path / "b", tiny.manifest(), tiny.files() | {"concepts.npy": content.getvalue()})


def test_writing_again_replaces_all(tmp_path):
    files = tiny.files()
    write_bundle(tmp_path / "b", tiny.manifest(), files | {"notes.txt": b"first"})
    write_bundle(tmp_path / "b", tiny.manifest(name="second"), files)
    assert read_bundle(tmp_path / "b").manifest.name == "second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]
    assert not (tmp_path / "b" / "notes.txt").exists()


def test_a_folder_that_is_no_bundle_is_not_overwritten(tmp_path):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "photo.jpg").write_bytes(b"precious")
    with pytest.raises(OutputError, match="not a bundle"):
        write_bundle(tmp_path / "holiday", tiny.manifest(), tiny.files())
    assert (tmp_path / "holiday" / "photo.jpg").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["encoder.onnx", "generator.onnx", "concepts.npy"])
def test_flipped_byte(own_bundle, name):
    content = bytearray((own_bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (own_bundle / name).write_bytes(content)
    message = refusal(own_bundle)
    assert name in message
    assert "SHA-256" in message


def test_flipped_byte_in_a_zip(tmp_path):
    path = tmp_path / "b.zip"
    write_bundle(path, tiny.manifest(), tiny.files())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("generator.onnx").header_offset + 30 + len("generator.onnx")
    content = bytearray(path.read_bytes())
    content[start + 200] ^= 1
    path.write_bytes(content)
    assert "generator.onnx is damaged" in refusal(path)


@pytest.mark.parametrize(
    ("central_offset", "value", "message"),
    [
        (6, 0xFF, "neither a bundle folder nor a zip"),  # needs a newer zip than there is
        (8, 0x01, "is damaged"),  # encrypted
        (10, 0x63, "is damaged"),  # an unknown compression
    ],
)
def test_a_zip_that_cannot_be_opened_is_one_line(tmp_path, central_offset, value, message):
    path = tmp_path / "b.zip"
    write_bundle(path, tiny.manifest(), tiny.files())
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", central_offset), (b"PK\x03\x04", central_offset - 2)):
        place = content.find(signature)
        while place >= 0:
            content[place + offset] = value
            place = content.find(signature, place + 4)
    path.write_bytes(content)
    assert message in refusal(path)


@pytest.mark.parametrize("name", ["encoder.onnx", "generator.onnx", "concepts.npy"])
def test_missing_file(own_bundle, name):
    (own_bundle / name).unlink()
    assert f"{name} is missing" in refusal(own_bundle)


def test_truncated_file(own_bundle):
    content = (own_bundle / "encoder.onnx").read_bytes()
    (own_bundle / "encoder.onnx").write_bytes(content[:-10])
    assert f"has {len(content) - 10} bytes where the manifest says {len(content)}" in refusal(own_bundle)


def test_newer_format(own_bundle):
    edit_manifest(own_bundle, format=2)
    message = refusal(own_bundle)
    assert "format 2" in message
    assert "update edge-s2i" in message


def test_newer_format_is_said_before_its_unknown_fields(own_bundle):
    (own_bundle / "manifest.json").write_text(json.dumps({"format": 9, "networks": []}))
    assert "format 9" in refusal(own_bundle)


def test_other_audio_constants(own_bundle):
    audio = json.loads((own_bundle / "manifest.json").read_text())["audio"]
    edit_manifest(own_bundle, audio=audio | {"hop_length": 200})
    message = refusal(own_bundle)
    assert "hop_length is 200" in message
    assert "160" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"image_size": "128"},
        {"image_size": 0},
        {"styles": []},
        {"default_style": "cubism"},
        {"concepts": ["dog", "dog", "cat", "tree", "apple"]},
        {"models": {"encoder": {"parameters": 1, "macs_3s": 1, "file": "encoder.onnx"}}},
        {"models": None},
        {"captions": ["dog"]},
        {"confidence": {"temperature": 0.0, "threshold": 0.5, "min_level_db": -60.0}},
        {"confidence": {"temperature": 0.1, "threshold": 1.5, "min_level_db": -60.0}},
        {"embedding_dim": 17},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_wrong_fields_are_named(own_bundle, changes):
    edit_manifest(own_bundle, **changes)
    message = refusal(own_bundle)
    assert re.search("|".join((*changes, "generator", "type", "concepts.npy")), message)


@pytest.mark.parametrize("text", ["", "{", "[]", '"format"', "\x00\xff"])
def test_manifest_that_is_none(own_bundle, text):
    (own_bundle / "manifest.json").write_text(text, encoding="latin-1")
    assert "manifest.json" in refusal(own_bundle)


def test_file_names_cannot_leave_the_bundle(own_bundle, tmp_path):
    (tmp_path / "outside").write_bytes(b"secret")
    files = json.loads((own_bundle / "manifest.json").read_text())["files"]
    info = {"sha256": hashlib.sha256(b"secret").hexdigest(), "bytes": 6}
    edit_manifest(own_bundle, files=files | {"../outside": info})
    assert "stay inside" in refusal(own_bundle)


def test_neither_folder_nor_zip(tmp_path, word_file):
    assert "neither a bundle folder nor a zip" in refusal(word_file)
    assert "does not exist" in refusal(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "manifest.json is missing" in refusal(tmp_path / "empty")


def test_without_default_bundle(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGE_S2I_BUNDLE", raising=False)
    monkeypatch.setattr("edge_s2i.bundle.__file__", str(tmp_path / "bundle.py"))
    with pytest.raises(BundleError, match="no default bundle"):
        edge_s2i.load()


def test_environment_names_the_default_bundle(tiny_bundle, monkeypatch):
    monkeypatch.setenv("EDGE_S2I_BUNDLE", str(tiny_bundle))
    assert edge_s2i.load().manifest.name == "tiny"


def test_shipped_bundle_is_whole():
    shipped = Path(edge_s2i.__file__).parent / "weights" / "default"
    if not shipped.exists():
        pytest.skip("this source tree carries no default bundle")
    bundle = read_bundle(shipped)
    assert bundle.manifest.encoder.parameters <= 1_000_000
    assert bundle.manifest.generator.parameters <= 2_500_000
    assert bundle.manifest.generator.macs <= 200_000_000
    assert bundle.manifest.licences
    assert bundle.manifest.scores


def test_graph_that_another_manifest_describes(own_bundle):
    write_bundle(own_bundle, tiny.manifest(image_size=64), tiny.files())
    with pytest.raises(BundleError, match=r"generator gave shape \(1, 3, 32, 32\)"):
        edge_s2i.load(own_bundle)((tiny.word(0), 16_000))


def test_graph_with_other_inputs(own_bundle):
    files = tiny.files()
    write_bundle(own_bundle, tiny.manifest(), files | {"encoder.onnx": files["generator.onnx"]})
    with pytest.raises(BundleError, match="the encoder's graph has inputs"):
        edge_s2i.load(own_bundle)


def test_writing_checks_that_the_parts_fit(tmp_path):
    files = tiny.files()
    with pytest.raises(BundleError, match="generator's graph"):
        write_bundle(tmp_path / "b", tiny.manifest(), {"encoder.onnx": b"", "concepts.npy": files["concepts.npy"]})
    with pytest.raises(BundleError, match=r"concepts\.npy has shape"):
        write_bundle(tmp_path / "b", tiny.manifest(concepts=("dog",)), files)
    assert not (tmp_path / "b").exists()


def test_parts_are_checked_when_built():
    with pytest.raises(BundleError, match="temperature"):
        ConfidenceSettings(temperature=-1.0, threshold=0.5, min_level_db=-60.0)
    with pytest.raises(BundleError, match="file"):
        GraphInfo(parameters=1, macs=1)
    with pytest.raises(BundleError, match="mel_bands is 40"):
        AudioFrontEnd(mel_bands=40)


def test_damage_on_the_command_line(capsys, own_bundle, word_file, tmp_path):
    shutil.copy(own_bundle / "encoder.onnx", own_bundle / "generator.onnx")
    out = tmp_path / "out.png"
    assert main(["draw", str(word_file), "-o", str(out), "--bundle", str(own_bundle)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("edge-s2i: bundle ")
    assert error.count("\n") == 1
    assert not out.exists()
