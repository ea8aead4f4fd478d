"""What the networks cost: the counter itself, and the generator's budgets."""

import pytest
import torch
from torch import nn

from edge_s2i.models.cost import measure_cost
from edge_s2i.models.generator import Generator, GeneratorConfig


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


@pytest.mark.parametrize(("size", "most_macs"), [(64, 0.10e9), (128, 0.20e9), (256, 0.50e9)])
def test_generator_keeps_its_budget(size: int, most_macs: float) -> None:
    config = GeneratorConfig(image_size=size, styles=tuple("abcdefgh"), concepts=1800)
    generator = Generator(config)
    style = torch.eye(8)[:1]
    cost = measure_cost(generator, torch.zeros(1, config.embedding_dim), torch.zeros(1, config.latent_dim), style)
    assert cost.parameters <= 2_500_000
    assert cost.macs <= most_macs
    assert set(cost.operators) == {"Conv", "DepthwiseConv", "FullyConnected"}
