"""Words with several meanings in a corpus: which there are, and whether several latents draw them all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_s2i.data.captions import normalized
from edge_s2i.evaluation.speech_scores import interval, share


@dataclass(frozen=True)
class AmbiguousWord:
    """What one may say and mean several concepts by: `concepts` are their ids, sorted."""

    language: str
    text: str  # normalized, as captions and clips are compared
    concepts: tuple[str, ...]


def find_ambiguous(rows: Iterable[Mapping[str, Any]], known: Sequence[str]) -> list[AmbiguousWord]:
    """Captions that several of the `known` concepts have in one language, sorted.

    rows: a pack's concepts, each with id, English caption and captions by language. Concepts whose English captions
    share a word are kinds of one thing ("airplane", "Mustang airplane"), not meanings of one word, and count once.
    """
    owners: dict[tuple[str, str], set[str]] = {}
    english: dict[str, frozenset[str]] = {}
    wanted = set(known)
    for row in rows:
        concept = row["concept"]
        if concept not in wanted:
            continue
        english[concept] = frozenset(normalized(row["caption"]).split())
        for language, captions in row.get("captions", {}).items():
            for caption in captions:
                text = normalized(caption, language)
                if text:
                    owners.setdefault((language, text), set()).add(concept)
    words = []
    for (language, text), concepts in sorted(owners.items()):
        apart: list[str] = []
        for concept in sorted(concepts, key=lambda concept: (len(english[concept]), concept)):
            if not any(english[concept] & english[other] for other in apart):
                apart.append(concept)
        if len(apart) > 1:
            words.append(AmbiguousWord(language, text, tuple(sorted(apart))))
    return words


def between_meanings(prototypes: np.ndarray) -> np.ndarray:
    """The unit-length embedding that is equally near to each of (M, D) unit-length prototypes of few concepts."""
    gram = prototypes @ prototypes.T
    weights = np.linalg.lstsq(gram, np.ones(len(gram)), rcond=None)[0]
    middle = weights @ prototypes
    return (middle / max(float(np.linalg.norm(middle)), 1e-12)).astype(np.float32)


def score_word(word: AmbiguousWord, named: np.ndarray) -> dict[str, Any]:
    """What (n,) drawings of a word, each from a latent of its own, were named.

    `meanings`: meaning -> share of the drawings; `given`: how many meanings came at least once; `other`: share that
    was named something else.
    """
    shares = {concept: float(np.mean(named == concept)) for concept in word.concepts}
    return {
        "language": word.language,
        "text": word.text,
        "drawings": len(named),
        "meanings": shares,
        "given": sum(value > 0 for value in shares.values()),
        "other": max(0.0, 1.0 - sum(shares.values())),
    }


def score_words(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over words of `score_word`: how many give two meanings or more, and how evenly."""
    several = np.array([word["given"] > 1 for word in found], float)
    return {
        "words": len(found),
        "give_several": interval(several),
        "named_one_of_them": share(np.array([1.0 - word["other"] for word in found])),
        "rarer_meaning": share(np.array([sorted(word["meanings"].values())[-2] for word in found])),
        "by_word": list(found),
    }
