"""What a network costs on a device: parameters, multiply-accumulates, and the kinds of operator it needs."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class Cost:
    """parameters: stored numbers, trained or given. macs: multiply-accumulates of one forward pass, batch 1.
    operators: layer kind -> MACs. layers: (name, kind, MACs) in the order they ran."""

    parameters: int = 0
    macs: int = 0
    operators: dict[str, int] = field(default_factory=dict)
    layers: list[tuple[str, str, int]] = field(default_factory=list)


def _layer_macs(layer: nn.Module, output: Tensor) -> tuple[str, int]:
    """Kind and MACs of one layer's call, from its output (batch included)."""
    if isinstance(layer, (nn.Conv1d, nn.Conv2d)):
        kernel = 1
        for side in layer.kernel_size:
            kernel *= side
        kind = "DepthwiseConv" if layer.groups == layer.in_channels and layer.groups > 1 else "Conv"
        return kind, output.numel() * kernel * (layer.in_channels // layer.groups)
    assert isinstance(layer, nn.Linear)
    return "FullyConnected", output.numel() * layer.in_features


@torch.no_grad()
def measure_cost(module: nn.Module, *inputs: Tensor) -> Cost:
    """Cost of module(*inputs); inputs must have batch size 1.

    Counts convolutions and linear layers, which hold all but a percent of the arithmetic; pointwise operators are not
    counted. A layer called twice counts twice.
    """
    cost = Cost(parameters=sum(p.numel() for p in module.parameters()))
    handles = []

    def counter(name: str):
        def hook(layer: nn.Module, _inputs, output: Tensor) -> None:
            kind, macs = _layer_macs(layer, output)
            cost.layers.append((name, kind, macs))
            cost.operators[kind] = cost.operators.get(kind, 0) + macs
            cost.macs += macs

        return hook

    for name, layer in module.named_modules():
        if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            handles.append(layer.register_forward_hook(counter(name)))
    was_training = module.training
    try:
        module.eval()
        module(*inputs)
    finally:
        module.train(was_training)
        for handle in handles:
            handle.remove()
    return cost
