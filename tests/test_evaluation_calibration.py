"""Temperature, threshold, reliability and AUROC against brute force and known cases."""

import numpy as np
import pytest

from edge_s2i.evaluation.calibration import (
    acceptance_threshold,
    auroc,
    calibrate,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    telling_threshold,
    top_probability,
)


def speech_like(count=600, concepts=40, dimensions=32, noise=0.8, seed=0):
    """Clips around prototypes: cosines (count, concepts) and the right indices, some of them confused."""
    generator = np.random.default_rng(seed)
    prototypes = generator.standard_normal((concepts, dimensions))
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    correct = generator.integers(0, concepts, count)
    clips = prototypes[correct] + noise * generator.standard_normal((count, dimensions)) / dimensions**0.5
    clips /= np.linalg.norm(clips, axis=1, keepdims=True)
    strangers = generator.standard_normal((200, dimensions))
    strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
    return clips @ prototypes.T, correct, strangers @ prototypes.T


def test_temperature_has_the_least_likelihood_of_a_grid():
    similarities, correct, _ = speech_like()
    temperature = fit_temperature(similarities, correct)
    best = min(np.geomspace(0.003, 1.0, 400), key=lambda t: negative_log_likelihood(similarities, correct, t))
    assert temperature == pytest.approx(best, rel=0.02)


def test_temperature_recovers_the_one_that_made_the_answers():
    generator = np.random.default_rng(3)
    similarities = generator.uniform(-1, 1, (4000, 10))
    scaled = similarities / 0.2
    chosen = (scaled + generator.gumbel(size=scaled.shape)).argmax(1)  # samples of softmax(similarities / 0.2)
    assert fit_temperature(similarities, chosen) == pytest.approx(0.2, rel=0.08)
    confidence, best = top_probability(similarities, 0.2)
    assert expected_calibration_error(confidence, best == chosen) < 0.03


def test_threshold_tells_right_answers_from_wrong_ones_and_other_words_as_well_as_any():
    similarities, correct, strangers = speech_like(noise=2.0)
    result = calibrate(similarities, correct, strangers[:50], strangers)
    confidence, best = top_probability(similarities, result.temperature)
    other = top_probability(strangers, result.temperature)[0]
    right = best == correct

    def told(threshold: float) -> float:
        wrong = np.mean(confidence[~right] >= threshold) + np.mean(other >= threshold)
        return float(np.mean(confidence[right] >= threshold) - wrong / 2)

    assert told(result.threshold) == pytest.approx(max(told(one) for one in confidence))
    assert result.true_accept == pytest.approx(np.mean(confidence[right] >= result.threshold))
    assert result.wrong_accept == pytest.approx(np.mean(confidence[~right] >= result.threshold))
    assert result.other_words_accept == pytest.approx(np.mean(other >= result.threshold))
    assert result.unknown_accept == pytest.approx(np.mean(other[:50] >= result.threshold))
    assert max(result.wrong_accept, result.other_words_accept) < result.true_accept - 0.1


def test_threshold_with_nothing_to_refuse_lets_nineteen_in_twenty_through():
    confidence = np.linspace(0.0, 1.0, 100)
    assert telling_threshold(confidence) == acceptance_threshold(confidence, 0.95)
    assert telling_threshold(confidence, np.zeros(0)) == acceptance_threshold(confidence, 0.95)
    assert telling_threshold(np.zeros(0), confidence) is None
    assert telling_threshold(np.array([0.6, 0.9]), np.linspace(0.1, 0.5, 40)) == 0.6
    assert telling_threshold(confidence, np.array([0.6])) == acceptance_threshold(confidence, 0.95)  # one is chance


def test_nothing_right_lets_nothing_through():
    result = calibrate(np.array([[0.9, 0.1], [0.8, 0.3]]), np.array([1, 1]))
    assert result.threshold == 1.0
    assert result.true_accept == 0.0
    assert result.unknown_accept is None


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2,\)"):
        calibrate(np.zeros((3, 2)), np.zeros(2, int))


def test_huge_and_tiny_similarities_stay_finite():
    confidence, _ = top_probability(np.array([[1.0, -1.0], [0.0, 0.0]]), 1e-3)
    assert confidence.tolist() == [1.0, 0.5]


def test_calibration_error_of_known_answers():
    assert expected_calibration_error(np.full(100, 0.8), np.arange(100) < 80) == pytest.approx(0.0)
    assert expected_calibration_error(np.ones(10), np.zeros(10, bool)) == pytest.approx(1.0)
    assert expected_calibration_error(np.zeros(0), np.zeros(0, bool)) == 0.0
    points = reliability(np.array([0.05, 0.95, 1.0]), np.array([False, True, False]))
    assert [(point["low"], point["count"], point["accuracy"]) for point in points] == [
        (0.0, 1, 0.0),
        (0.9, 2, 0.5),
    ]


def test_auroc_against_all_pairs():
    generator = np.random.default_rng(4)
    for _ in range(30):
        positive, negative = generator.integers(0, 6, 17), generator.integers(0, 6, 11)
        wins = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
        assert auroc(positive, negative) == pytest.approx(np.mean(wins))
    assert auroc(np.array([2.0]), np.array([1.0])) == 1.0
    assert auroc(np.array([]), np.array([1.0])) is None


def test_acceptance_threshold_is_the_highest_that_lets_enough_through():
    confidence = np.random.default_rng(0).random(997)
    for target in (0.5, 0.9, 0.95, 1.0):
        threshold = acceptance_threshold(confidence, target)
        assert (confidence >= threshold).mean() >= target
        assert (confidence > threshold).mean() < target
    assert acceptance_threshold(np.array([])) is None
    assert acceptance_threshold(np.array([0.3])) == 0.3
