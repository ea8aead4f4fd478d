"""The concepts that a bundle knows, as points on a sphere: for confidence and explaining, not for drawing."""

from __future__ import annotations

import numpy as np


class ConceptIndex:
    """Unit-length prototypes of the known concepts."""

    def __init__(self, names: tuple[str, ...], prototypes: np.ndarray, temperature: float) -> None:
        """prototypes: (len(names), D) float32; temperature: divides cosines before the softmax."""
        self._names = names
        self._prototypes = prototypes
        self._temperature = temperature

    def probabilities(self, embedding: np.ndarray) -> np.ndarray:
        """softmax(cosine / temperature) of a unit-length (D,) embedding, (len(names),) float64."""
        logits = (self._prototypes @ embedding).astype(np.float64) / self._temperature
        powers = np.exp(logits - logits.max(initial=-np.inf))
        return powers / powers.sum() if len(powers) else powers

    def confidence(self, embedding: np.ndarray) -> float:
        """The greatest of `probabilities`; 0 for a bundle without concepts."""
        return float(self.probabilities(embedding).max(initial=0.0))

    def nearest(self, embedding: np.ndarray, k: int) -> list[tuple[str, float, float]]:
        """The k nearest concepts as (name, cosine, probability), nearest first."""
        cosines = self._prototypes @ embedding
        probabilities = self.probabilities(embedding)
        order = sorted(range(len(cosines)), key=lambda index: (-float(cosines[index]), self._names[index]))[:k]
        return [(self._names[index], float(cosines[index]), float(probabilities[index])) for index in order]
