"""Towers that bring pictures and captions into the space that speech is embedded in; training only."""

import torch
from torch import nn
from torch.nn import functional as F


class ProjectionTower(nn.Module):
    """Trained projection of frozen features, (B, features) -> (B, embedding_dim), unit length.

    For pictures the features are EfficientNet-lite0's pooled 1280, for captions a sentence encoder's.
    """

    def __init__(self, features: int = 1280, hidden: int = 512, embedding_dim: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(features),
            nn.Dropout(dropout),
            nn.Linear(features, hidden),
            nn.GELU(),
            nn.Linear(hidden, embedding_dim),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.net(features).float(), dim=1)


class PictureTower(ProjectionTower):
    """Picture features (B, 1280) of frozen EfficientNet-lite0 -> embedding (B, embedding_dim), unit length."""


class CaptionTower(ProjectionTower):
    """Caption features (B, 384) of frozen MiniLM -> embedding (B, embedding_dim), unit length."""

    def __init__(self, features: int = 384, hidden: int = 384, embedding_dim: int = 256, dropout: float = 0.1) -> None:
        super().__init__(features, hidden, embedding_dim, dropout)
