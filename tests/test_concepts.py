"""How near what was heard is to what is known."""

import numpy as np
import pytest

from edge_s2i.runtime.concepts import ConceptIndex


@pytest.fixture
def index() -> ConceptIndex:
    rows = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32)
    return ConceptIndex(tuple(f"c{n}" for n in range(40)), rows / np.linalg.norm(rows, axis=1, keepdims=True), 0.1)


def test_confidence_is_the_greatest_probability(index):
    for seed in range(5):
        embedding = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
        embedding /= np.linalg.norm(embedding)
        probabilities = index.probabilities(embedding)
        assert probabilities.sum() == pytest.approx(1.0)
        assert index.confidence(embedding) == pytest.approx(probabilities.max(), rel=1e-12)
        assert index.nearest(embedding, 1)[0][2] == pytest.approx(probabilities.max())


def test_no_concepts_give_no_confidence():
    empty = ConceptIndex((), np.zeros((0, 16), np.float32), 0.1)
    assert empty.confidence(np.ones(16, np.float32)) == 0.0
    assert empty.probabilities(np.ones(16, np.float32)).shape == (0,)
    assert empty.nearest(np.ones(16, np.float32), 3) == []
