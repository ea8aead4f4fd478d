"""The whole evaluation of a bundle on a data pack's held-out speech, as one JSON-ready report."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_s2i.errors import RequestError
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest, Heard
from edge_s2i.evaluation.choosing import choose_clips, people_first
from edge_s2i.evaluation.held_out_pack import HeldOutPack
from edge_s2i.evaluation.picture_embeddings import PictureEmbeddings
from edge_s2i.evaluation.report_parts import describe_bundle, describe_pack, describe_run, rounded
from edge_s2i.evaluation.speech_scores import (
    HeardSplit,
    score_confidence,
    score_groups,
    score_speech,
    score_unknown,
)
from edge_s2i.evaluation.unknown_sounds import FROM_SPEECH, SYNTHETIC, unknown_sounds

REPORT_FORMAT = 1
OWN_STYLE = "own"

Progress = Callable[[Iterable, str, int], Iterable]


@dataclass(frozen=True)
class EvaluationSettings:
    """What to measure.

    splits: names, empty for all held-out ones; limit: clips of each split, None for all; style: of the
    pictures drawn, None for the bundle's default, "own" for that of the picture each clip was paired with;
    pictures: whether to draw and judge pictures, which needs the train extra; unknown: sounds of each unknown
    kind; threads: CPU threads a network may use, None for the engines' choice.
    """

    splits: tuple[str, ...] = ()
    limit: int | None = None
    seed: int = 0
    style: str | None = None
    pictures: bool = True
    unknown: int = 50
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise RequestError(f"limit is {self.limit}; give 1 or more clips a split")
        if self.unknown < 0:
            raise RequestError(f"unknown is {self.unknown}; give 0 or more sounds of each kind")
        if self.seed < 0:
            raise RequestError(f"seed is {self.seed}; give 0 or more")


def evaluate(
    bundle_path: Path | None,
    pack_path: Path,
    settings: EvaluationSettings,
    picture_embeddings: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measures a bundle (None: the default one) on a pack's held-out speech and returns the report.

    picture_embeddings: the speech stage's weights with real pictures' embeddings, for retrieval of pictures;
    cache: folder for features of real pictures, by default beside the pack; progress: wraps an iterable with
    a description and a length. Raises BundleError, BackendError, DataError, RequestError, and TrainingError
    where pictures are to be judged and the train extra is absent.
    """
    begin = time.perf_counter()
    track = progress or (lambda items, _description, _total: items)
    pack = HeldOutPack(pack_path)
    bundle = BundleUnderTest(bundle_path, settings.threads)
    check_style(bundle, settings.style)
    chosen = choose_clips(pack, settings.splits, settings.limit, settings.seed)
    embedded = _read_embeddings(picture_embeddings, pack, bundle)
    judge = None
    if settings.pictures:
        # Imports torch: only where pictures are judged, and before anything slow has begun.
        from edge_s2i.evaluation.picture_judge import PictureJudge

        size = bundle.manifest.image_size
        judge = PictureJudge(pack, cache or default_cache(pack_path), track, size, settings.threads)
    seconds = {"preparing": time.perf_counter() - begin}

    start = time.perf_counter()
    splits = []
    for name, clips in chosen.items():
        recordings = (clip.samples() for clip in track(clips, f"listening to {name}", len(clips)))
        splits.append(HeardSplit.of(name, clips, bundle.hear(recordings), bundle))
    unknown = _hear_unknown(bundle, splits, settings, track)
    seconds["listening"] = time.perf_counter() - start

    start = time.perf_counter()
    reports = {split.name: score_speech(split, embedded) for split in splits}
    for split in splits:
        reports[split.name]["confidence"] = score_confidence(split, unknown)
    seconds["scoring"] = time.perf_counter() - start

    named_right: dict[str, np.ndarray] = {}
    pictures = None
    if judge is not None:
        from edge_s2i.evaluation.picture_scores import PictureScores

        start = time.perf_counter()
        style = settings.style or bundle.manifest.default_style
        scores = PictureScores(judge, bundle, None if style == OWN_STYLE else style, settings.seed, track)
        for split in splits:
            report, named_right[split.name] = scores.score_split(split)
            reports[split.name].update(report)
        pictures = {**scores.describe(), "from_prototypes": scores.score_prototypes()}
        seconds["drawing"] = time.perf_counter() - start

    for split in splits:
        right = named_right.get(split.name)
        report = reports[split.name]
        report["by_language"] = score_groups(split, [clip.language for clip in split.clips], right)
        report["by_speaker"] = score_groups(split, [clip.speaker for clip in split.clips], right)
    seconds["total"] = time.perf_counter() - begin
    content: dict[str, Any] = {
        **describe_run(REPORT_FORMAT, settings.threads, seconds),
        "seed": settings.seed,
        "limit": settings.limit,
        "bundle": describe_bundle(bundle),
        "pack": describe_pack(pack),
        "splits": reports,
        "unknown_sounds": score_unknown(unknown),
    }
    if pictures is not None:
        content["pictures"] = pictures
    return rounded(content)


def default_cache(pack_path: Path) -> Path:
    """The folder beside a pack where features of its real pictures are kept."""
    resolved = pack_path.resolve()
    return resolved.with_name(f"{resolved.name}.evaluation-cache")


def _read_embeddings(path: Path | None, pack: HeldOutPack, bundle: BundleUnderTest) -> PictureEmbeddings | None:
    return None if path is None else PictureEmbeddings.read(path, pack, bundle.manifest.embedding_dim)


def check_style(bundle: BundleUnderTest, style: str | None) -> None:
    """RequestError for a style that the bundle does not draw; None is its default, "own" that of a clip's picture."""
    known = (*bundle.manifest.styles, OWN_STYLE)
    if style is not None and style not in known:
        raise RequestError(f"style {style!r} is unknown; this bundle has {', '.join(known)}")


def _hear_unknown(
    bundle: BundleUnderTest, splits: list[HeardSplit], settings: EvaluationSettings, track: Progress
) -> dict[str, Heard]:
    """Silence, noise, tones, and held-out clips (people's first) reversed and shuffled."""
    clips = people_first((clip for split in splits for clip in split.clips), settings.seed)
    voices = [clip.samples() for clip in clips[: settings.unknown]]
    sounds: dict[str, list[np.ndarray]] = {kind: [] for kind in (*SYNTHETIC, *FROM_SPEECH)}
    for kind, samples in unknown_sounds(voices, settings.unknown, settings.seed):
        sounds[kind].append(samples)
    return {kind: bundle.hear(track(made, f"listening to {kind}", len(made))) for kind, made in sounds.items() if made}
