"""Weights rearranged for integers: the same function, channels more alike, kernels that keep their sums."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional as F

from edge_s2i.models.generator import Generator, GeneratorConfig
from export.calibration import measure_ranges
from export.device_modules import Synthesis
from export.equalization import equalized, keep_sums
from export.onnx_graphs import fixed_graph
from export.onnx_quantization import activations_up_to, quantize_static, tensors_to_measure
from export.parity import Session, psnr


@pytest.fixture(scope="module")
def synthesis() -> Synthesis:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(
        image_size=32, styles=("a", "b"), embedding_dim=16, latent_dim=8, start_channels=16, concepts=20, w_dim=32,
        channels=(32, 32, 24),
    )).eval().requires_grad_(False)  # fmt: skip
    nn.init.normal_(generator.to_rgb.weight, std=0.02)
    for level in generator.levels.values():  # channels of very different loudness, as training leaves them
        loud = torch.logspace(-1.5, 0.0, level.filter.weight.shape[0])[:, None, None, None]
        level.filter.weight.mul_(loud)
        level.residual_mix.weight.mul_(loud)
    return Synthesis(generator).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def w() -> torch.Tensor:
    return torch.randn(24, 32, generator=torch.Generator().manual_seed(1))


def test_an_equalized_synthesis_draws_the_same_and_bears_integers_better(synthesis, w):
    alike = equalized(synthesis, w)
    right = synthesis(w).numpy()
    assert np.abs(alike(w).numpy() - right).max() < 1e-4
    assert _drawn_in_integers(alike, w, right) > _drawn_in_integers(synthesis, w, right) + 1.0


def test_16_bit_activations_where_there_are_few_pixels(synthesis, w):
    right = synthesis(w).numpy()
    assert _drawn_in_integers(synthesis, w, right, up_to=8) > _drawn_in_integers(synthesis, w, right) + 1.0


def _drawn_in_integers(module: Synthesis, w: torch.Tensor, right: np.ndarray, up_to: int = 0) -> float:
    graph = fixed_graph(module, [w[:1]], ("w",), ("picture",))
    feeds = [{"w": row[None].numpy()} for row in w]
    ranges = measure_ranges(graph, feeds, tensors_to_measure(graph, integer=True))
    wide = activations_up_to(graph, up_to)
    small = quantize_static(graph, ranges, integer=True, wide=wide)
    kinds = {numpy_helper.to_array(tensor).dtype for tensor in small.graph.initializer}
    assert (np.dtype(np.uint16) in kinds) == bool(wide)
    return float(psnr(Session(small).outputs(feeds), right).mean())


def test_a_kernel_that_tells_differences_is_blind_to_what_is_everywhere():
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 24, 3, bias=False)
    with torch.no_grad():
        layer.weight.sub_(layer.weight.mean((1, 2, 3), keepdim=True))
    kept = keep_sums(nn.Sequential(layer))[0].weight.detach()
    step = layer.weight.detach().abs().amax((1, 2, 3), keepdim=True) / 127.0
    codes = kept / step
    assert torch.allclose(codes, codes.round(), atol=1e-3)
    assert torch.allclose(kept.abs().amax((1, 2, 3)), layer.weight.detach().abs().amax((1, 2, 3)))
    assert ((kept - layer.weight.detach()).abs() <= 1.5 * step).all()
    plain = torch.round(layer.weight.detach() / step) * step
    assert kept.sum((1, 2, 3)).abs().max() < 0.1 * plain.sum((1, 2, 3)).abs().max()


def test_kernels_of_many_channels_stay_as_they_are():
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 8, 3)
    assert torch.equal(keep_sums(layer).weight, layer.weight)


def test_one_range_stands_around_a_leaky_relu():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(torch.clamp(F.leaky_relu(self.first(x), 0.2), min=-0.4))

    torch.manual_seed(0)
    graph = fixed_graph(Net().eval(), [torch.zeros(1, 3, 12, 12)], ("x",), ("y",))
    feeds = [{"x": 4.0 * np.random.default_rng(0).standard_normal((1, 3, 12, 12)).astype(np.float32)}]
    ranges = measure_ranges(graph, feeds, tensors_to_measure(graph, integer=True))
    leaky = next(node for node in graph.graph.node if node.op_type == "LeakyRelu")
    clip = next(node for node in graph.graph.node if leaky.output[0] in node.input)
    assert isinstance(clip, onnx.NodeProto)
    assert ranges[leaky.input[0]][0] == pytest.approx(-2.0)  # 0.2 of it is where the clip begins
    assert ranges[leaky.input[0]] == ranges[leaky.output[0]] == ranges[clip.output[0]]
