"""Integers: ranges off real inputs, mixtures that meet their budget, training that makes up for rounding."""

import struct

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional as F

from export.calibration import measure_ranges, tensorrt_cache
from export.onnx_graphs import ExportError, fixed_graph
from export.onnx_quantization import nodes_before_convolution, quantizable, quantize_static, tensors_to_measure, to_fp16
from export.parity import Session
from export.quantization_aware import tune
from export.sensitivity import cosine_loss, mixed_precision, sweep


class Net(nn.Module):
    """Two convolutions and a product; the second's outputs are large where its inputs cancel, which int8 loses."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3)
        self.last = nn.Linear(8, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.clamp(F.leaky_relu(self.first(x), 0.2), min=-0.4)
        return self.last(F.relu(self.second(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(1)
    return Net().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def feeds() -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    return [{"x": random.standard_normal((1, 3, 12, 12)).astype(np.float32)} for _ in range(12)]


@pytest.fixture(scope="module")
def graph(net) -> onnx.ModelProto:
    return fixed_graph(net, [torch.zeros(1, 3, 12, 12)], ("x",), ("y",))


@pytest.fixture(scope="module")
def ranges(graph, feeds) -> dict[str, tuple[float, float]]:
    return measure_ranges(graph, feeds, tensors_to_measure(graph, integer=True))


def test_ranges_hold_zero_and_cut_what_an_activation_cuts(graph, ranges):
    assert all(low <= 0.0 <= high for low, high in ranges.values())
    before = next(node.input[0] for node in graph.graph.node if node.op_type == "LeakyRelu")
    assert ranges[before][0] >= -2.0 - 1e-6  # below -0.4 / 0.2 all come out as -0.4


def test_static_int8_is_integers_and_close(graph, ranges, feeds):
    small = quantize_static(graph, ranges)
    stored = {tensor.data_type for tensor in small.graph.initializer}
    assert onnx.TensorProto.INT8 in stored
    assert {node.op_type for node in small.graph.node} >= {"QuantizeLinear", "DequantizeLinear"}
    outputs, right = Session(small).outputs(feeds), Session(graph).outputs(feeds)
    assert 0.0 < cosine_loss(outputs, right) < 0.02


def test_a_mixture_keeps_the_worst_layers_and_meets_its_budget(graph, ranges, feeds):
    order = sweep(graph, ranges, feeds, cosine_loss)
    assert {layer.node for layer in order} == set(quantizable(graph))
    assert order[0].loss >= order[-1].loss
    whole = cosine_loss(Session(quantize_static(graph, ranges)).outputs(feeds), Session(graph).outputs(feeds))
    mixed = mixed_precision(graph, ranges, feeds, cosine_loss, whole / 2, order)
    assert mixed.loss <= whole / 2
    assert 1 <= len(mixed.kept) <= len(order)
    assert mixed.kept[0] == order[0].node
    with pytest.raises(ExportError, match="no mixture"):
        mixed_precision(graph, ranges, feeds, lambda _a, _b: 1.0, 0.5, order)


def test_a_layer_that_is_not_there_cannot_be_kept(graph, ranges):
    with pytest.raises(ExportError, match="no node 'nowhere'"):
        quantize_static(graph, ranges, keep=["nowhere"])


def test_fp16_halves_the_weights_and_keeps_float_inputs(graph, feeds):
    half = to_fp16(graph)
    assert len(half.SerializeToString()) < 0.8 * len(graph.SerializeToString())
    assert half.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert np.abs(Session(half).outputs(feeds) - Session(graph).outputs(feeds)).max() < 0.01


def test_what_comes_before_a_convolution_can_stay_in_float32():
    """A logarithm of what float16 rounds to nothing."""
    nodes = [
        helper.make_node("Add", ["x", "floor"], ["raised"], name="add"),
        helper.make_node("Log", ["raised"], ["features"], name="log"),
        helper.make_node("Conv", ["features", "weight"], ["heard"], name="conv"),
        helper.make_node("Add", ["heard", "floor"], ["y"], name="add_again"),  # a weight of both parts
    ]
    weights = {"floor": np.full((1, 1, 1, 1), 1e-9, np.float32), "weight": np.full((1, 1, 1, 1), 0.5, np.float32)}
    info = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, 2, 3]) for name in ("x", "y")]
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_model(
        helper.make_graph(nodes, "log", info[:1], info[1:], initializers),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    feeds = [{"x": np.array([1e-8, 1e-7, 1e-6, 1e-3, 0.1, 1.0], np.float32).reshape(1, 1, 2, 3)}]
    right = Session(graph).outputs(feeds)
    first = nodes_before_convolution(graph)
    assert set(first) == {"add", "log"}
    kept = to_fp16(graph, first)
    assert np.abs(Session(kept).outputs(feeds) - right).max() < 0.01
    assert np.abs(Session(to_fp16(graph)).outputs(feeds) - right).max() > 0.1
    halves = [tensor.name for tensor in kept.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16]
    assert "weight" in halves


def test_tensorrt_reads_a_scale_a_tensor():
    lines = tensorrt_cache({"x": (-1.0, 2.54), "y": (-6.35, 0.0)}).splitlines()
    assert lines[0].startswith("TRT-")
    texts = dict(line.split(": ") for line in lines[1:])
    scales = {name: struct.unpack(">f", bytes.fromhex(text))[0] for name, text in texts.items()}
    assert scales == {"x": pytest.approx(0.02), "y": pytest.approx(0.05)}


def test_tuning_puts_weights_on_grids_and_makes_up_for_rounding(net):
    torch.manual_seed(3)
    inputs = torch.randn(64, 3, 12, 12)

    def loss(given, right, _rows):
        return F.mse_loss(given, right)

    rounded, tuned = (tune(net, inputs, loss, steps, 8) for steps in (0, 60))
    weight = tuned.second.weight
    codes = weight / (weight.abs().amax((1, 2, 3), keepdim=True) / 127.0)
    assert torch.allclose(codes, codes.round(), atol=1e-3)
    test = torch.randn(32, 3, 12, 12)
    right = net(test)
    assert F.mse_loss(tuned(test), right) < F.mse_loss(rounded(test), right)
    assert not any(parameter.requires_grad for parameter in tuned.parameters())
