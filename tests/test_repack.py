"""A bundle's 8-bit graphs written anew: smaller, and what they compute is what it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.bundle import GraphVariant, read_bundle, write_bundle
from edge_s2i.cli.main import main
from edge_s2i.runtime.backends import OnnxBackend
from export.lean_graph import lean
from export.weight_compression import compress_weights

VARIANTS = (
    GraphVariant("encoder", "onnx", "int8-weights", "encoder.onnx", targets=("onnx",), parity={"onnxruntime": "c"}),
    GraphVariant("generator", "onnx", "fp32", "generator.onnx", targets=("onnx",)),
)


def test_the_chosen_graphs_are_written_anew_and_scores_go(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    before = write_bundle(tmp_path / "before", tiny.manifest(variants=VARIANTS, scores={"human-en": 0.5}), tiny.files())
    assert main(["export", "repack", str(tmp_path / "before"), "-o", str(tmp_path / "after")]) == 0
    after = read_bundle(tmp_path / "after")
    assert f"{before.bytes:,} before" in capsys.readouterr().out
    assert after.files["generator.onnx"] == before.files["generator.onnx"]
    assert after.files["encoder.onnx"] != before.files["encoder.onnx"]
    assert after.manifest.scores == {}
    assert after.manifest.variants[0].parity == {"onnxruntime": "c", "before it was written anew": "cosine 1.0000"}
    assert replace(after.manifest, variants=(), scores={}, files={}) == replace(
        before.manifest, variants=(), scores={}, files={}
    )


def test_the_shipped_encoder_hears_the_same_and_becomes_no_larger(tmp_path: Path) -> None:
    before = read_bundle()
    assert main(["export", "repack", before.location, "-o", str(tmp_path / "after")]) == 0
    after = read_bundle(tmp_path / "after")
    assert after.bytes <= before.bytes
    recording = sorted((Path(edge_s2i.__file__).parent / "examples").glob("*.ogg"))[0]
    first, second = (edge_s2i.load(bundle.location)(recording) for bundle in (before, after))
    assert first.embedding is not None
    assert second.embedding is not None
    assert first.embedding @ second.embedding > 0.9999


def test_a_bundle_without_such_graphs_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_bundle(tmp_path / "before", tiny.manifest(variants=VARIANTS[1:]), tiny.files())
    assert main(["export", "repack", str(tmp_path / "before"), "-o", str(tmp_path / "after")]) != 0
    assert "no ONNX graph of precision int8-weights" in capsys.readouterr().err
    assert not (tmp_path / "after").exists()


def test_lean_graphs_keep_the_names_of_weights_and_what_they_compute() -> None:
    graph = onnx.load_model_from_string(tiny.files()["generator.onnx"])
    small = lean(graph)
    assert small.ByteSize() < graph.ByteSize()
    for kind in ("initializer", "input", "output"):
        assert [item.name for item in getattr(small.graph, kind)] == [item.name for item in getattr(graph.graph, kind)]
    manifest = tiny.manifest()
    feed = {
        "embedding": np.ones((1, manifest.embedding_dim), np.float32) / manifest.embedding_dim**0.5,
        "latent": np.zeros((1, manifest.latent_dim), np.float32),
        "style": np.eye(len(manifest.styles), dtype=np.float32)[:1],
    }
    drawn = [OnnxBackend(item.SerializeToString(), 1).run(feed) for item in (graph, small)]
    np.testing.assert_array_equal(*drawn)


def test_small_constants_are_float16_and_what_it_cannot_hold_stays() -> None:
    values = np.linspace(-1.0, 1.0, 256, dtype=np.float32)
    large, few = values * 1e6, values[:8]
    nodes = [
        onnx.helper.make_node("Add", ["x", "half"], ["a"]),
        onnx.helper.make_node("Add", ["a", "large"], ["b"]),
        onnx.helper.make_node("Add", ["b", "few"], ["y"]),
    ]
    shape = [32, 8]
    info = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "xy"]
    constants = {"half": values.reshape(shape), "large": large.reshape(shape), "few": few}
    graph = onnx.helper.make_graph(
        nodes, "g", info[:1], info[1:], [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    held = {item.name: item.data_type for item in compress_weights(model).graph.initializer}
    float32 = onnx.TensorProto.FLOAT
    assert held == {"half.half": onnx.TensorProto.FLOAT16, "large": float32, "few": float32}
