"""The whole evaluation of a bundle on a data pack's held-out speech, as one JSON-ready report."""

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import edge_s2i
from edge_s2i.errors import RequestError
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest, Heard
from edge_s2i.evaluation.held_out_pack import Clip, HeldOutPack
from edge_s2i.evaluation.machine import describe_machine
from edge_s2i.evaluation.picture_embeddings import PictureEmbeddings
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
    _check_style(bundle, settings.style)
    chosen = _chosen_splits(pack, settings)
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
        "format": REPORT_FORMAT,
        "edge_s2i": edge_s2i.__version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": describe_machine(settings.threads),
        "seconds": seconds,
        "seed": settings.seed,
        "limit": settings.limit,
        "bundle": _describe_bundle(bundle),
        "pack": {
            "sha256": pack.sha256,
            "seed": pack.manifest.get("seed"),
            "concepts": len(pack.concepts),
            "held_out_language": pack.manifest.get("held_out_language"),
            "clips_left_out_as_training_has_them": pack.repeats,
        },
        "splits": reports,
        "unknown_sounds": score_unknown(unknown),
    }
    if pictures is not None:
        content["pictures"] = pictures
    return _rounded(content)


def default_cache(pack_path: Path) -> Path:
    """The folder beside a pack where features of its real pictures are kept."""
    resolved = pack_path.resolve()
    return resolved.with_name(f"{resolved.name}.evaluation-cache")


def _read_embeddings(path: Path | None, pack: HeldOutPack, bundle: BundleUnderTest) -> PictureEmbeddings | None:
    return None if path is None else PictureEmbeddings.read(path, pack, bundle.manifest.embedding_dim)


def _check_style(bundle: BundleUnderTest, style: str | None) -> None:
    known = (*bundle.manifest.styles, OWN_STYLE)
    if style is not None and style not in known:
        raise RequestError(f"style {style!r} is unknown; this bundle has {', '.join(known)}")


def _chosen_splits(pack: HeldOutPack, settings: EvaluationSettings) -> dict[str, list[Clip]]:
    chosen = {}
    for name in settings.splits or pack.splits:
        clips = [clip for clip in pack.clips if clip.split == name]
        if not clips:
            there = ", ".join(pack.splits) or "none"
            raise RequestError(f"the pack has no held-out clips in split {name!r}; it has {there}")
        if settings.limit is not None and len(clips) > settings.limit:
            # By hash, so that a limited run hears every language and not the first shard.
            clips = sorted(clips, key=lambda clip: _hash(settings.seed, clip.key))[: settings.limit]
            clips.sort(key=lambda clip: clip.key)
        chosen[name] = clips
    if not chosen:
        raise RequestError("the pack has no held-out speech to evaluate on")
    return chosen


def _hear_unknown(
    bundle: BundleUnderTest, splits: list[HeardSplit], settings: EvaluationSettings, track: Progress
) -> dict[str, Heard]:
    """Silence, noise, tones, and held-out clips (people's first) reversed and shuffled."""
    clips = [clip for split in splits for clip in split.clips]
    clips.sort(key=lambda clip: (not clip.human, _hash(settings.seed, clip.key)))
    voices = [clip.samples() for clip in clips[: settings.unknown]]
    sounds: dict[str, list[np.ndarray]] = {kind: [] for kind in (*SYNTHETIC, *FROM_SPEECH)}
    for kind, samples in unknown_sounds(voices, settings.unknown, settings.seed):
        sounds[kind].append(samples)
    return {kind: bundle.hear(track(made, f"listening to {kind}", len(made))) for kind, made in sounds.items() if made}


def _hash(seed: int, key: str) -> str:
    return hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()


def _describe_bundle(bundle: BundleUnderTest) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "created": manifest.created,
        "sha256": bundle.sha256,
        "concepts": len(manifest.concepts),
        "image_size": manifest.image_size,
        "parameters": {"encoder": manifest.encoder.parameters, "generator": manifest.generator.parameters},
        "confidence": dataclasses.asdict(manifest.confidence),
    }


def _rounded(content: Any) -> Any:
    """Floats to five digits after the point, so that reports are easily read and compared."""
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_rounded(value) for value in content]
    if isinstance(content, float | np.floating):
        return round(float(content), 5)
    if isinstance(content, np.integer):
        return int(content)
    return content
