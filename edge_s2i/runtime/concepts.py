"""The concepts that a bundle knows, as points on a sphere: for confidence and explaining, not for drawing."""

from __future__ import annotations

import numpy as np


class ConceptIndex:
    """Unit-length prototypes of the known concepts."""

    def __init__(self, names: tuple[str, ...], prototypes: np.ndarray, temperature: float) -> None:
        """prototypes: (len(names), D) float32; temperature: divides cosines before the softmax."""
        self._names = names
        # A prototype a column: a product with one vector then reads on and on through memory, and takes two thirds of
        # the time when that comes from beyond the nearer caches.
        self._columns = np.ascontiguousarray(prototypes.T)
        self._temperature = temperature

    def probabilities(self, embedding: np.ndarray) -> np.ndarray:
        """softmax(cosine / temperature) of a unit-length (D,) embedding, (len(names),) float64."""
        powers = self._powers(embedding)
        return powers / powers.sum() if len(powers) else powers

    def confidence(self, embedding: np.ndarray) -> float:
        """The greatest of `probabilities`; 0 for a bundle without concepts."""
        powers = self._powers(embedding)
        return 1.0 / float(np.add.reduce(powers)) if len(powers) else 0.0

    def _powers(self, embedding: np.ndarray) -> np.ndarray:
        """`probabilities` but for a factor: the greatest is 1."""
        logits = np.divide(embedding @ self._columns, self._temperature, dtype=np.float64)
        logits -= np.maximum.reduce(logits, initial=-np.inf)
        return np.exp(logits, out=logits)

    def nearest(self, embedding: np.ndarray, k: int) -> list[tuple[str, float, float]]:
        """The k nearest concepts as (name, cosine, probability), nearest first."""
        cosines = embedding @ self._columns
        probabilities = self.probabilities(embedding)
        order = sorted(range(len(cosines)), key=lambda index: (-float(cosines[index]), self._names[index]))[:k]
        return [(self._names[index], float(cosines[index]), float(probabilities[index])) for index in order]
