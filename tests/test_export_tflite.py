"""TFLite graphs: what litert-torch and ai-edge-quantizer make of a network, and what is put right afterwards."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edge_s2i.runtime.backends import LiteRtBackend
from export.onnx_graphs import ExportError
from export.parity import psnr

pytest.importorskip("litert_torch", reason="litert-torch is not installed (export-tflite extra)")
pytest.importorskip("ai_edge_quantizer", reason="ai-edge-quantizer is not installed (export-tflite extra)")

from export import tflite_graphs


class Net(nn.Module):
    """What the large parts are made of, small."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 3, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.clamp(F.leaky_relu(self.first(x), 0.2), min=-0.4)
        return self.up(x).clamp(-1.0, 1.0)


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def graph(net) -> bytes:
    return tflite_graphs.tflite_graph(net, [torch.zeros(1, 3, 8, 8)], channels_last_outputs=[0])


def _feeds(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(count)]


def _run(graph: bytes, feed: np.ndarray) -> np.ndarray:
    return LiteRtBackend(graph, ("x",), 1).run({"x": feed})


def test_float_graph_is_torch_with_colours_last(net, graph):
    feed = _feeds(1)[0]
    right = net(torch.from_numpy(feed)).permute(0, 2, 3, 1).numpy()
    assert np.abs(_run(graph, feed) - right).max() < 1e-5


def test_layers_of_one_shape_keep_their_own_weights_where_these_lie_channels_last():
    torch.manual_seed(0)
    layers = nn.Sequential(*(nn.Conv2d(8, 8, (1, 3)) for _ in range(4))).to(memory_format=torch.channels_last).eval()
    graph = tflite_graphs.tflite_graph(layers, [torch.zeros(1, 8, 4, 16)])
    feed = np.random.default_rng(0).standard_normal((1, 8, 4, 16)).astype(np.float32)
    assert np.abs(_run(graph, feed) - layers(torch.from_numpy(feed)).detach().numpy()).max() < 1e-5
    assert not layers[0].weight.is_contiguous()  # what was given is left as it was


@pytest.mark.parametrize("reduce", [tflite_graphs.weights_to_int8, tflite_graphs.weights_to_fp16])
def test_smaller_weights_are_close(graph, reduce):
    feed = _feeds(1)[0]
    assert psnr(_run(reduce(graph), feed), _run(graph, feed))[0] > 30


def test_integers_all_the_way(graph):
    feeds = _feeds(16)
    small = tflite_graphs.to_int8(graph, [(feed,) for feed in feeds])
    names = tflite_graphs.operators(small)
    assert "LEAKY_RELU" in names
    assert not {"DEQUANTIZE", "RELU_N1_TO_1"} & set(names)  # nothing goes by way of float
    backend = LiteRtBackend(small, ("x",), 1)
    assert backend._details["args_0"]["dtype"] == np.int8
    assert psnr(_run(small, feeds[0]), _run(graph, feeds[0]))[0] > 25


def test_without_calibration_there_are_no_integers(graph):
    with pytest.raises(ExportError, match="there are none"):
        tflite_graphs.to_int8(graph, [])


def test_an_ethos_u_takes_all_of_it(graph):
    pytest.importorskip("ethosu.vela", reason="ethos-u-vela is not installed (npu extra)")
    from export.compilers import vela

    answer = vela(tflite_graphs.to_int8(graph, [(feed,) for feed in _feeds(4)]), "ethos-u55-128")
    assert answer.error is None
    assert answer.fallback == {}
    assert answer.accepted > 0
    assert answer.figures["NPU cycles"] != "0"
