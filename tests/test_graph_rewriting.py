"""Rewritten graphs compute what they did: on every length and batch, step by step."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks import graphs
from benchmarks.sessions import profile_layers
from edge_s2i.bundle import default_bundle_path, read_bundle
from export.faster_encoder import ENCODER_STEPS, faster_encoder, narrow_quiet_margins, pool_before_activation
from export.faster_generator import GENERATOR_STEPS, faster_generator
from export.graph_editing import GraphEditor, fold_weights
from export.onnx_graphs import ExportError
from export.parity import run_graph
from export.weight_compression import compress_weights

WEIGHTS = Path(default_bundle_path())
pytestmark = pytest.mark.skipif(not WEIGHTS.exists(), reason="this tree has no default bundle")


@pytest.fixture(scope="module")
def shipped() -> dict[str, onnx.ModelProto]:
    files = read_bundle(WEIGHTS).files
    return {name: fold_weights(onnx.load_from_string(files[f"{name}.onnx"])) for name in ("encoder", "generator")}


def operators(model) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("step", ENCODER_STEPS)
def test_each_step_leaves_embeddings_as_they_were(shipped, step):
    changed = ENCODER_STEPS[step](shipped["encoder"])
    assert operators(changed) != operators(shipped["encoder"]) or step.startswith("quiet")
    for frames in (20, 61, 62, 63, 64):
        feed = graphs.encoder_feed(frames)
        assert np.abs(run_graph(changed, feed) - run_graph(shipped["encoder"], feed)).max() < 1e-5


def test_rewritten_encoder_hears_padded_batches_alike(shipped):
    changed = faster_encoder(shipped["encoder"])
    feed = graphs.encoder_feed(120, batch=4)
    feed["lengths"] = np.array([120, 97, 33, 64], np.int64)
    embeddings = run_graph(changed, feed)
    assert np.abs(embeddings - run_graph(shipped["encoder"], feed)).max() < 1e-5
    alone = {"log_mel": feed["log_mel"][2:3, :, :33], "lengths": feed["lengths"][2:3]}
    assert np.abs(run_graph(changed, alone) - embeddings[2]).max() < 1e-4


def test_quiet_is_heard_less(shipped):
    def macs(model) -> int:
        layers = profile_layers(model.SerializeToString(), graphs.encoder_feed(), 1, optimized=False)
        return sum(layer.macs for layer in layers)

    assert macs(narrow_quiet_margins(shipped["encoder"])) < 0.9 * macs(shipped["encoder"])


def test_each_step_leaves_pictures_as_they_were(shipped):
    changed = shipped["generator"]
    for name, step in GENERATOR_STEPS.items():
        before = operators(changed)
        changed = step(changed)
        assert operators(changed) != before, name
        for batch in (1, 3):
            feed = graphs.bundle_generator_feed(batch)
            assert np.abs(run_graph(changed, feed) - run_graph(shipped["generator"], feed)).max() < 1e-4, name


def test_rewritten_generator_needs_fewer_nodes_and_no_depth_to_space(shipped):
    changed = faster_generator(shipped["generator"])
    feed = graphs.bundle_generator_feed(2)
    assert np.abs(run_graph(changed, feed) - run_graph(shipped["generator"], feed)).max() < 1e-4
    assert "DepthToSpace" not in operators(changed)
    assert len(operators(changed)) < 0.85 * len(operators(shipped["generator"]))


@pytest.mark.parametrize(("name", "rewrite"), [("encoder", faster_encoder), ("generator", faster_generator)])
def test_rewriting_twice_changes_nothing_more(shipped, name, rewrite):
    once = rewrite(shipped[name])
    assert operators(rewrite(once)) == operators(once)


@pytest.mark.parametrize(("name", "rewrite"), [("encoder", faster_encoder), ("generator", faster_generator)])
def test_rewritten_graphs_can_be_compressed_again(shipped, name, rewrite):
    changed = rewrite(shipped[name])
    compressed = compress_weights(changed)
    feed = graphs.encoder_feed(100) if name == "encoder" else graphs.bundle_generator_feed()
    first, second = run_graph(changed, feed), run_graph(compressed, feed)
    if name == "encoder":
        assert float((first * second).sum()) > 0.999
    else:
        assert np.abs(first - second).mean() < 0.01


def test_graphs_without_what_a_step_looks_for_come_back_as_they_are(shipped):
    for step in GENERATOR_STEPS.values():
        feed = graphs.encoder_feed(50)
        changed = step(shipped["encoder"])
        assert np.array_equal(run_graph(changed, feed), run_graph(shipped["encoder"], feed))
    for step in ENCODER_STEPS.values():
        assert operators(step(shipped["generator"])) == operators(shipped["generator"])


def test_padded_pooling_is_left_alone():
    nodes = [
        helper.make_node("LeakyRelu", ["x"], ["a"]),
        helper.make_node("MaxPool", ["a"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    ]
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 8, 8]) for name in ("x", "y")]
    model = helper.make_model(
        helper.make_graph(nodes, "padded", info[:1], info[1:]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    assert operators(pool_before_activation(model)) == ["LeakyRelu", "MaxPool"]


def test_a_cycle_is_refused(shipped):
    editor = GraphEditor(shipped["generator"])
    last = editor.maker("picture")
    assert last is not None
    first = editor.takers("latent")[0]
    first.input[0] = last.output[0]
    with pytest.raises(ExportError, match="cycle"):
        editor.finish()
