"""A picture tower for an encoder that is there already: fitted to its prototypes, on pictures' frozen features."""

import math

import torch
from torch.nn import functional as F

from edge_s2i.models.picture_tower import PictureTower

_STEPS = 300
_BATCH = 256
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 0.02
_WARMUP_STEPS = 40


def fit_tower(
    features: torch.Tensor, concept: torch.Tensor, prototypes: torch.Tensor, scale: float, seed: int = 0
) -> PictureTower:
    """A tower in evaluation mode that puts a picture where its concept's prototype is.

    By InfoNCE of pictures (N, features) of `concept` (N,) with all `prototypes` (concepts, D), unit length, at `scale`,
    the inverse temperature. Training has pictures and speech find each other; where speech has found its place, this is
    the pictures' half of it. Depends on its arguments alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tower = PictureTower(features.shape[1], embedding_dim=prototypes.shape[1]).train()
        optimizer = torch.optim.AdamW(tower.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        for step in range(_STEPS):
            rate = min(1.0, (step + 1) / _WARMUP_STEPS) * 0.5 * (1.0 + math.cos(math.pi * step / _STEPS))
            optimizer.param_groups[0]["lr"] = _LEARNING_RATE * rate
            rows = torch.randint(len(features), (min(_BATCH, len(features)),))
            logits = scale * tower(features[rows].float()) @ prototypes.T
            optimizer.zero_grad()
            F.cross_entropy(logits, concept[rows]).backward()
            optimizer.step()
    return tower.eval().requires_grad_(False)
