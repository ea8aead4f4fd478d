"""Does a bundle know what it does not know? How often it "understands" input that means nothing to it.

Two operating points: the threshold that the bundle ships with, and the one that lets 95% of rightly heard speech of
the split `val` through. False acceptance at 95% true acceptance is the usual figure of open-set recognition and
out-of-distribution detection (FPR95: Liang et al. 2018, "ODIN", section 4.2); true acceptance on the tested splits is
reported beside it, because there it need not be 95%.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_s2i.evaluation.bundle_under_test import BundleUnderTest, Heard
from edge_s2i.evaluation.calibration import acceptance_threshold, auroc
from edge_s2i.evaluation.choosing import people_first
from edge_s2i.evaluation.held_out_pack import Clip
from edge_s2i.evaluation.speech_scores import HeardSplit, interval
from edge_s2i.evaluation.suite import Progress
from edge_s2i.evaluation.unknown_sounds import FROM_SPEECH, MUSIC, SYNTHETIC, music, unknown_sounds
from edge_s2i.evaluation.unknown_words import OTHER, UNKNOWN, SpokenWord, UnknownWords

TARGET = 0.95
SHIPPED, ON_VAL = "shipped", "val_95"
_EXAMPLES = 10  # of a kind, in the report

POOLS: dict[str, tuple[str, ...]] = {
    "all": (*SYNTHETIC, *MUSIC, *FROM_SPEECH, OTHER, UNKNOWN),
    "noise and music": (*SYNTHETIC, *MUSIC),
    "voices": (*FROM_SPEECH, OTHER, UNKNOWN),
}
"""Kinds that are also counted together; those that could not be made are left out."""


@dataclass(frozen=True)
class UnknownInput:
    """One kind's U sounds, heard.

    labels: (U,) what each is made of, the same for sounds that are not independent: a word, the concept of a clip that
    was taken apart; languages: (U,), empty for sounds of none; nearest: (U,) the concept nearest to each.
    """

    heard: Heard
    labels: np.ndarray
    languages: np.ndarray
    nearest: np.ndarray

    @classmethod
    def of(
        cls, bundle: BundleUnderTest, heard: Heard, labels: Sequence[str], languages: Sequence[str]
    ) -> "UnknownInput":
        """Finds the concept that each sound would be taken for."""
        return cls(heard, np.array(labels), np.array(languages), np.array(bundle.nearest(heard.embeddings)))

    def part(self, chosen: np.ndarray) -> "UnknownInput":
        """The sounds where `chosen`, (U,) bool, is true."""
        heard = Heard(self.heard.embeddings[chosen], self.heard.confidence[chosen], self.heard.understood[chosen], {})
        return UnknownInput(heard, self.labels[chosen], self.languages[chosen], self.nearest[chosen])


@dataclass
class OpenSet:
    """All unknown input, heard once, and what could not be made: one line a kind."""

    kinds: dict[str, UnknownInput] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    voices: dict[str, Any] = field(default_factory=dict)

    @property
    def heard(self) -> dict[str, Heard]:
        """What was heard, by kind."""
        return {kind: found.heard for kind, found in self.kinds.items()}


def hear_unknown(
    bundle: BundleUnderTest, clips: Sequence[Clip], words: UnknownWords, count: int, seed: int, track: Progress
) -> OpenSet:
    """Makes and hears `count` sounds of every kind.

    clips: speech to take apart, people's first; words: what no caption says. Where no program can say words, the
    result's notes say so in one line.
    """
    result = OpenSet()
    if count == 0:
        return result
    taken_apart = people_first(clips, seed)[:count]
    sounds: dict[str, list[np.ndarray]] = {}
    for kind, samples in unknown_sounds([clip.samples() for clip in taken_apart], count, seed):
        sounds.setdefault(kind, []).append(samples)
    for kind, samples in music(count, seed):
        sounds.setdefault(kind, []).append(samples)
    for kind, made in sounds.items():
        of_speech = kind in FROM_SPEECH
        labels = [clip.concept for clip in taken_apart] if of_speech else [f"{kind} {i}" for i in range(len(made))]
        languages = [clip.language for clip in taken_apart] if of_speech else [""] * len(made)
        heard = bundle.hear(track(made, f"listening to {kind}", len(made)))
        result.kinds[kind] = UnknownInput.of(bundle, heard, labels, languages)
    _hear_words(result, bundle, words, count, seed, track)
    result.kinds = {kind: result.kinds[kind] for kind in POOLS["all"] if kind in result.kinds}
    return result


def _hear_words(
    result: OpenSet, bundle: BundleUnderTest, words: UnknownWords, count: int, seed: int, track: Progress
) -> None:
    engine = words.engine
    version = engine.version()
    if version is None:
        result.notes.append(f"{OTHER} and {UNKNOWN} were not heard: {engine.name} is not installed ({engine.packages})")
        return
    result.voices = {"engine": engine.name, "version": version, "words": words.describe()}
    for kind in (OTHER, UNKNOWN):
        spoken: list[SpokenWord] = list(track(words.spoken(kind, count, seed), f"saying {kind}", count))
        if not spoken:
            result.notes.append(f"{kind} were not heard: {engine.name} can say none of them")
            continue
        recordings = [word.samples for word in spoken]
        result.kinds[kind] = UnknownInput.of(
            bundle,
            bundle.hear(track(recordings, f"listening to {kind}", len(recordings))),
            [word.word for word in spoken],
            [word.language for word in spoken],
        )


def operating_points(shipped: float, val: HeardSplit | None, target: float = TARGET) -> dict[str, float | None]:
    """Thresholds by name; that of `val` is None where the pack has no such split or nothing in it is heard rightly."""
    chosen = None if val is None else acceptance_threshold(val.heard.confidence[val.right], target)
    return {SHIPPED: shipped, ON_VAL: chosen}


def accepted(heard: Heard, threshold: float) -> np.ndarray:
    """(N,) float64 of 0 and 1: what counts as understood; what was refused before the encoder never does."""
    embedded = np.any(heard.embeddings != 0.0, axis=1)
    return (embedded & (heard.confidence >= threshold)).astype(float)


def score_open_set(
    unknown: OpenSet, splits: Sequence[HeardSplit], points: Mapping[str, float | None]
) -> dict[str, Any]:
    """The report: false_understood by kind, language and pool at every operating point, and by split what is heard.

    In `splits`: true_accept, the share of rightly heard clips that are understood; auroc, whether confidence tells
    rightly heard clips from each kind and pool; at_own_95, the false acceptance of each pool at the threshold that lets
    95% of that very split's rightly heard clips through.
    """
    kinds = {}
    for kind, found in unknown.kinds.items():
        kinds[kind] = {
            "sounds": len(found.heard.understood),
            "refused_before_encoder": found.heard.refusals,
            "false_understood": _false_understood([found], points),
            "most_confident": _most_confident(found),
        }
        languages = sorted(set(found.languages.tolist()) - {""})
        if kind in (OTHER, UNKNOWN):
            kinds[kind]["by_language"] = {
                language: _false_understood([found.part(found.languages == language)], points) for language in languages
            }
    pools = {name: [unknown.kinds[kind] for kind in kinds_ if kind in unknown.kinds] for name, kinds_ in POOLS.items()}
    pools = {name: members for name, members in pools.items() if members}
    return {
        "target_true_accept": TARGET,
        "thresholds": dict(points),
        "kinds": kinds,
        "pooled": {
            name: {
                "sounds": sum(len(one.heard.understood) for one in members),
                "false_understood": _false_understood(members, points),
            }
            for name, members in pools.items()
        },
        "splits": {split.name: _score_split(split, unknown.kinds, pools, points) for split in splits},
        "notes": unknown.notes,
        "voices": unknown.voices,
    }


def _score_split(
    split: HeardSplit,
    kinds: Mapping[str, UnknownInput],
    pools: Mapping[str, list[UnknownInput]],
    points: Mapping[str, float | None],
) -> dict[str, Any]:
    right = split.right
    confidence = split.heard.confidence[right]
    own = acceptance_threshold(confidence, TARGET)
    sets = {**{kind: [found] for kind, found in kinds.items()}, **pools}
    return {
        "right": int(right.sum()),
        "true_accept": {
            name: None if value is None else interval(accepted(split.heard, value)[right], split.concepts[right])
            for name, value in points.items()
        },
        "auroc": {name: auroc(confidence, np.concatenate([m.heard.confidence for m in sets[name]])) for name in sets},
        "at_own_95": {
            "threshold": own,
            **{name: _false_understood(members, {"share": own})["share"] for name, members in pools.items()},
        },
    }


def _false_understood(members: Sequence[UnknownInput], points: Mapping[str, float | None]) -> dict[str, Any]:
    # One clip is both reversed and shuffled: its label spans kinds.
    labels = np.concatenate([one.labels for one in members])
    return {
        name: None
        if threshold is None
        else interval(np.concatenate([accepted(one.heard, threshold) for one in members]), labels)
        for name, threshold in points.items()
    }


def _most_confident(found: UnknownInput) -> list[dict[str, Any]]:
    """What is understood most surely at the shipped threshold, and as what."""
    taken = np.flatnonzero(found.heard.understood)
    order = taken[np.argsort(-found.heard.confidence[taken], kind="stable")][:_EXAMPLES]
    return [
        {
            "what": str(found.labels[index]),
            "language": str(found.languages[index]),
            "taken_for": str(found.nearest[index]),
            "confidence": float(found.heard.confidence[index]),
        }
        for index in order
    ]
