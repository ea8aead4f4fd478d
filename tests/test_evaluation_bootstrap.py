"""Bootstrap intervals: coverage, clusters, and results that never vary."""

import numpy as np
import pytest

from edge_s2i.evaluation.bootstrap import bootstrap_mean


def test_interval_of_a_mean_is_the_normal_one():
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    interval = bootstrap_mean(values, resamples=4000)
    error = values.std() / 20
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.03)


def test_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        interval = bootstrap_mean((generator.random(120) < 0.3).astype(float), resamples=300, seed=trial)
        covered += interval.low <= 0.3 <= interval.high
    assert covered >= 180


def test_clips_of_one_concept_count_as_one():
    values = np.repeat(np.arange(20) % 2, 50).astype(float)
    alone = bootstrap_mean(values)
    together = bootstrap_mean(values, clusters=np.repeat(np.arange(20), 50))
    assert together.clusters == 20
    assert together.high - together.low > 4 * (alone.high - alone.low)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_results_that_never_vary_still_get_a_width(value):
    interval = bootstrap_mean(np.full(10, value))
    assert interval.mean == value
    assert interval.high - interval.low == pytest.approx(1 - 0.025**0.1)  # Clopper-Pearson for 0 or 10 of 10


def test_nothing_measured_is_nothing_said():
    assert bootstrap_mean(np.zeros(0)) is None


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(2).random(50)
    assert bootstrap_mean(values, seed=3) == bootstrap_mean(values, seed=3)
    assert bootstrap_mean(values, seed=3) != bootstrap_mean(values, seed=4)
