"""Retrieval metrics against brute force and against cases whose answer is known."""

import math

import numpy as np
import pytest

from edge_s2i.evaluation.retrieval import (
    average_precision,
    chance_average_precision,
    chance_recall,
    relevant_ranks,
    retrieve,
)


def brute_force(similarities: np.ndarray, relevant: np.ndarray) -> tuple[int, float]:
    """Rank of the first relevant item and AP, from a plain sorted list in which irrelevant items win ties."""
    order = sorted(range(len(similarities)), key=lambda i: (-similarities[i], relevant[i]))
    hits, precisions, first = 0, [], 0
    for rank, item in enumerate(order, start=1):
        if relevant[item]:
            hits += 1
            first = first or rank
            precisions.append(hits / rank)
    return first, sum(precisions) / len(precisions)


@pytest.mark.parametrize("levels", [3, 1000])  # few levels: many ties
def test_agrees_with_brute_force(levels):
    generator = np.random.default_rng(levels)
    for _ in range(200):
        size = generator.integers(2, 30)
        similarities = generator.integers(0, levels, size).astype(np.float32)
        relevant = generator.random(size) < 0.3
        relevant[generator.integers(size)] = True
        ranks = relevant_ranks(similarities, relevant)
        first, precision = brute_force(similarities, relevant)
        assert ranks[0] == first
        assert average_precision(ranks) == pytest.approx(precision)


def test_perfect_embeddings_score_one():
    points = np.eye(8, dtype=np.float32)
    result = retrieve(points, np.arange(8), points, np.arange(8))
    assert result.recall_at(1).mean() == 1.0
    assert result.average_precisions.mean() == 1.0


def test_collapsed_embeddings_score_zero_and_not_one():
    points = np.ones((20, 4), np.float32)
    result = retrieve(points, np.arange(20), points, np.arange(20))
    assert result.recall_at(10).mean() == 0.0
    assert (result.ranks == 20).all()


def test_random_embeddings_score_chance():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(50), 4)
    gallery = generator.standard_normal((200, 16)).astype(np.float32)
    queries = generator.standard_normal((3000, 16)).astype(np.float32)
    result = retrieve(queries, generator.integers(0, 50, 3000), gallery, labels)
    for k in (1, 5, 10):
        assert result.recall_at(k).mean() == pytest.approx(result.chance_recall_at(k), abs=0.025)
    assert result.average_precisions.mean() == pytest.approx(result.chance_average_precision(), abs=0.01)


def test_recall_is_not_divided_by_the_number_of_relevant_items():
    gallery = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], np.float32)
    result = retrieve(np.array([[1.0, 0.0]], np.float32), np.array(["a"]), gallery, np.array(["a", "a", "a"]))
    assert result.recall_at(1).tolist() == [1.0]


def test_queries_without_an_answer_are_left_out():
    points = np.eye(3, dtype=np.float32)
    result = retrieve(points, np.array(["a", "x", "c"]), points, np.array(["a", "b", "c"]))
    assert result.queries.tolist() == [0, 2]
    assert result.ranks.tolist() == [1, 1]


def test_no_queries_at_all():
    result = retrieve(np.zeros((0, 3)), np.array([], str), np.eye(3), np.array(["a", "b", "c"]))
    assert result.recall_at(1).shape == (0,)
    assert result.chance_recall_at(1) == 0.0


def test_more_queries_than_one_block():
    generator = np.random.default_rng(1)
    gallery = generator.standard_normal((30, 8)).astype(np.float32)
    labels = generator.integers(0, 30, 1100)
    result = retrieve(gallery[labels], labels, gallery / np.linalg.norm(gallery, axis=1, keepdims=True), np.arange(30))
    assert result.ranks.shape == (1100,)
    assert (result.ranks == 1).all()


@pytest.mark.parametrize(("gallery", "relevant", "k"), [(10, 1, 1), (10, 3, 5), (7, 7, 1), (5, 2, 10)])
def test_chance_recall_by_counting(gallery, relevant, k):
    missed = math.comb(gallery - relevant, min(k, gallery)) / math.comb(gallery, min(k, gallery))
    assert chance_recall(gallery, relevant, k) == pytest.approx(1 - missed)


@pytest.mark.parametrize(("gallery", "relevant"), [(1, 1), (2, 1), (6, 2), (6, 6)])
def test_chance_average_precision_by_sampling(gallery, relevant):
    generator = np.random.default_rng(2)
    draws = [average_precision(np.sort(generator.choice(gallery, relevant, replace=False) + 1)) for _ in range(4000)]
    assert chance_average_precision(gallery, relevant) == pytest.approx(np.mean(draws), abs=0.01)
