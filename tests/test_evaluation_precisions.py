"""A bundle's precisions beside each other, on the tiny pack."""

import json

import numpy as np
import onnx
import pytest
import tiny_bundle as tiny
from onnx import numpy_helper
from tiny_pack import write_tiny_pack

from edge_s2i.bundle import GraphVariant, write_bundle
from edge_s2i.cli.main import main
from edge_s2i.errors import RequestError
from edge_s2i.evaluation.precisions import PrecisionSettings, evaluate_precisions
from export.weight_compression import compress_weights


@pytest.fixture(scope="module")
def tiny_pack(tmp_path_factory):
    return write_tiny_pack(tmp_path_factory.mktemp("data") / "pack")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Float, one with 8-bit weights, and one whose generator is a little wrong."""
    files = tiny.files()
    for model in ("encoder", "generator"):
        graph = onnx.ModelProto.FromString(files[f"{model}.onnx"])
        files[f"{model}.small.onnx"] = compress_weights(graph, smallest=16).SerializeToString()
    wrong = onnx.ModelProto.FromString(files["generator.onnx"])
    for tensor in wrong.graph.initializer:
        if tensor.name == "projection":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(0.5), "projection"))
    files["wrong.onnx"] = wrong.SerializeToString()
    variants = (
        GraphVariant("encoder", "onnx", "fp32", "encoder.onnx"),
        GraphVariant("generator", "onnx", "fp32", "generator.onnx"),
        GraphVariant("encoder", "onnx", "int8-weights", "encoder.small.onnx"),
        GraphVariant("generator", "onnx", "int8-weights", "generator.small.onnx"),
        GraphVariant("encoder", "onnx", "fp16", "encoder.onnx"),
        GraphVariant("generator", "onnx", "fp16", "wrong.onnx"),
    )
    path = tmp_path_factory.mktemp("bundle") / "b"
    write_bundle(path, tiny.manifest(variants=variants), files)
    return path


def test_each_precision_is_compared_with_the_float_one(bundle, tiny_pack):
    report = evaluate_precisions(bundle, tiny_pack, PrecisionSettings(limit=20, pictures=False))
    rows = {row["precision"]: row for row in report["precisions"]}
    assert report["reference"] == "onnx fp32"
    assert report["clips"] == 20
    assert rows["fp32"]["r@1"] == 1.0
    assert rows["fp32"]["psnr_db"] is None
    assert rows["fp32"]["within_budget"]
    small = rows["int8-weights"]
    assert small["within_budget"]
    assert small["psnr_db"] > 35
    assert small["points_lost"]["r@1"] == 0.0
    assert small["encoder_ms"] > 0
    assert not rows["fp16"]["within_budget"]  # its pictures are another's
    assert rows["fp16"]["psnr_db"] < 35


def test_the_command_prints_and_writes_it(bundle, tiny_pack, tmp_path, capsys):
    out = tmp_path / "report.json"
    arguments = ["--data", str(tiny_pack), "--bundle", str(bundle), "--limit", "10", "--no-pictures", "-o", str(out)]
    assert main(["evaluate", "precisions", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "int8-weights" in shown
    assert "over" in shown
    assert len(json.loads(out.read_text())["precisions"]) == 3


def test_a_bundle_of_one_precision_has_nothing_to_compare(tiny_bundle, tiny_pack):
    with pytest.raises(RequestError, match="names no precisions"):
        evaluate_precisions(tiny_bundle, tiny_pack, PrecisionSettings(pictures=False))
