"""Scores of what was heard in one split: retrieval, confidence, and both by language and by speaker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_s2i.evaluation.bootstrap import bootstrap_mean
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest, Heard
from edge_s2i.evaluation.calibration import auroc, expected_calibration_error, reliability
from edge_s2i.evaluation.held_out_pack import Clip
from edge_s2i.evaluation.picture_embeddings import PictureEmbeddings
from edge_s2i.evaluation.retrieval import RECALL_CUTS, Retrieval, retrieve
from edge_s2i.evaluation.unknown_sounds import FROM_SPEECH


@dataclass(frozen=True)
class HeardSplit:
    """One split's N clips, what the runtime made of them, and how near each came to its concept.

    concept_ranks: (N,) 1-based; a clip whose concept the bundle does not know has the largest int64.
    """

    name: str
    clips: list[Clip]
    heard: Heard
    retrieval: Retrieval
    concept_ranks: np.ndarray

    @classmethod
    def of(cls, name: str, clips: list[Clip], heard: Heard, bundle: BundleUnderTest) -> "HeardSplit":
        """Ranks all of the bundle's concepts for every clip."""
        concepts = np.array([clip.concept for clip in clips])
        retrieval = retrieve(heard.embeddings, concepts, bundle.prototypes, np.array(bundle.manifest.concepts))
        ranks = np.full(len(clips), np.iinfo(np.int64).max)
        ranks[retrieval.queries] = retrieval.ranks
        return cls(name, clips, heard, retrieval, ranks)

    def part(self, chosen: np.ndarray) -> "HeardSplit":
        """The clips where `chosen`, (N,) bool, is true; gallery and ranks stay those of all concepts."""
        kept = np.flatnonzero(chosen)
        queries = np.flatnonzero(np.isin(self.retrieval.queries, kept))
        heard, found = self.heard, self.retrieval
        return HeardSplit(
            self.name,
            [self.clips[index] for index in kept],
            Heard(heard.embeddings[kept], heard.confidence[kept], heard.understood[kept], {}),
            Retrieval(
                np.searchsorted(kept, found.queries[queries]),
                found.ranks[queries],
                found.average_precisions[queries],
                found.relevant[queries],
                found.gallery,
            ),
            self.concept_ranks[kept],
        )

    @property
    def right(self) -> np.ndarray:
        """(N,) bool: whether the concept said is the nearest of all."""
        return self.concept_ranks == 1

    @property
    def concepts(self) -> np.ndarray:
        """(N,) concept ids."""
        return np.array([clip.concept for clip in self.clips])


def score_speech(split: HeardSplit, embedded: PictureEmbeddings | None = None) -> dict[str, Any]:
    """Counts and retrieval of one split; with `embedded`, also between clips and real pictures."""
    clips, heard, concepts = split.clips, split.heard, split.concepts
    report: dict[str, Any] = {
        "clips": len(clips),
        "human_clips": sum(clip.human for clip in clips),
        "speakers": len({clip.speaker for clip in clips}),
        "concepts": len(set(concepts.tolist())),
        "languages": sorted({clip.language for clip in clips}),
        "clips_of_unknown_concepts": len(clips) - len(split.retrieval.queries),
        "refused_before_encoder": heard.refusals,
        "speech_to_concept": score_concepts(split),
    }
    if embedded is not None:
        report |= score_pictures(heard.embeddings, concepts, embedded)
    return report


def score_pictures(embeddings: np.ndarray, concepts: np.ndarray, embedded: PictureEmbeddings) -> dict[str, Any]:
    """Retrieval between clips and real pictures, both ways. embeddings: (N, D) of clips; concepts: (N,) ids."""
    to_picture = retrieve(embeddings, concepts, embedded.embeddings, embedded.concepts)
    report = {"speech_to_picture": _retrieval_report(to_picture, concepts)}
    everything = np.ones(len(embedded.held_out), bool)
    for task, chosen in (("picture_to_speech", everything), ("held_out_picture_to_speech", embedded.held_out)):
        shown = embedded.concepts[chosen]
        to_speech = retrieve(embedded.embeddings[chosen], shown, embeddings, concepts)
        report[task] = _retrieval_report(to_speech, shown)
    return report


def score_concepts(split: HeardSplit) -> dict[str, Any]:
    """Is the concept said among the nearest of all that the bundle knows?"""
    return _retrieval_report(split.retrieval, split.concepts)


def score_concept_to_speech(split: HeardSplit, bundle: BundleUnderTest) -> dict[str, Any]:
    """The way back without real pictures: does a concept's prototype find the clips in which it is said?"""
    names = np.array(bundle.manifest.concepts)
    result = retrieve(bundle.prototypes, names, split.heard.embeddings, split.concepts)
    return _retrieval_report(result, names)


def score_confidence(split: HeardSplit, unknown: dict[str, Heard]) -> dict[str, Any]:
    """Whether confidence tells right from wrong and speech from unknown sounds, and means what it says.

    Noise (with silence and tones) and speech taken apart are scored apart: the first is easily told from speech.
    """
    confidence, accepted = split.heard.confidence, split.heard.understood
    right = split.right
    noises = [heard.confidence for kind, heard in unknown.items() if kind not in FROM_SPEECH]
    scrambled = [heard.confidence for kind, heard in unknown.items() if kind in FROM_SPEECH]
    return {
        "understood": interval(accepted.astype(float), split.concepts),
        "understood_when_right": share(accepted[right]),
        "understood_when_wrong": share(accepted[~right]),
        "right_when_understood": share(right[accepted]),
        "auroc_right_vs_wrong": auroc(confidence[right], confidence[~right]),
        "auroc_speech_vs_noise": auroc(confidence, np.concatenate(noises)) if noises else None,
        "auroc_speech_vs_scrambled": auroc(confidence, np.concatenate(scrambled)) if scrambled else None,
        "expected_calibration_error": expected_calibration_error(confidence, right),
        "reliability": reliability(confidence, right),
    }


def score_reliability(split: HeardSplit, bins: int = 10) -> list[dict[str, Any]]:
    """The reliability diagram's points of a split, each with a 95% interval of its accuracy over concepts."""
    confidence, right = split.heard.confidence, split.right.astype(float)
    points: list[dict[str, Any]] = []
    for point in reliability(confidence, right, bins):
        # As `reliability` itself bins, with certainty in the last bin.
        inside = np.minimum((confidence * bins).astype(int), bins - 1) == round(point["low"] * bins)
        points.append({**point, "accuracy": interval(right[inside], split.concepts[inside])})
    return points


def score_unknown(unknown: dict[str, Heard]) -> dict[str, Any]:
    """For each kind of unknown sound, how many the bundle claims to understand."""
    return {
        kind: {
            "sounds": len(heard.understood),
            "understood": interval(heard.understood.astype(float)),
            "refused_before_encoder": heard.refusals,
        }
        for kind, heard in unknown.items()
    }


def score_groups(split: HeardSplit, groups: Sequence[str], named_right: np.ndarray | None = None) -> dict[str, Any]:
    """R@1, R@5 and the share understood of every group of clips, the largest group first.

    groups: (N,) each clip's language or speaker; named_right: (N,) float, 1 where the picture drawn was named
    right, NaN where it was not judged; None leaves the pictures out.
    """
    labels = np.array(groups)
    names, counts = np.unique(labels, return_counts=True)
    report = {}
    for name in names[np.argsort(-counts, kind="stable")]:
        chosen = labels == name
        entry = {
            "clips": int(chosen.sum()),
            "R@1": share(split.concept_ranks[chosen] <= 1),
            "R@5": share(split.concept_ranks[chosen] <= 5),
            "understood": share(split.heard.understood[chosen]),
        }
        if named_right is not None:
            judged = named_right[chosen]
            entry["top1"] = share(judged[~np.isnan(judged)])
        report[str(name)] = entry
    return report


def share(values: np.ndarray) -> float | None:
    """The mean, or None of nothing."""
    return float(np.mean(values)) if len(values) else None


def interval(
    values: np.ndarray, clusters: np.ndarray | None = None, chance: float | None = None
) -> dict[str, Any] | None:
    """A mean with its 95% bootstrap interval over clusters as reports write it; None of nothing."""
    found = bootstrap_mean(values, clusters)
    if found is None:
        return None
    content: dict[str, Any] = {"value": found.mean, "low": found.low, "high": found.high, "n": found.values}
    return content if chance is None else {**content, "chance": chance}


def _retrieval_report(result: Retrieval, query_concepts: np.ndarray) -> dict[str, Any]:
    clusters = query_concepts[result.queries]
    report: dict[str, Any] = {"queries": len(result.queries), "gallery": result.gallery}
    for k in RECALL_CUTS:
        report[f"R@{k}"] = interval(result.recall_at(k), clusters, result.chance_recall_at(k))
    report["mAP"] = interval(result.average_precisions, clusters, result.chance_average_precision())
    return report
