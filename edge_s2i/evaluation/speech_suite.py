"""The evaluation of a bundle's hearing alone, as one JSON-ready report: `edge-s2i evaluate speech`.

Retrieval both ways by split, language, accent and speaker; confidence and what it does with unknown input; the same in
rooms and noise; and which concepts are taken for which. Nothing is drawn.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_s2i.errors import RequestError
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest
from edge_s2i.evaluation.choosing import choose_clips, people_first, some_of
from edge_s2i.evaluation.conditions import SNRS_DB, Surroundings, all_conditions
from edge_s2i.evaluation.confusions import attractors, captioned, confusions
from edge_s2i.evaluation.held_out_pack import Clip, HeldOutPack
from edge_s2i.evaluation.open_set import OpenSet, hear_unknown, operating_points, score_open_set
from edge_s2i.evaluation.picture_embeddings import PictureEmbeddings
from edge_s2i.evaluation.report_parts import describe_bundle, describe_pack, describe_run, rounded
from edge_s2i.evaluation.speech_groups import GROUPS, score_each, score_part
from edge_s2i.evaluation.speech_scores import (
    HeardSplit,
    score_concept_to_speech,
    score_confidence,
    score_reliability,
    score_speech,
)
from edge_s2i.evaluation.suite import Progress
from edge_s2i.evaluation.unknown_words import OTHER, UNKNOWN, UnknownWords

REPORT_FORMAT = 1
VAL_SPLIT = "val"

_TALKERS = 64  # clips that babble is made of, half of them by people
_MOST_CONFUSIONS = 50  # pairs in the report of a split
_SNR_RANGE_DB = (-30.0, 60.0)


@dataclass(frozen=True)
class SpeechSettings:
    """What to measure.

    splits: names, empty for all held-out ones save `val`, which chooses the threshold; limit: clips of each split,
    sounds of each unknown kind and clips under each condition, None for all; snrs_db: of the noise; clips_a_condition:
    of each split, heard under every condition, 0 for no conditions; unknown: sounds of each unknown kind; threads: CPU
    threads a network may use, None for the engines' choice.
    """

    splits: tuple[str, ...] = ()
    limit: int | None = None
    seed: int = 0
    snrs_db: tuple[float, ...] = SNRS_DB
    clips_a_condition: int = 200
    unknown: int = 200
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise RequestError(f"limit is {self.limit}; give 1 or more clips a split")
        if self.seed < 0:
            raise RequestError(f"seed is {self.seed}; give 0 or more")
        if self.clips_a_condition < 0:
            raise RequestError(f"{self.clips_a_condition} clips a condition are impossible; give 0 or more")
        if self.unknown < 0:
            raise RequestError(f"unknown is {self.unknown}; give 0 or more sounds of each kind")
        if self.threads is not None and self.threads < 1:
            raise RequestError(f"threads is {self.threads}; give 1 or more")
        low, high = _SNR_RANGE_DB
        for snr in self.snrs_db:
            if not (math.isfinite(snr) and low <= snr <= high):
                raise RequestError(f"an SNR of {snr} dB cannot be made; give {low:.0f} to {high:.0f} dB")

    def capped(self, count: int) -> int:
        """`count`, or the limit where that is less."""
        return count if self.limit is None else min(count, self.limit)


def evaluate_speech(
    bundle_path: Path | None,
    pack_path: Path,
    settings: SpeechSettings,
    picture_embeddings: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measures how a bundle (None: the default one) hears a pack's held-out speech and returns the report.

    picture_embeddings: the speech stage's weights with real pictures' embeddings, for retrieval of pictures; progress:
    wraps an iterable with a description and a length. Raises BundleError, BackendError, DataError and RequestError.
    """
    begin = time.perf_counter()
    track = progress or (lambda items, _description, _total: items)
    pack = HeldOutPack(pack_path)
    bundle = BundleUnderTest(bundle_path, settings.threads)
    names = settings.splits or tuple(name for name in pack.splits if name != VAL_SPLIT) or pack.splits
    chosen = choose_clips(pack, names, settings.limit, settings.seed)
    embedded = None
    if picture_embeddings is not None:
        embedded = PictureEmbeddings.read(picture_embeddings, pack, bundle.manifest.embedding_dim)
    words = UnknownWords.beside(
        [*_captions(pack, bundle), *pack.other_words()],
        (*bundle.manifest.languages, *pack.manifest.get("languages", ())),
    )
    surroundings = _surroundings(pack, settings) if settings.clips_a_condition else None
    seconds = {"preparing": time.perf_counter() - begin}

    start = time.perf_counter()
    splits = [_hear(name, clips, bundle, track) for name, clips in chosen.items()]
    val = next((split for split in splits if split.name == VAL_SPLIT), None)
    if val is None and VAL_SPLIT in pack.splits:
        val = _hear(
            VAL_SPLIT, choose_clips(pack, (VAL_SPLIT,), settings.limit, settings.seed)[VAL_SPLIT], bundle, track
        )
    clips = [clip for split in splits for clip in split.clips]
    unknown = hear_unknown(bundle, clips, words, settings.capped(settings.unknown), settings.seed, track)
    seconds["listening"] = time.perf_counter() - start

    start = time.perf_counter()
    points = operating_points(bundle.manifest.confidence.threshold, val)
    captions = bundle.manifest.captions
    reports = {
        split.name: _score(split, bundle, unknown, embedded, captions)
        for split in track(splits, "scoring", len(splits))
    }
    open_set = score_open_set(unknown, splits, points)
    seconds["scoring"] = time.perf_counter() - start

    conditions: dict[str, list[dict[str, Any]]] = {}
    if surroundings is not None:
        start = time.perf_counter()
        conditions = {split.name: _sweep(split, bundle, surroundings, settings, embedded, track) for split in splits}
        seconds["conditions"] = time.perf_counter() - start
    seconds["total"] = time.perf_counter() - begin
    return rounded(
        {
            **describe_run(REPORT_FORMAT, settings.threads, seconds),
            "kind": "speech",
            "seed": settings.seed,
            "limit": settings.limit,
            "bundle": describe_bundle(bundle),
            "pack": describe_pack(pack),
            "splits": reports,
            "val_clips": 0 if val is None else len(val.clips),
            "open_set": open_set,
            "conditions": conditions,
        }
    )


def _hear(name: str, clips: list[Clip], bundle: BundleUnderTest, track: Progress) -> HeardSplit:
    recordings = (clip.samples() for clip in track(clips, f"listening to {name}", len(clips)))
    return HeardSplit.of(name, clips, bundle.hear(recordings), bundle)


def _score(
    split: HeardSplit,
    bundle: BundleUnderTest,
    unknown: OpenSet,
    embedded: PictureEmbeddings | None,
    captions: Mapping[str, str],
) -> dict[str, Any]:
    report = score_speech(split, embedded)
    report["concept_to_speech"] = score_concept_to_speech(split, bundle)
    # Words are scored in the open-set report: they are neither noise nor speech taken apart.
    sounds = {kind: heard for kind, heard in unknown.heard.items() if kind not in (OTHER, UNKNOWN)}
    report["confidence"] = score_confidence(split, sounds)
    report["confidence"]["reliability"] = score_reliability(split)
    for key, group_of in GROUPS.items():
        report[key] = score_each(split, group_of, bundle, embedded)
    said, heard_as = [clip.concept for clip in split.clips], bundle.nearest(split.heard.embeddings)
    heard = split.heard
    pairs = confusions(said, heard_as, heard.confidence, heard.understood, _MOST_CONFUSIONS)
    report["confusions"] = captioned(pairs, captions)
    report["attractors"] = captioned(attractors(said, heard_as, _MOST_CONFUSIONS), captions)
    return report


def _sweep(
    split: HeardSplit,
    bundle: BundleUnderTest,
    surroundings: Surroundings,
    settings: SpeechSettings,
    embedded: PictureEmbeddings | None,
    track: Progress,
) -> list[dict[str, Any]]:
    """The scores of some of a split's clips, the same ones, under every condition."""
    clips = some_of(split.clips, settings.capped(settings.clips_a_condition), settings.seed)
    originals = [clip.samples() for clip in clips]
    found = []
    for condition in all_conditions(settings.snrs_db):
        # Made as they are heard: all conditions' samples together would fill a small machine's memory.
        recordings = (
            surroundings.around(clip.key, clip.concept, samples, condition)
            for clip, samples in track(
                list(zip(clips, originals, strict=True)), f"{split.name}, {condition.name}", len(clips)
            )
        )
        heard = HeardSplit.of(split.name, clips, bundle.hear(recordings), bundle)
        found.append(
            {
                "name": condition.name,
                "noise": condition.noise,
                "snr_db": condition.snr_db,
                "room": condition.room,
                **score_part(heard, bundle, embedded),
            }
        )
    return found


def _surroundings(pack: HeldOutPack, settings: SpeechSettings) -> Surroundings:
    ordered = people_first(pack.clips, settings.seed)
    people = [clip for clip in ordered if clip.human]
    talkers = people[: _TALKERS // 2] + ordered[len(people) :][: _TALKERS // 2]
    return Surroundings([(clip.concept, clip.samples()) for clip in talkers], settings.seed)


def _captions(pack: HeldOutPack, bundle: BundleUnderTest) -> Sequence[str]:
    """What the pack's and the bundle's concepts are called, in all languages."""
    found = list(bundle.manifest.captions.values())
    for row in pack.concept_rows():
        found.append(row["caption"])
        found += (name for names in row.get("captions", {}).values() for name in names)
    return found
