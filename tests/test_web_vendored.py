"""ONNX Runtime Web as it ships is what the lock names."""

import hashlib
import shutil

import pytest

from edge_s2i.web import vendored


def test_shipped_files_are_those_of_the_lock():
    assert vendored.check() == []
    assert vendored.main([]) == 0


def test_stored_files_unpack_to_the_packages_own():
    brotli = pytest.importorskip("brotli")
    for item in vendored.read_lock().files:
        path = vendored.VENDOR_FOLDER / item.stored
        stored = path.read_bytes()
        content = brotli.decompress(stored) if item.stored.endswith(".br") else stored
        assert hashlib.sha256(content).hexdigest() == item.sha256, item.name


def test_an_altered_or_missing_file_is_found(tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(vendored.VENDOR_FOLDER, tmp_path / "vendor")
    first, second = vendored.read_lock(folder).files[:2]
    (folder / first.stored).write_bytes(b"something else")
    (folder / second.stored).unlink()
    assert [line.split(" is ")[1] for line in vendored.check(folder)] == [
        "not the file that vendor.json names",
        "missing",
    ]
    monkeypatch.setattr(vendored, "check", lambda: ["a is missing", "b is missing"])
    assert vendored.main([]) == 2
    assert capsys.readouterr().err == "edge-s2i: a is missing; b is missing\n"
