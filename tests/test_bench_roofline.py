"""Roofline, peers, estimates: arithmetic on layers, checked on graphs whose costs are known."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from benchmarks import estimates, graphs, vela
from benchmarks.ceilings import Ceilings
from benchmarks.errors import AbsentError, BenchmarkError
from benchmarks.peers import bc_resnet, df_gan, style_gan2, whisper_tiny
from benchmarks.peers.comparison import Row, published_table, table
from benchmarks.roofline import Roofline, kind_of, measure, show
from benchmarks.sessions import Layer, layer_macs, profile_layers
from edge_s2i.models.cost import measure_cost

CEILINGS = Ceilings({"onnxruntime": 50.0, "torch": 40.0}, {2**14: 100.0, 2**20: 50.0, 2**25: 10.0})


def a_graph() -> tuple[bytes, dict[str, np.ndarray]]:
    """(1, 16, 8, 8) -> a depthwise and a 1x1 convolution, then a product with a matrix."""
    random = np.random.default_rng(0)
    weights = {
        "deep": random.standard_normal((16, 1, 3, 3)),
        "mix": random.standard_normal((32, 16, 1, 1)),
        "out": random.standard_normal((2048, 10)),
        "flat": np.array([1, -1], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["x", "deep"], ["a"], group=16, pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "mix"], ["b"]),
        helper.make_node("Reshape", ["b", "flat"], ["c"]),
        helper.make_node("MatMul", ["c", "out"], ["y"]),
    ]
    tensors = [
        numpy_helper.from_array(value if value.dtype == np.int64 else value.astype(np.float32), name)
        for name, value in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        "known",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString(), {"x": random.standard_normal((1, 16, 8, 8)).astype(np.float32)}


def test_arithmetic_of_layers_is_counted():
    layers = profile_layers(*a_graph(), runs=2, optimized=False)
    macs = {layer.operator if layer.operator != "Conv" else kind_of(layer): layer.macs for layer in layers}
    assert macs["depthwise Conv"] == 16 * 64 * 9
    assert macs["1x1 Conv"] == 32 * 16 * 64
    assert macs["MatMul"] == 2048 * 10
    assert macs["Reshape"] == 0


def test_packed_weights_count_as_moved():
    product = next(item for item in profile_layers(*a_graph(), runs=1) if item.operator == "MatMul")
    assert product.bytes >= 4 * (2048 * 10 + 2048 + 10)


@pytest.mark.parametrize(
    ("operator", "inputs", "output", "macs"),
    [
        ("Gemm", [(4, 7), (5, 7)], (4, 5), 4 * 7 * 5),
        ("Gemm", [(7, 4), (7, 5)], (4, 5), 4 * 7 * 5),
        ("MatMul", [(2, 3, 6, 7), (2, 3, 7, 5)], (2, 3, 6, 5), 2 * 3 * 6 * 7 * 5),
        ("ConvTranspose", [(1, 8, 4, 4), (8, 3, 2, 2)], (1, 3, 8, 8), 8 * 16 * 3 * 4),
        ("Add", [(4, 4), (4, 4)], (4, 4), 0),
    ],
)
def test_macs_of_operators(operator, inputs, output, macs):
    assert layer_macs(operator, inputs, [output]) == macs


def test_bound_is_arithmetic_or_memory_whichever_takes_longer():
    assert CEILINGS.bound_ms(50_000_000, 1000) == pytest.approx(1.0)
    assert CEILINGS.bound_ms(0, 2**20) == pytest.approx(2**20 / 50e6)
    assert CEILINGS.bound_ms(0, 2**24) == pytest.approx(2**24 / 10e6), "what fits no cache is slower"


def layer(name: str, least_ms: float, macs: int = 0) -> Layer:
    return Layer(name, "Conv", ((1, 2, 3, 3), (2, 2, 1, 1)), ((1, 2, 3, 3),), 100, macs, least_ms, least_ms)


def test_worst_layers_are_those_that_lose_most():
    found = Roofline(
        "g", (layer("good", 1.0, 50_000_000), layer("bad", 0.5), layer("worse", 0.8)), CEILINGS, 50_000_000
    )
    assert [item.name for item in found.worst(2)] == ["worse", "bad"]
    assert found.share == pytest.approx(1.0 / 2.3, rel=1e-3)
    assert "43% of what its operators can reach" in show(found, every_layer=True)


def test_a_measured_graph_names_three_layers():
    found = measure("known", *a_graph(), CEILINGS, runs=5)
    assert 0 < found.milliseconds < 50
    assert found.useful_macs == 16 * 64 * 9 + 32 * 16 * 64 + 20480
    assert show(found, every_layer=False).count("| worst ") == 3


@pytest.mark.parametrize(
    ("build", "inputs", "output", "parameters", "gmac"),
    [
        (df_gan.DfGanGenerator, [(1, 100), (1, 256)], (1, 3, 128, 128), (6.5e6, 8.5e6), (1.75, 1.95)),
        (style_gan2.StyleGan2Generator, [(1, 512)], (1, 3, 128, 128), (9e6, 12e6), (13.0, 14.5)),
        (lambda: whisper_tiny.WhisperTinyEncoder(300), [(1, 80, 300)], (1, 150, 384), (7e6, 9e6), (1.0, 1.3)),
        (bc_resnet.BcResNet8, [(1, 40, 101)], (1, 12), (0.30e6, 0.34e6), (0.06, 0.11)),
    ],
)
def test_peers_have_the_size_of_their_papers(build, inputs, output, parameters, gmac):
    network = build().eval()
    tensors = [torch.randn(*shape) for shape in inputs]
    with torch.inference_mode():
        assert network(*tensors).shape == output
    cost = measure_cost(network, *tensors)
    assert parameters[0] < cost.parameters < parameters[1]
    macs = cost.macs
    if build is style_gan2.StyleGan2Generator:  # functional convolutions are not counted by hooks
        macs = sum(9 * c_in * c_out * side**2 for c_in, c_out, side in convolutions_of(network))
    assert gmac[0] < macs / 1e9 < gmac[1]


def convolutions_of(network: style_gan2.StyleGan2Generator) -> list[tuple[int, int, int]]:
    sides = [4, *(side for level in range(3, 8) for side in (2**level, 2**level))]
    weights = [convolution.weight for convolution in network.convolutions]
    return [(w.shape[1], w.shape[0], side) for w, side in zip(weights, sides, strict=True)]


def test_table_of_peers_shows_ratios_to_what_ships():
    rows = [
        Row("edge-s2i generator, as shipped", "generator", 100, 1_000_000, 1_000_000, 2.0),
        Row("edge-s2i generator, rewritten", "generator", 100, 1_000_000, 4_000_000, 1.0),
        Row("DF-GAN-like, 128 px", "generator", 300, 20_000_000, 8_000_000, 40.0),
    ]
    text = table(rows, whole_path=4.0)
    assert "| DF-GAN-like, 128 px | 300 | 20.0 | 8.00 | 40.00 | 3.00 | 20.00 | 8.00 | 20.00 |" in text
    assert "10.0 times as fast" in text
    assert "arXiv 2005.06968" in published_table()


WORKS = [estimates.Work({"convolution": 200_000_000, "depthwise": 3_000_000, "fully connected": 1_000_000}, 4_000_000)]


def test_estimates_follow_from_throughput():
    slow, fast = (next(d for d in estimates.DEVICES if d.name == name) for name in ("Raspberry Pi 4", "Raspberry Pi 5"))
    value = estimates.estimate_ms(slow, "fp32", WORKS)
    assert value == pytest.approx((200 + 9 + 6) / 6.5 + 1.0, rel=0.01)
    assert estimates.estimate_ms(fast, "fp32", WORKS) < value / 3
    assert estimates.estimate_ms(slow, "int8", WORKS) < value / 2


def test_every_estimate_is_called_one_and_has_a_range():
    text = estimates.table(WORKS, {})
    rows = [line for line in text.splitlines() if line.startswith(("| Rasp", "| Jetson", "| phone"))]
    assert len(rows) >= 9
    assert all("estimate" in row and " to " in row and "none yet" in row for row in rows)
    assert all(device.uncertainty >= 2 for device in estimates.DEVICES)


def test_classes_of_operators():
    layers = profile_layers(*a_graph(), runs=1, optimized=False)
    assert {estimates.class_of(item) for item in layers if item.macs} == set(estimates.CLASSES)
    assert estimates.work_of(*a_graph()).weight_bytes == 4 * 20480


def test_velas_summary_is_read():
    text = "experiment,network,inference_time,cycles_npu,cycles_total\ndefault,graph,0.0125,10,6250000\n"
    found = vela.read_summary(text, "ethos-u55-128", "NPU ops = 12 (92.3%)\n")
    assert (found.cycles, found.milliseconds) == (6_250_000, 12.5)
    with pytest.raises(AbsentError):
        vela.read_summary("a,b\n1,2\n", "ethos-u55-128")


def test_graphs_for_vela_are_absent_or_named(tmp_path):
    def none() -> tuple[str, bytes]:
        raise AbsentError("the bundle has no int8 .tflite encoder")

    assert "| encoder | absent: the bundle has no int8" in estimates.vela_table({"encoder": none})
    with pytest.raises(BenchmarkError, match="cannot be read"):
        estimates.vela_table({"gone": estimates.tflite_file(tmp_path / "gone.tflite")})


def test_what_is_not_installed_is_absent():
    with pytest.raises(AbsentError, match="no_such_package"):
        graphs.require("no_such_package")
