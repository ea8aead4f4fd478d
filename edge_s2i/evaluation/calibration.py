"""From cosine similarities to an honest confidence: temperature, threshold, and how far to trust them.

NumPy only. Confidence here and in the runtime is the top probability of softmax(cosine / temperature) over
all known concepts; an utterance counts as understood where it reaches the threshold.
"""

from dataclasses import dataclass

import numpy as np

_TEMPERATURE_RANGE = (0.003, 1.0)  # of cosine a nat: wider than any trained space
_ENOUGH_TO_TELL = 30  # of a kind that should not pass, for a threshold to be chosen by it
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Calibration:
    """Constants for a bundle's manifest, and what they do to the speech they were chosen on.

    true_accept: share of rightly recognized known speech that is understood; wrong_accept: share of wrongly
    recognized known speech that is (None if none was wrong); unknown_accept: share of unknown input that is
    (None if none was given); other_words_accept: of words that name no concept; expected_calibration_error: on the
    known speech, at this temperature.
    """

    temperature: float
    threshold: float
    accuracy: float
    true_accept: float
    wrong_accept: float | None
    unknown_accept: float | None
    other_words_accept: float | None
    expected_calibration_error: float


def top_probability(similarities: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Softmax's largest probability and its index; similarities (N, C) -> (N,) float64, (N,) int64."""
    scaled = np.asarray(similarities, np.float64) / temperature
    best = scaled.argmax(axis=1)
    top = scaled[np.arange(len(scaled)), best]
    return 1.0 / np.exp(scaled - top[:, None]).sum(axis=1), best


def negative_log_likelihood(similarities: np.ndarray, correct_index: np.ndarray, temperature: float) -> float:
    """Mean -log softmax(similarities / temperature)[correct]; similarities (N, C), correct_index (N,) int."""
    scaled = np.asarray(similarities, np.float64) / temperature
    top = scaled.max(axis=1)
    log_sum = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float(np.mean(log_sum - scaled[np.arange(len(scaled)), correct_index]))


def fit_temperature(similarities: np.ndarray, correct_index: np.ndarray) -> float:
    """The temperature of least negative log-likelihood (Guo et al. 2017, section 4.2), by golden section.

    The likelihood is convex in 1 / temperature, so the search over its logarithm has one minimum to find.
    """
    low, high = np.log(_TEMPERATURE_RANGE)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    loss_left = negative_log_likelihood(similarities, correct_index, np.exp(left))
    loss_right = negative_log_likelihood(similarities, correct_index, np.exp(right))
    while high - low > 1e-3:
        if loss_left <= loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - _GOLDEN * (high - low)
            loss_left = negative_log_likelihood(similarities, correct_index, np.exp(left))
        else:
            low, left, loss_left = left, right, loss_right
            right = low + _GOLDEN * (high - low)
            loss_right = negative_log_likelihood(similarities, correct_index, np.exp(right))
    return float(np.exp((low + high) / 2))


def calibrate(
    similarities: np.ndarray,
    correct_index: np.ndarray,
    unknown_similarities: np.ndarray | None = None,
    other_words_similarities: np.ndarray | None = None,
) -> Calibration:
    """Chooses temperature and threshold on held-out speech that is not used for any reported score.

    similarities: (N, C) cosine of N validation clips with all C prototypes; correct_index: (N,) int, each
    clip's prototype; unknown_similarities: (U, C) of input that should be refused (noise, silence, speech
    played backwards), reported on but never fitted to; other_words_similarities: (W, C) of validation's words
    that name no concept. The threshold tells best between what was heard rightly and both what was heard wrongly
    and other words: see `telling_threshold`. Raises ValueError for shapes that do not fit together.
    """
    similarities = np.asarray(similarities)
    correct_index = np.asarray(correct_index)
    if similarities.ndim != 2 or correct_index.shape != (len(similarities),) or not len(similarities):
        raise ValueError(
            f"similarities {similarities.shape} and correct_index {correct_index.shape} must be (N, C) and "
            "(N,), N at least 1"
        )
    temperature = fit_temperature(similarities, correct_index)
    confidence, best = top_probability(similarities, temperature)
    right = best == correct_index

    def of(others: np.ndarray | None) -> np.ndarray:
        return np.zeros(0) if others is None or not len(others) else top_probability(others, temperature)[0]

    unknown, other_words = of(unknown_similarities), of(other_words_similarities)
    # With nothing right there is no speech to let through: only certainty would pass.
    reached = telling_threshold(confidence[right], confidence[~right], other_words)
    threshold = 1.0 if reached is None else reached

    def accepted(some: np.ndarray) -> float | None:
        return float(np.mean(some >= threshold)) if len(some) else None

    return Calibration(
        temperature=temperature,
        threshold=threshold,
        accuracy=float(right.mean()),
        true_accept=accepted(confidence[right]) or 0.0,
        wrong_accept=accepted(confidence[~right]),
        unknown_accept=accepted(unknown),
        other_words_accept=accepted(other_words),
        expected_calibration_error=expected_calibration_error(confidence, right),
    )


def telling_threshold(right: np.ndarray, *others: np.ndarray) -> float | None:
    """The threshold of the greatest difference between the share of `right` that reaches it and of `others`.

    right, others: confidences (N,) of what should pass and of kinds of what should not, each kind counting alike
    (Youden's J, Cancer 3(1), 1950) if there are enough to tell. Where there are not, the one that 95% reach; None
    without any right.
    """
    right = np.sort(np.asarray(right, np.float64))
    kinds = [np.sort(np.asarray(kind, np.float64)) for kind in others if len(kind) >= _ENOUGH_TO_TELL]
    if not len(right) or not kinds:
        return acceptance_threshold(right)
    passing = 1.0 - np.arange(len(right)) / len(right)  # of right, at each of its values
    wrong = np.mean([1.0 - np.searchsorted(kind, right, side="left") / len(kind) for kind in kinds], axis=0)
    return float(right[int(np.argmax(passing - wrong))])


def acceptance_threshold(confidence: np.ndarray, target_true_accept: float = 0.95) -> float | None:
    """The highest threshold that at least `target_true_accept` of `confidence` reaches.

    confidence: (N,) of rightly recognized speech; None of nothing.
    """
    ordered = np.sort(np.asarray(confidence, np.float64))
    if not ordered.size:
        return None
    return float(ordered[int(np.floor((1.0 - target_true_accept) * ordered.size + 1e-9))])


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """The reliability diagram's points: each occupied bin's bounds, count, mean confidence and accuracy."""
    confidence = np.asarray(confidence, np.float64)
    right = np.asarray(right, np.float64)
    place = np.clip((confidence * bins).astype(int), 0, bins - 1)
    return [
        {
            "low": b / bins,
            "high": (b + 1) / bins,
            "count": int((place == b).sum()),
            "confidence": float(confidence[place == b].mean()),
            "accuracy": float(right[place == b].mean()),
        }
        for b in range(bins)
        if (place == b).any()
    ]


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Mean distance of accuracy from confidence over equal bins, by count (Guo et al. 2017, eq. 3)."""
    points = reliability(confidence, right, bins)
    total = sum(point["count"] for point in points)
    return sum(p["count"] * abs(p["accuracy"] - p["confidence"]) for p in points) / total if total else 0.0


def auroc(positive: np.ndarray, negative: np.ndarray) -> float | None:
    """Probability that a positive scores above a negative, a tie counting half (Mann-Whitney).

    positive: (P,) and negative: (N,) scores, e.g. the confidences of right and of wrong answers. None if
    either is empty.
    """
    positive = np.asarray(positive, np.float64)
    ordered = np.sort(np.asarray(negative, np.float64))
    if positive.size == 0 or ordered.size == 0:
        return None
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).sum() / (2.0 * positive.size * ordered.size))
