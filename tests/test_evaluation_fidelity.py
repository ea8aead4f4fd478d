"""Distances between sets of pictures, variety and ambiguity, against numbers worked out another way."""

import numpy as np
import pytest

from edge_s2i.evaluation.ambiguity import AmbiguousWord, between_meanings, find_ambiguous, score_word, score_words
from edge_s2i.evaluation.bootstrap import bootstrap_ratio
from edge_s2i.evaluation.fidelity import frechet_distance, frechet_floor, frechet_over_subsets
from edge_s2i.evaluation.manifold import manifold_floor, manifold_over_subsets, manifold_scores
from edge_s2i.evaluation.variety import mean_pairwise_distance, score_variety


def normal(rows, width, seed, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal((rows, width))


@pytest.mark.parametrize("rows", [9, 400])
def test_frechet_distance_equals_the_textbooks_matrix_root(rows):
    linalg = pytest.importorskip("scipy.linalg")
    mixing = normal(12, 12, 5)
    x, y = normal(rows, 12, 1) @ mixing, 1.5 * normal(rows + 3, 12, 2) + 0.3
    first, second = np.cov(x.T), np.cov(y.T)
    root = linalg.sqrtm(first @ second).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_of_known_gaussians():
    x = np.array([[-1.0, 0.0], [1.0, 0.0]])  # variance 2 along the first axis
    y = 2 * x + [0.0, 3.0]  # variance 8 there, and 3 away
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(x, y) == pytest.approx(9 + (np.sqrt(8) - np.sqrt(2)) ** 2)


def test_frechet_floor_is_of_the_same_size_and_below_a_shifted_set():
    real, other = normal(300, 8, 1), normal(300, 8, 2) + 1.0
    floor, far = frechet_floor(real, subset_size=100), frechet_over_subsets(other, real, subset_size=100)
    assert floor.subset_size == far.subset_size == 100
    assert far.low > 5 * floor.high
    assert frechet_over_subsets(real[:3], real) is None


def by_loops(generated, real, k):
    def reach(points):
        return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]  # the nearest is the point itself

    inside_real = [[np.linalg.norm(g - r) <= w for r, w in zip(real, reach(real), strict=True)] for g in generated]
    inside_generated = [
        [np.linalg.norm(r - g) <= w for g, w in zip(generated, reach(generated), strict=True)] for r in real
    ]
    held = np.array(inside_real)
    return held.any(1).mean(), np.array(inside_generated).any(1).mean(), held.sum(1).mean() / k, held.any(0).mean()


def test_manifold_scores_by_plain_loops():
    generated, real = 0.7 * normal(30, 3, 1) + 0.5, normal(40, 3, 2)
    assert manifold_scores(generated, real, k=4) == pytest.approx(by_loops(generated, real, 4))


def test_collapse_keeps_precision_and_loses_recall_and_coverage():
    real = normal(400, 8, 1)
    collapsed = real[:1] + 0.01 * normal(400, 8, 2)
    found, floor = manifold_over_subsets(collapsed, real), manifold_floor(real)
    assert found["precision"].value > 0.6  # one ball is hit or missed with the subset
    assert found["recall"].high < 0.05
    assert found["coverage"].high < 0.2
    for measure in ("precision", "recall", "coverage"):
        assert floor[measure].value > 0.8
    assert floor["density"].value == pytest.approx(1.0, abs=0.15)
    assert manifold_over_subsets(real[:8], real) is None


def test_bootstrap_ratio_is_of_sums():
    found = bootstrap_ratio(np.array([1.0, 0.0, 3.0]), np.array([2.0, 1.0, 5.0]))
    assert found.mean == 0.5
    assert 0.0 <= found.low < 0.5 < found.high <= 0.6
    assert bootstrap_ratio(np.zeros(0), np.zeros(0)) is None
    assert bootstrap_ratio(np.ones(2), np.zeros(2)) is None


def test_variety_is_a_share_of_the_corpus():
    square = np.array([[0.0, 0.0], [0.0, 2.0]])
    assert mean_pairwise_distance(square) == pytest.approx(2.0)
    assert mean_pairwise_distance(square[:1]) is None
    real = {"cat": 2 * square, "dog": 2 * square + 9, "ant": square[:1]}
    drawn = {"cat": square, "dog": np.array([[9.0, 9.0], [9.0, 9.0]]), "ant": square}
    found = score_variety(drawn, real)
    assert found["concepts"] == 2  # the corpus has one picture of an ant
    assert found["share_of_corpus"]["value"] == pytest.approx((2 + 0) / (4 + 4))
    # (0, 2) is as near to both of the cat's, and the first wins; the dog has one drawing twice.
    assert found["pictures_reached"]["value"] == pytest.approx((1 + 1) / 4)
    assert score_variety({"cat": square}, {})["share_of_corpus"] is None


ROWS = [
    {"concept": "fly", "caption": "fly", "captions": {"en": ["A fly."], "de": ["eine Fliege"]}},
    {"concept": "bow-tie", "caption": "bow tie", "captions": {"en": ["bow tie"], "de": ["Eine Fliege."]}},
    {"concept": "airplane", "caption": "airplane", "captions": {"ca": ["un avió"]}},
    {"concept": "mustang-airplane", "caption": "Mustang airplane", "captions": {"ca": ["un avió"]}},
    {"concept": "unknown", "caption": "unknown", "captions": {"de": ["eine Fliege"]}},
]


def test_words_of_two_meanings_are_found_and_kinds_of_one_thing_are_not():
    words = find_ambiguous(ROWS, ["fly", "bow-tie", "airplane", "mustang-airplane"])
    assert words == [AmbiguousWord("de", "eine fliege", ("bow-tie", "fly"))]


def test_between_meanings_is_as_near_to_each():
    prototypes = normal(3, 16, 1)
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    middle = between_meanings(prototypes)
    assert np.linalg.norm(middle) == pytest.approx(1.0, abs=1e-6)
    assert np.ptp(prototypes @ middle) < 1e-5


def test_a_word_gives_both_meanings_only_where_both_were_drawn():
    word = AmbiguousWord("de", "fliege", ("bow-tie", "fly"))
    both = score_word(word, np.array(["fly", "bow-tie", "fly", "cat"]))
    one = score_word(word, np.array(["fly"] * 4))
    assert both["meanings"] == {"bow-tie": 0.25, "fly": 0.5}
    assert (both["given"], both["other"]) == (2, 0.25)
    assert one["given"] == 1
    found = score_words([both, one])
    assert found["give_several"]["value"] == 0.5
    assert found["rarer_meaning"] == pytest.approx(0.125)
    assert score_words([])["give_several"] is None
