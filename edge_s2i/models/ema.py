"""Exponential moving average of a module's weights: what is evaluated and shipped.

Yazici et al. 2019, "The Unusual Effectiveness of Averaging in GAN Training".
"""

import copy

import torch
from torch import nn

from edge_s2i.errors import TrainingError


class ExponentialMovingAverage(nn.Module):
    """Keeps `average`, a copy of a module whose weights follow the original's.

    The decay rises as (1 + n) / (10 + n) up to `decay` over the first updates, so that early weights are forgotten.
    Floating-point buffers are averaged too, others copied. The update count travels in the state, so a resumed run
    continues it.
    """

    updates: torch.Tensor

    def __init__(self, module: nn.Module, decay: float = 0.999) -> None:
        super().__init__()
        if not 0.0 <= decay < 1.0:
            raise TrainingError(f"EMA decay is {decay}; it must be at least 0 and below 1")
        self.decay = decay
        self.average = copy.deepcopy(module).eval().requires_grad_(False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    def decay_at(self, updates: int) -> float:
        """Decay of the update that follows `updates` earlier ones."""
        return min(self.decay, (1 + updates) / (10 + updates))

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Moves the average toward the module's present weights."""
        decay = self.decay_at(int(self.updates))
        averages = [p.detach() for p in self.average.parameters()]
        values = [p.detach() for p in module.parameters()]
        torch._foreach_lerp_(averages, values, 1.0 - decay)
        for kept, new in zip(self.average.buffers(), module.buffers(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1.0 - decay)  # batch-norm statistics belong to the weights they were taken with
            else:
                kept.copy_(new)
        self.updates += 1

    @torch.no_grad()
    def restart(self, module: nn.Module) -> None:
        """Makes the average equal to the module and forgets the past."""
        self.average.load_state_dict(module.state_dict())
        self.updates.zero_()

    def train(self, mode: bool = True) -> "ExponentialMovingAverage":
        """The average always stays in evaluation mode."""
        super().train(mode)
        self.average.eval()
        return self
