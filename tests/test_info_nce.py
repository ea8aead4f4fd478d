"""InfoNCE with several positives, against its definition written out."""

import math

import torch
from torch.nn import functional as F

from edge_s2i.losses.info_nce import LearnedScale, info_nce, uniform_cross_entropy


def test_info_nce_is_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = F.normalize(torch.randn(4, 8, generator=generator), dim=1)
    candidates = F.normalize(torch.randn(6, 8, generator=generator), dim=1)
    positives = torch.zeros(4, 6, dtype=torch.bool)
    positives[0, 1] = positives[0, 2] = positives[1, 0] = positives[3, 5] = True  # query 2 has none
    expected = []
    for row in (0, 1, 3):
        powers = [math.exp(5.0 * float(queries[row] @ candidate)) for candidate in candidates]
        chosen = [-math.log(powers[i] / sum(powers)) for i in range(6) if positives[row, i]]
        expected.append(sum(chosen) / len(chosen))
    assert abs(float(info_nce(queries, candidates, positives, 5.0)) - sum(expected) / 3) < 1e-5


def test_info_nce_without_positives_is_zero() -> None:
    queries = F.normalize(torch.randn(2, 4), dim=1)
    assert float(info_nce(queries, queries, torch.zeros(2, 2, dtype=torch.bool), 1.0)) == 0.0


def test_training_on_info_nce_brings_positives_together() -> None:
    torch.manual_seed(0)
    queries = torch.randn(5, 8, requires_grad=True)
    candidates = F.normalize(torch.randn(5, 8), dim=1)
    positives = torch.eye(5, dtype=torch.bool)
    optimizer = torch.optim.Adam([queries], lr=0.1)
    for _ in range(60):
        loss = info_nce(F.normalize(queries, dim=1), candidates, positives, 10.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (F.normalize(queries, dim=1) @ candidates.T).argmax(1).tolist() == [0, 1, 2, 3, 4]


def test_uniform_cross_entropy_is_least_for_equal_similarities() -> None:
    candidates = torch.eye(4)
    equal = torch.full((1, 4), 0.5)
    peaked = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    flat = float(uniform_cross_entropy(equal, candidates, 10.0))
    assert abs(flat - math.log(4)) < 1e-5
    assert float(uniform_cross_entropy(peaked, candidates, 10.0)) > flat


def test_learned_scale_stays_below_its_maximum() -> None:
    scale = LearnedScale(initial=14.0, maximum=40.0)
    assert abs(float(scale()) - 14.0) < 1e-4
    with torch.no_grad():
        scale.log_scale.fill_(10.0)
    assert float(scale()) == 40.0
