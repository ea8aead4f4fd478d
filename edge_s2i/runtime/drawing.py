"""What comes back for one utterance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from edge_s2i.runtime.concepts import ConceptIndex


@dataclass(frozen=True)
class Neighbour:
    """A known concept near an utterance, for debugging."""

    concept: str
    caption: str  # in English
    cosine: float
    probability: float


@dataclass(frozen=True)
class Drawing:
    """The pictures of one utterance, or why there are none."""

    understood: bool
    confidence: float  # in [0, 1]
    reason: str  # why it was not understood; empty if it was
    arrays: np.ndarray  # (n, H, W, 3) uint8; n is 0 if not understood, unless drawing anyway was asked for
    embedding: np.ndarray | None  # (D,) float32 of unit length; None for silence and steady noise
    seed: int
    style: Mapping[str, float]  # weight of each style used
    timings: Mapping[str, float]  # ms by stage: read, log_mel, encoder, confidence, generator, total
    captions: Mapping[str, str] = field(repr=False)
    concepts: ConceptIndex = field(repr=False)

    @property
    def pictures(self) -> list[Image.Image]:
        """The pictures as PIL images, RGB."""
        return [Image.fromarray(array) for array in self.arrays]

    def nearest(self, k: int = 5) -> list[Neighbour]:
        """The k known concepts nearest to what was heard, nearest first; nothing if nothing was heard."""
        if self.embedding is None:
            return []
        return [
            Neighbour(name, self.captions.get(name, name), cosine, probability)
            for name, cosine, probability in self.concepts.nearest(self.embedding, k)
        ]
