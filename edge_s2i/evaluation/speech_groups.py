"""Scores of a split's speakers, languages and accents, each with what guessing and chance would make of it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_s2i.evaluation.bundle_under_test import BundleUnderTest
from edge_s2i.evaluation.calibration import expected_calibration_error
from edge_s2i.evaluation.held_out_pack import Clip
from edge_s2i.evaluation.picture_embeddings import PictureEmbeddings
from edge_s2i.evaluation.speech_scores import (
    HeardSplit,
    interval,
    score_concept_to_speech,
    score_concepts,
    score_pictures,
)

_ESPEAK = "espeak-"

# In a gallery of fewer clips ten guesses find most of it: searching for speech is then no test.
SMALLEST_GALLERY = 20


def accent_of(clip: Clip) -> str:
    """How a clip's language is spoken: espeak-en-gb-scotland-m3 -> "en-gb-scotland"; others by language and engine."""
    if clip.speaker.startswith(_ESPEAK):
        # The timbre comes last and has no hyphen.
        return clip.speaker.removeprefix(_ESPEAK).rpartition("-")[0]
    return f"{clip.language} ({'people' if clip.human else clip.engine})"


GROUPS: dict[str, Callable[[Clip], str]] = {
    "by_language": lambda clip: clip.language,
    "by_accent": accent_of,
    "by_speaker": lambda clip: clip.speaker,
}


def score_each(
    split: HeardSplit, group_of: Callable[[Clip], str], bundle: BundleUnderTest, embedded: PictureEmbeddings | None
) -> dict[str, Any]:
    """The scores of every group of a split's clips, the largest first."""
    labels = np.array([group_of(clip) for clip in split.clips])
    names, counts = np.unique(labels, return_counts=True)
    return {
        str(names[index]): score_part(split.part(labels == names[index]), bundle, embedded)
        for index in np.argsort(-counts, kind="stable")
    }


def score_part(part: HeardSplit, bundle: BundleUnderTest, embedded: PictureEmbeddings | None) -> dict[str, Any]:
    """Retrieval both ways and confidence of some clips, with intervals over concepts.

    Speech is searched for where there are SMALLEST_GALLERY clips of it. wrong_and_understood: the share of all clips
    that would draw another thing than was said, and say so with confidence.
    """
    concepts, right, understood = part.concepts, part.right, part.heard.understood
    report: dict[str, Any] = {
        "clips": len(part.clips),
        "speech_to_concept": score_concepts(part),
        "understood": interval(understood.astype(float), concepts),
        "understood_when_right": interval(understood[right].astype(float), concepts[right]),
        "right_when_understood": interval(right[understood].astype(float), concepts[understood]),
        "wrong_and_understood": interval((understood & ~right).astype(float), concepts),
        "expected_calibration_error": expected_calibration_error(part.heard.confidence, right),
    }
    if part.heard.refusals:
        report["refused_before_encoder"] = part.heard.refusals
    if len(part.clips) >= SMALLEST_GALLERY:
        report["concept_to_speech"] = score_concept_to_speech(part, bundle)
    if embedded is not None:
        tasks = score_pictures(part.heard.embeddings, concepts, embedded)
        report["speech_to_picture"] = tasks["speech_to_picture"]
        if len(part.clips) >= SMALLEST_GALLERY:
            report["picture_to_speech"] = tasks["picture_to_speech"]
    return report
