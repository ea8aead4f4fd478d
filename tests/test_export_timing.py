"""A bundle says why it ships a precision: timed beside others of the same networks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_bundle as tiny

from edge_s2i.bundle import GraphVariant, read_bundle, write_bundle
from edge_s2i.cli.main import main
from export import command, timing
from export.artefact import Artefact


@pytest.fixture
def bundles(tmp_path: Path) -> tuple[Path, Path]:
    """One that ships 8-bit weights, and an export of the same networks at float32 too."""
    files = tiny.files()
    own, other = [], []
    for role in ("encoder", "generator"):
        own.append(GraphVariant(role, "onnx", "int8-weights", f"{role}.onnx", milliseconds=99.0))
        other.append(GraphVariant(role, "onnx", "fp32", f"{role}.fp32.onnx"))
    write_bundle(tmp_path / "ships", tiny.manifest(variants=tuple(own), scores={"human-en": 0.5}), files)
    several = files | {item.file: files[f"{item.role}.onnx"] for item in other}
    write_bundle(tmp_path / "several", tiny.manifest(variants=(*own, *other)), several)
    return tmp_path / "ships", tmp_path / "several"


def test_a_bundle_says_what_it_was_timed_beside(
    bundles: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(command, "_TIE", 100.0)  # graphs of microseconds
    ships, several = bundles
    assert main(["export", "time", str(ships), "--beside", str(several), "-o", str(tmp_path / "out")]) == 0
    after, before, said = read_bundle(tmp_path / "out"), read_bundle(ships), capsys.readouterr().out
    for role in ("encoder", "generator"):
        why = after.manifest.choices[f"{role} on onnx"]
        assert why.startswith("int8-weights, the quickest, or as quick as any")
        assert "fp32 " in why
        assert f"{role} on onnx: {why}" in said
    assert all(item.milliseconds != 99.0 for item in after.manifest.variants)
    assert after.manifest.scores == before.manifest.scores
    assert {name: after.files[name] for name in before.files} == dict(before.files)


def test_another_precision_that_is_quicker_is_to_be_shipped(
    bundles: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def timed(artefacts: Sequence[Artefact], rounds: int) -> None:
        for item in artefacts:
            item.milliseconds = 1.0 if item.precision == "fp32" else 2.0

    monkeypatch.setattr(timing, "measure_latency", timed)
    ships, several = map(str, bundles)
    assert main(["export", "time", ships, "--beside", several, "-o", str(tmp_path / "out")]) != 0
    assert "fp32 is the encoder to ship for onnx" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_other_networks_are_refused(bundles: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    several = read_bundle(bundles[1])
    larger = replace(several.manifest, encoder=replace(several.manifest.encoder, parameters=10**6))
    write_bundle(tmp_path / "larger", larger, several.files)
    ships = str(bundles[0])
    assert main(["export", "time", ships, "--beside", str(tmp_path / "larger"), "-o", str(tmp_path / "out")]) != 0
    assert "holds other networks than" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
