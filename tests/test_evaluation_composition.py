"""Unseen combinations are judged factor by factor, by classifiers that learned the parts apart."""

from types import SimpleNamespace

import numpy as np

from edge_s2i.evaluation import efficientnet_lite
from edge_s2i.evaluation.composition import score_composition
from edge_s2i.evaluation.picture_judge import RealPictures

TONES, ROLES = ("light", "dark", "medium"), ("cook", "pilot", "judge")
CONCEPTS = [f"{role}-{tone}" for role in ROLES for tone in TONES]
ROWS = [
    {"concept": c, "factors": dict(zip(("role", "tone"), c.split("-"), strict=True))} for c in CONCEPTS
] + [{"concept": "cat"}]  # fmt: skip
UNSEEN = {"cook-dark", "pilot-medium", "judge-light"}
WIDTH = efficientnet_lite.QUARTERED.stop - efficientnet_lite.QUARTERED.start


def features(concept: str, seed: int) -> np.ndarray:
    """A role lights up one part of the features and a tone another."""
    random = np.random.default_rng(seed)
    row = random.random(efficientnet_lite.FEATURE_DIM).astype(np.float32) * 0.1
    role, tone = concept.split("-")
    row[1280 + 100 * ROLES.index(role) : 1380 + 100 * ROLES.index(role)] += 1.0
    row[1800 + 100 * TONES.index(tone) : 1900 + 100 * TONES.index(tone)] += 1.0
    return row


def score(draw, concepts=CONCEPTS, rows=ROWS):
    """What is scored where clips of `concepts` were heard, and `draw` says what is drawn of each."""
    shown = np.repeat(CONCEPTS, 4)
    real = RealPictures(
        np.stack([features(concept, number) for number, concept in enumerate(shown)]),
        shown,
        np.full(len(shown), "noto"),
        ~np.isin(shown, list(UNSEEN)),
    )
    judge = SimpleNamespace(
        real=real, features=lambda pictures: np.stack([features(draw(p), 99 + i) for i, p in enumerate(pictures)])
    )
    bundle = SimpleNamespace(draw=lambda embeddings, _seed, _styles: [CONCEPTS[int(row[0]) - 1] for row in embeddings])
    clips = [SimpleNamespace(concept=concept) for concept in concepts]
    heard = SimpleNamespace(embeddings=np.array([[CONCEPTS.index(c) + 1.0] for c in concepts]).reshape(-1, 1))
    split = SimpleNamespace(clips=clips, heard=heard)
    return score_composition(rows, judge, bundle, [split], "noto", 0, lambda items, _description, _total: items)


def test_a_generator_that_composes_is_right_on_what_it_never_saw():
    found = score(lambda asked: asked)
    assert found["factors"] == {"role": 3, "tone": 3}
    assert found["trained_combinations"] == 6
    assert found["unseen"]["pictures"] == 3
    assert found["unseen"]["all_factors"]["value"] == 1.0
    assert found["seen"]["pictures"] == 6
    assert found["real_pictures_of_unseen"]["pictures"] == 12
    assert found["real_pictures_of_unseen"]["all_factors"]["value"] == 1.0
    assert abs(found["chance"] - 1 / 9) < 1e-9


def test_a_generator_that_draws_a_neighbour_gets_one_factor_only():
    found = score(lambda asked: f"{asked.split('-')[0]}-{'medium' if asked.endswith('dark') else 'dark'}")
    assert found["unseen"]["role"]["value"] == 1.0
    assert found["unseen"]["tone"]["value"] == 0.0
    assert found["unseen"]["all_factors"]["value"] == 0.0


def test_packs_without_parts_and_without_speech_of_them():
    assert score(str, rows=[{"concept": concept} for concept in CONCEPTS]) is None
    found = score(str, concepts=[])
    assert found["unseen"]["pictures"] == 0
    assert found["unseen"]["all_factors"] is None
