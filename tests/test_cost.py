"""What the networks cost: the counter itself, and the generator's budgets."""

import pytest
import torch
from torch import nn

from edge_s2i.models.cost import measure_cost
from edge_s2i.models.generator import Generator, GeneratorConfig

# What TFLite's and ONNX Runtime's delegates run, by torch's names; slice, unsqueeze and the like are only shapes.
DELEGATE_KINDS = {
    "conv2d", "linear", "softmax", "add", "add_", "mul", "addcmul", "leaky_relu", "leaky_relu_", "upsample_nearest2d",
    "pixel_shuffle", "clamp", "abs", "sub", "rsub", "sum", "floor", "max_pool2d", "reshape", "view", "unsqueeze",
    "slice", "select", "to",
}  # fmt: skip
BOOKKEEPING = {"_assert_tensor_metadata", "<built-in function getitem>", "wrap_with_autocast"}


def test_counter_agrees_with_arithmetic() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 4x4 outputs: 16 * 8 * 27
        nn.Conv2d(8, 8, 3, padding=1, groups=8),  # 16 * 8 * 9
        nn.Flatten(),
        nn.Linear(128, 10),  # 1280
    )
    cost = measure_cost(network, torch.zeros(1, 3, 8, 8))
    assert cost.macs == 16 * 8 * 27 + 16 * 8 * 9 + 1280
    assert cost.operators == {"Conv": 3456, "DepthwiseConv": 1152, "FullyConnected": 1280}
    assert cost.parameters == sum(p.numel() for p in network.parameters())
    assert [name for name, _, _ in cost.layers] == ["0", "1", "3"]


def test_counting_leaves_no_trace() -> None:
    layer = nn.Linear(2, 2).train()
    measure_cost(layer, torch.zeros(1, 2))
    assert layer.training
    assert not layer._forward_hooks


@pytest.mark.parametrize("extra", [{}, {"drawings": 4}, {"blend": True}], ids=["plain", "shipped", "blend"])
@pytest.mark.parametrize(("size", "most_macs"), [(64, 0.10e9), (128, 0.20e9), (256, 0.50e9)])
def test_generator_keeps_its_budget(size: int, most_macs: float, extra: dict) -> None:
    extra = extra | ({"code_dim": 32} if size == 256 else {})  # its sixth level is paid for there
    config = GeneratorConfig(image_size=size, styles=tuple("abcdefg"), concepts=1788, **extra)
    generator = Generator(config)
    style = torch.eye(7)[:1]
    given = torch.zeros(1, config.embedding_dim), torch.zeros(1, config.latent_dim), style
    cost = measure_cost(generator, *given)
    assert cost.parameters <= 2_500_000
    assert cost.macs <= most_macs
    assert set(cost.operators) == {"Conv", "DepthwiseConv", "FullyConnected"}
    assert sum(cost.operators.values()) == cost.macs


@pytest.mark.parametrize("size", [64, 128, 256])
def test_generators_graph_holds_delegates_operators_alone(size: int) -> None:
    """Every operator of the traced graph, pointwise ones too, at the sizes and depth that ship."""
    extra = {"drawings": 4, "blend": True}
    config = GeneratorConfig(image_size=size, styles=("a", "b"), concepts=1800, **extra)
    generator = Generator(config).eval()
    given = torch.zeros(1, config.embedding_dim), torch.zeros(1, config.latent_dim), torch.eye(2)[:1]
    exported = torch.export.export(generator, given).graph_module
    graphs = [part.graph for part in exported.modules() if isinstance(part, torch.fx.GraphModule)]
    nodes = [node for graph in graphs for node in graph.nodes if node.op == "call_function"]
    kinds = {str(node.target).removeprefix("aten.").partition(".")[0] for node in nodes}
    assert kinds - DELEGATE_KINDS - BOOKKEEPING == set()
    assert {"conv2d", "linear", "softmax", "pixel_shuffle"} <= kinds
    ranks = {value.ndim for node in nodes if isinstance(value := node.meta.get("val"), torch.Tensor)}
    assert max(ranks) <= 4
