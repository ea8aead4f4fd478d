"""Bundles of several graphs: which one runs, networks of two parts, and what the manifest says of them."""

import json

import numpy as np
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.bundle import MANIFEST_NAME, GraphVariant, Manifest, read_bundle, write_bundle
from edge_s2i.cli.main import main
from edge_s2i.errors import BackendError, BundleError
from edge_s2i.evaluation.precisions import bytes_of, precisions_of
from edge_s2i.runtime.split_graphs import SplitEncoder, SplitGenerator

VARIANTS = (
    GraphVariant(
        "encoder", "onnx", "fp32", "encoder.onnx", operators=10, milliseconds=1.5, parity={"onnxruntime": "0"}
    ),
    GraphVariant("generator", "onnx", "fp32", "generator.onnx", targets=("onnx",)),
    GraphVariant("encoder", "onnx", "int8-weights", "small/encoder.onnx"),
    GraphVariant("generator", "onnx", "int8-weights", "generator.onnx"),
)


def bundle_with(path, variants=VARIANTS, **changes):
    files = tiny.files()
    files["small/encoder.onnx"] = files["encoder.onnx"]
    write_bundle(path, tiny.manifest(variants=variants, **changes), files)
    return path


def test_variants_and_choices_come_back_as_they_were_written(tmp_path):
    choices = {"encoder on onnx": "fp32, the only one"}
    manifest = read_bundle(bundle_with(tmp_path / "b", choices=choices)).manifest
    assert manifest.variants == VARIANTS
    assert manifest.choices == choices


def test_a_bundle_of_earlier_days_has_none_and_draws(tiny_bundle):
    manifest = read_bundle(tiny_bundle).manifest
    assert manifest.variants == ()
    assert "variants" not in json.loads((tiny_bundle / MANIFEST_NAME).read_text())
    assert edge_s2i.load(tiny_bundle).paint(_unit()).shape == (1, tiny.SIZE, tiny.SIZE, 3)


def test_a_variant_may_say_more_than_this_version_knows(tmp_path):
    content = tiny.manifest(variants=VARIANTS).to_json()
    content["variants"][0]["colour"] = "green"
    assert Manifest.from_json(content).variants == VARIANTS


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"role": "drummer"}, r"variants.\*.role"),
        ({"engine": "steam"}, r"variants.\*.engine"),
        ({"precision": "int3"}, r"variants.\*.precision"),
        ({"frames": -1}, r"variants.\*.frames"),
    ],
)
def test_a_wrong_field_is_named(changes, what):
    fields = {"role": "encoder", "engine": "onnx", "precision": "fp32", "file": "encoder.onnx"}
    with pytest.raises(BundleError, match=what):
        GraphVariant(**(fields | changes))


def test_a_graph_that_is_not_in_the_bundle_is_missed(tmp_path):
    with pytest.raises(BundleError, match=r"nowhere\.onnx is not among"):
        bundle_with(tmp_path / "b", (GraphVariant("encoder", "onnx", "fp32", "nowhere.onnx"),))


def test_a_precision_is_taken_by_name_and_a_missing_one_refused(tmp_path):
    path = bundle_with(tmp_path / "b")
    assert np.array_equal(
        edge_s2i.load(path, precision="int8-weights").paint(_unit()), edge_s2i.load(path).paint(_unit())
    )
    with pytest.raises(BackendError, match="has no encoder for onnx at fp16; it has fp32, int8-weights"):
        edge_s2i.load(path, precision="fp16")


def test_info_says_which_graphs_run_and_why(tmp_path, capsys):
    path = bundle_with(tmp_path / "b", choices={"encoder on onnx": "fp32, the quickest"})
    assert main(["info", "--bundle", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "the quickest" in shown
    assert "small/encoder.onnx" in shown
    assert main(["info", "--bundle", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["variants"][0]["milliseconds"] == 1.5


def test_precisions_are_those_of_which_both_networks_are_there(tmp_path):
    bundle = read_bundle(bundle_with(tmp_path / "b", VARIANTS[:3]))
    assert precisions_of(bundle) == [("onnx", "fp32")]
    assert bytes_of(bundle, "onnx", "fp32") == len(bundle.files["encoder.onnx"]) + len(bundle.files["generator.onnx"])


class Part:
    """A graph that remembers what it was given."""

    def __init__(self, shapes, answer):
        self.shapes, self.answer, self.given = shapes, answer, None

    def inputs(self):
        return self.shapes

    def run(self, inputs):
        self.given = inputs
        return self.answer


def test_a_trunk_hears_quiet_around_the_speech_and_the_head_its_length():
    trunk = Part({"log_mel": (1, 20 + 2 * 38, 64)}, np.ones((1, 4, 1, 3), np.float32))
    head = Part({}, np.full((1, 16), 0.25, np.float32))
    encoder = SplitEncoder(trunk, head, {"quiet": -1.7, "context": 38, "step": 8})
    assert encoder.inputs() == {"log_mel": (1, 64, 20), "lengths": (1,)}
    speech = np.arange(64 * 20, dtype=np.float32).reshape(1, 64, 20)
    out = encoder.run({"log_mel": speech, "lengths": np.array([17])})
    window = trunk.given["log_mel"]
    assert np.array_equal(window[0, 38:55], speech[0, :, :17].T)
    assert (window[0, :38] == np.float32(-1.7)).all()
    assert (window[0, 55:] == np.float32(-1.7)).all()
    assert head.given["steps"].tolist() == [3]
    assert out.shape == (1, 16)


def test_a_synthesis_may_put_colours_last():
    mapping = Part({"embedding": (1, 16)}, np.ones((1, 8), np.float32))
    picture = np.random.default_rng(0).random((1, 6, 6, 3)).astype(np.float32)
    generator = SplitGenerator(mapping, Part({}, picture))
    assert np.array_equal(generator.run({}), picture.transpose(0, 3, 1, 2))
    assert generator.inputs() == {"embedding": (1, 16)}


def _unit():
    embedding = np.zeros(tiny.EMBEDDING, np.float32)
    embedding[0] = 1.0
    return embedding
