"""The moving average of weights."""

import pytest
import torch
from torch import nn

from edge_s2i.errors import TrainingError
from edge_s2i.models.ema import ExponentialMovingAverage


def test_average_follows_the_recurrence() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    ema = ExponentialMovingAverage(layer, decay=0.5)
    expected = 0.0
    for step, value in enumerate([1.0, 4.0, -2.0, 8.0, 8.0, 8.0, 8.0, 8.0, 3.0, 5.0]):
        layer.weight.data.fill_(value)
        ema.update(layer)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert ema.average.weight.item() == pytest.approx(expected, rel=1e-5)


def test_count_and_buffers_travel() -> None:
    norm = nn.BatchNorm1d(2)
    ema = ExponentialMovingAverage(norm, decay=0.9)
    norm.running_mean.fill_(3.0)  # the first update's decay is 0.1
    ema.update(norm)
    again = ExponentialMovingAverage(nn.BatchNorm1d(2), decay=0.9)
    again.load_state_dict(ema.state_dict())
    assert int(again.updates) == 1
    torch.testing.assert_close(again.average.running_mean, torch.full((2,), 2.7))
    assert not again.train().average.training
    assert not any(p.requires_grad for p in again.parameters())


def test_restart_forgets() -> None:
    layer = nn.Linear(2, 2)
    ema = ExponentialMovingAverage(layer)
    ema.update(layer)
    layer.weight.data.add_(1.0)
    ema.restart(layer)
    assert torch.equal(ema.average.weight, layer.weight)
    assert int(ema.updates) == 0


def test_decay_of_one_is_refused() -> None:
    with pytest.raises(TrainingError, match="below 1"):
        ExponentialMovingAverage(nn.Linear(1, 1), decay=1.0)
