"""InfoNCE with several positives: speech, pictures and captions of one concept are pulled together.

Supervised contrastive form (arXiv 2004.11362, eq. 2) on two sets of embeddings, over the InfoNCE of arXiv 1807.03748.
"""

import torch
from torch import nn
from torch.nn import functional as F


def info_nce(
    queries: torch.Tensor,
    candidates: torch.Tensor,
    positives: torch.Tensor,
    scale: torch.Tensor | float,
) -> torch.Tensor:
    """Mean over queries of the mean over positives of -log softmax(scale * cosine).

    queries (B, D) and candidates (C, D) unit length; positives (B, C) bool. A query without a positive does not
    count; with none at all the loss is 0. scale is 1 / temperature.
    """
    return cross_entropy_of_positives(scale * queries.float() @ candidates.float().T, positives)


def cross_entropy_of_positives(logits: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """The same of logits (B, C) that are at hand, for one that changes them first."""
    log_probability = F.log_softmax(logits, dim=1)
    count = positives.sum(1)
    per_query = -(log_probability * positives).sum(1) / count.clamp(min=1)
    has_positive = count > 0
    return (per_query * has_positive).sum() / has_positive.sum().clamp(min=1)


def uniform_cross_entropy(queries: torch.Tensor, candidates: torch.Tensor, scale: torch.Tensor | float) -> torch.Tensor:
    """Cross-entropy from the uniform distribution over candidates, for sounds that are no known concept.

    Outlier exposure (arXiv 1812.04606, eq. 2 for classification); queries (B, D), candidates (C, D), unit length.
    """
    logits = scale * queries.float() @ candidates.float().T
    return (torch.logsumexp(logits, dim=1) - logits.mean(dim=1)).mean()


class LearnedScale(nn.Module):
    """exp of a learned logarithm, the inverse temperature of InfoNCE, kept at or below `maximum` (arXiv 2103.00020)."""

    def __init__(self, initial: float = 14.0, maximum: float = 80.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(initial).log())
        self.maximum = maximum

    def forward(self) -> torch.Tensor:
        """Scalar tensor: the scale."""
        return self.log_scale.exp().clamp(max=self.maximum)
