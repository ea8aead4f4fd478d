"""Rewritten graphs compute what they did: on every length and batch, step by step."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from benchmarks import graphs
from benchmarks.sessions import profile_layers
from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.models.generator import Generator, GeneratorConfig
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.runtime.backends import OnnxBackend
from edge_s2i.runtime.pixels import PIXEL_BLOCKS, join_blocks, to_pixels
from export.faster_encoder import ENCODER_STEPS, faster_encoder, narrow_quiet_margins, pool_before_activation
from export.faster_generator import GENERATOR_STEPS, faster_generator
from export.graph_editing import GraphEditor
from export.onnx_graphs import ExportError, encoder_graph, generator_graph
from export.parity import run_graph
from export.pixel_output import check_pixel_blocks, with_pixel_blocks
from export.weight_compression import compress_weights
from export.whole_utterance import whole_utterances

ENCODERS = {
    "a SpectralTrunk": {"trunk": (8, 8, 16, 16, 16)},
    "a SeparableTrunk": {"trunk": (8, 16, 16, 24, 32, 24), "trunk_blocks": (1, 1, 1, 1)},
    "no trunk": {},
    "dense": {"spectral_channels": (4, 8), "narrow": (8,), "squeeze": 0},
}


@pytest.fixture(scope="module")
def encoders() -> dict[str, onnx.ModelProto]:
    """As torch exports them, of any batch and length, with padding masked."""
    return {name: _encoder(**trunk) for name, trunk in ENCODERS.items()}


def _encoder(**trunk) -> onnx.ModelProto:
    torch.manual_seed(0)
    config = SpeechEncoderConfig(
        **trunk, channels=(16,), blocks=(2,), kernels=(5,), stem_kernel=3, heads=2, embedding_dim=16
    )
    encoder = SpeechEncoder(config)
    for _ in range(2):  # batch-norm statistics that are not the initial ones
        encoder(torch.randn(4, MEL_BANDS, 60), torch.full((4,), 60))
    return encoder_graph(encoder.eval().requires_grad_(False))


@pytest.fixture(scope="module")
def plain(encoders) -> dict[str, onnx.ModelProto]:
    torch.manual_seed(0)
    config = GeneratorConfig(
        image_size=32, styles=("a", "b"), embedding_dim=16, latent_dim=8, start_channels=16, concepts=20, w_dim=32,
        channels=(32, 32, 24),
    )  # fmt: skip
    generator = generator_graph(Generator(config).eval().requires_grad_(False), 16, 8, 2)
    return {"encoder": encoders["a SpectralTrunk"], "generator": generator}


def generator_feed(batch: int = 1) -> dict[str, np.ndarray]:
    return graphs.generator_feed(batch, embedding=16, latent=8, styles=2)


def operators(model) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("step", ENCODER_STEPS)
def test_each_step_leaves_embeddings_as_they_were(plain, step):
    changed = ENCODER_STEPS[step](plain["encoder"])
    assert operators(changed) != operators(plain["encoder"]) or step.startswith("quiet")
    for frames in (20, 61, 62, 63, 64):
        feed = graphs.encoder_feed(frames)
        assert np.abs(run_graph(changed, feed) - run_graph(plain["encoder"], feed)).max() < 1e-5


@pytest.mark.parametrize("name", ENCODERS)
def test_rewritten_encoder_hears_padded_batches_alike(encoders, name):
    changed = faster_encoder(encoders[name])
    feed = graphs.encoder_feed(120, batch=4)
    feed["lengths"] = np.array([120, 97, 33, 64], np.int64)
    feed["log_mel"] *= np.arange(120) < feed["lengths"][:, None, None]  # zeros behind the speech, as batches have them
    embeddings = run_graph(changed, feed)
    assert np.abs(embeddings - run_graph(encoders[name], feed)).max() < 1e-5
    alone = {"log_mel": feed["log_mel"][2:3, :, :33], "lengths": feed["lengths"][2:3]}
    assert np.abs(run_graph(changed, alone) - embeddings[2]).max() < 1e-4


@pytest.mark.parametrize("name", ENCODERS)
def test_one_utterance_needs_no_masks(encoders, name):
    changed = whole_utterances(encoders[name])
    assert not {"Where", "Less", "Cast", "Range"} & set(operators(changed))
    assert operators(changed).count("GlobalAveragePool") == (0 if name == "dense" else 2)  # the gates' means
    for frames in (16, 17, 23, 61, 64, 150, 401):
        feed = graphs.encoder_feed(frames)
        right = run_graph(encoders[name], feed)
        assert np.abs(run_graph(changed, feed) - right).max() < 1e-5
        padded = {**feed, "log_mel": np.pad(feed["log_mel"], ((0, 0), (0, 0), (0, 13)), constant_values=3.0)}
        assert np.abs(run_graph(changed, padded) - right).max() < 1e-5
    assert operators(faster_encoder(changed)) != operators(changed)
    with pytest.raises(Exception, match="Expected: 1"):
        run_graph(changed, graphs.encoder_feed(64, batch=2))


def test_a_separable_trunk_runs_in_one_layout(encoders):
    """Nothing between its convolutions keeps ONNX Runtime from fusing activations and sums into them."""
    changed = whole_utterances(encoders["a SeparableTrunk"])
    layers = profile_layers(changed.SerializeToString(), graphs.encoder_feed(), 1)
    masked = profile_layers(encoders["a SeparableTrunk"].SerializeToString(), graphs.encoder_feed(), 1)
    assert len(layers) < 0.5 * len(masked)
    # The gate of each of the two blocks multiplies and adds a residual: no convolution takes those in.
    assert [layer.operator for layer in layers].count("Relu") <= 2


def test_quiet_is_heard_less(plain):
    def macs(model) -> int:
        layers = profile_layers(model.SerializeToString(), graphs.encoder_feed(), 1, optimized=False)
        return sum(layer.macs for layer in layers)

    assert macs(narrow_quiet_margins(plain["encoder"])) < 0.9 * macs(plain["encoder"])


def test_each_step_leaves_pictures_as_they_were(plain):
    changed = plain["generator"]
    for name, step in GENERATOR_STEPS.items():
        before = operators(changed)
        changed = step(changed)
        assert operators(changed) != before, name
        for batch in (1, 3):
            feed = generator_feed(batch)
            assert np.abs(run_graph(changed, feed) - run_graph(plain["generator"], feed)).max() < 1e-4, name


def test_rewritten_generator_needs_fewer_nodes_and_no_depth_to_space(plain):
    changed = faster_generator(plain["generator"])
    feed = generator_feed(2)
    assert np.abs(run_graph(changed, feed) - run_graph(plain["generator"], feed)).max() < 1e-4
    assert "DepthToSpace" not in operators(changed)
    assert len(operators(changed)) < len(operators(plain["generator"]))


@pytest.mark.parametrize(("name", "rewrite"), [("encoder", faster_encoder), ("generator", faster_generator)])
def test_rewriting_twice_changes_nothing_more(plain, name, rewrite):
    once = rewrite(plain[name])
    assert operators(rewrite(once)) == operators(once)


@pytest.mark.parametrize(("name", "rewrite"), [("encoder", faster_encoder), ("generator", faster_generator)])
def test_rewritten_graphs_can_be_compressed_again(plain, name, rewrite):
    changed = rewrite(plain[name])
    compressed = compress_weights(changed)
    feed = graphs.encoder_feed(100) if name == "encoder" else generator_feed()
    first, second = run_graph(changed, feed), run_graph(compressed, feed)
    if name == "encoder":
        assert float((first * second).sum()) > 0.999
    else:
        assert np.abs(first - second).mean() < 0.01


@pytest.mark.parametrize("compress", [False, True])
def test_pixels_in_blocks_are_the_pixels_of_the_picture(plain, compress):
    changed = with_pixel_blocks(faster_generator(plain["generator"]))
    changed = compress_weights(changed, smallest=64) if compress else changed
    backend = OnnxBackend(changed.SerializeToString(), 1)
    assert backend.outputs == ("picture", PIXEL_BLOCKS)
    for batch in (1, 3):
        feed = generator_feed(batch)
        picture, blocks = backend.run(feed), backend.run(feed, PIXEL_BLOCKS)
        assert blocks.shape == (batch, 16, 16, 12)
        assert len(np.unique(blocks)) > 20
        assert np.array_equal(join_blocks(blocks), to_pixels(picture))
        if not compress:
            assert np.abs(picture - run_graph(plain["generator"], feed)).max() < 1e-4
    check_pixel_blocks(changed, [generator_feed(2)])


def test_pixels_that_are_not_the_pictures_stop_an_export(plain):
    changed = with_pixel_blocks(faster_generator(plain["generator"]))
    half = next(tensor for tensor in changed.graph.initializer if tensor.name.startswith("half_range"))
    half.CopyFrom(onnx.numpy_helper.from_array(np.float32(120.0), half.name))
    with pytest.raises(ExportError, match="bytes of the generator's pixel_blocks"):
        check_pixel_blocks(changed, [generator_feed()])


def test_pixels_are_added_once_and_to_generators_alone(plain):
    once = with_pixel_blocks(faster_generator(plain["generator"]))
    assert with_pixel_blocks(once) is once
    assert with_pixel_blocks(plain["encoder"]) is plain["encoder"]
    check_pixel_blocks(plain["generator"], [generator_feed()])  # has none, so there is nothing to compare


def test_graphs_without_what_a_step_looks_for_come_back_as_they_are(plain):
    for step in GENERATOR_STEPS.values():
        feed = graphs.encoder_feed(50)
        changed = step(plain["encoder"])
        assert np.array_equal(run_graph(changed, feed), run_graph(plain["encoder"], feed))
    for step in ENCODER_STEPS.values():
        assert sorted(operators(step(plain["generator"]))) == sorted(operators(plain["generator"]))


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


def test_names_of_an_earlier_rewriting_are_not_taken_again(plain):
    name = GraphEditor(plain["generator"]).constant(np.zeros(1, np.float32), "same")
    rewritten = onnx.ModelProto.FromString(plain["generator"].SerializeToString())
    rewritten.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.float32), name))
    assert GraphEditor(rewritten).constant(np.ones(1, np.float32), "same") != name


def test_what_the_graph_gives_out_is_not_bypassed(plain):
    editor = GraphEditor(plain["generator"])
    last = editor.maker("picture")
    assert last is not None
    with pytest.raises(ExportError, match="picture is an output"):
        editor.bypass(last, last.input[0])


def test_a_cycle_is_refused(plain):
    editor = GraphEditor(plain["generator"])
    last = editor.maker("picture")
    assert last is not None
    first = editor.takers("latent")[0]
    first.input[0] = last.output[0]
    with pytest.raises(ExportError, match="cycle"):
        editor.finish()
