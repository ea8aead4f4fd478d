"""A bundle's precisions beside each other: what each is worth, weighs and takes, against the float one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_s2i.audio import log_mel, normalize_log_mel
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.bundle import ENGINES, PRECISIONS, Bundle, read_bundle
from edge_s2i.errors import BackendError, RequestError
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest
from edge_s2i.evaluation.choosing import choose_clips, some_of
from edge_s2i.evaluation.held_out_pack import HeldOutPack
from edge_s2i.evaluation.report_parts import describe_bundle, describe_pack, describe_run, rounded
from edge_s2i.evaluation.speech_scores import HeardSplit
from edge_s2i.runtime.backends import import_litert, import_onnxruntime
from edge_s2i.runtime.graph_choice import PARTS, find_variant

REPORT_FORMAT = 1
MOST_POINTS_LOST = 1.0  # of R@1 and concept accuracy
LEAST_PSNR = 35.0  # dB, the mean over pictures

_ROUNDS = 15  # of latency
_PICTURES = 64  # that PSNR and perceptual distance are taken on

Progress = Callable[[Iterable, str, int], Iterable]


@dataclass(frozen=True)
class PrecisionSettings:
    """splits: names, empty for all held-out ones; limit: clips of all of them together; pictures: whether to draw
    pictures and have them named, which needs the train extra; threads: that a network may use."""

    splits: tuple[str, ...] = ()
    limit: int | None = 300
    seed: int = 0
    pictures: bool = True
    threads: int | None = 1

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 2:
            raise RequestError(f"limit is {self.limit}; give 2 or more clips")


def evaluate_precisions(
    bundle_path: Path | None,
    pack_path: Path,
    settings: PrecisionSettings,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measures every engine and precision that a bundle holds both networks at, the first of them as the reference.

    Raises RequestError for a bundle that names no precisions; BundleError, BackendError and DataError as `evaluate`.
    """
    begin = time.perf_counter()
    track = progress or (lambda items, _description, _total: items)
    bundle = read_bundle(bundle_path)
    kinds = precisions_of(bundle)
    if not kinds:
        raise RequestError(
            f"bundle {bundle.manifest.name!r} names no precisions; export it with several, as in --precision fp32,int8"
        )
    pack = HeldOutPack(pack_path)
    clips = some_of(
        [clip for part in choose_clips(pack, settings.splits, None, settings.seed).values() for clip in part],
        settings.limit,
        settings.seed,
    )
    models = {
        kind: BundleUnderTest(bundle_path, settings.threads, backend=kind[0], precision=kind[1]) for kind in kinds
    }
    judge = _judge(pack, pack_path, cache, bundle, settings, track) if settings.pictures else None
    heard = {}
    for kind, model in models.items():
        recordings = (clip.samples() for clip in track(clips, f"listening with {' '.join(kind)}", len(clips)))
        heard[kind] = HeardSplit.of("all", clips, model.hear(recordings), model)
    reference = kinds[0]
    shown = _shown(heard[reference])
    right_pictures = _draw(models[reference], shown, settings.seed)
    times = _latency(models, clips[len(clips) // 2].samples())
    rows = []
    for kind, model in models.items():
        drawn = right_pictures if kind == reference else _draw(model, shown, settings.seed)
        row: dict[str, Any] = {
            "engine": kind[0],
            "precision": kind[1],
            "bytes": bytes_of(bundle, *kind),
            **{f"{name}_ms": value for name, value in times[kind].items()},
            "r@1": float(heard[kind].right.mean()),
            "same_concept_heard": float(
                np.mean(np.array(model.nearest(heard[kind].heard.embeddings)) == _nearest(models[reference], heard))
            )
            if kind != reference
            else 1.0,
            "psnr_db": _psnr(drawn, right_pictures),
        }
        if judge is not None:
            row |= _judged(judge, model, heard[kind], drawn, right_pictures, settings, track)
        rows.append(row)
    for row in rows:
        _compare(row, rows[0])
    return rounded(
        {
            **describe_run(REPORT_FORMAT, settings.threads, {"total": time.perf_counter() - begin}),
            "bundle": describe_bundle(models[reference]),
            "pack": describe_pack(pack),
            "clips": len(clips),
            "pictures": len(shown),
            "reference": " ".join(reference),
            "precisions": rows,
        }
    )


def precisions_of(bundle: Bundle) -> list[tuple[str, str]]:
    """(engine, precision) of which both networks are there and the engine is installed; float ones first."""
    importers = {"onnx": import_onnxruntime, "litert": import_litert}
    found = []
    for precision in PRECISIONS:
        for engine in ENGINES:
            if all(_files(bundle, model, engine, precision) for model in PARTS):
                try:
                    importers[engine]()
                except BackendError:
                    continue
                found.append((engine, precision))
    return found


def bytes_of(bundle: Bundle, engine: str, precision: str) -> int:
    """Of the graphs that run at a precision."""
    files = {file for model in PARTS for file in _files(bundle, model, engine, precision)}
    return sum(len(bundle.files[file]) for file in files)


def _files(bundle: Bundle, model: str, engine: str, precision: str) -> list[str]:
    """A model's graphs at a precision: the whole one, or both parts; empty where it has neither."""
    whole = find_variant(bundle, model, engine, precision)
    if whole is not None:
        return [whole.file]
    parts = []
    for role in PARTS[model]:
        kinds = (precision, "int8-weights", "fp32") if precision == "int8" else (precision,)
        part = next((found for kind in kinds if (found := find_variant(bundle, role, engine, kind))), None)
        if part is None:
            return []
        parts.append(part)
    return [part.file for part in parts] if any(part.precision == precision for part in parts) else []


def _judge(
    pack: HeldOutPack, pack_path: Path, cache: Path | None, bundle: Bundle, settings: PrecisionSettings, track: Progress
) -> Any:
    from edge_s2i.evaluation.picture_judge import PictureJudge
    from edge_s2i.evaluation.suite import default_cache

    size = bundle.manifest.image_size
    return PictureJudge(pack, cache or default_cache(pack_path), track, size, settings.threads)


def _shown(split: HeardSplit) -> np.ndarray:
    """Embeddings (N, D) that every precision draws: those of the reference, evenly drawn."""
    embeddings = split.heard.embeddings[np.any(split.heard.embeddings != 0, axis=1)]
    places = np.linspace(0, len(embeddings) - 1, min(_PICTURES, len(embeddings))).astype(int)
    return embeddings[places] if len(embeddings) else embeddings


def _draw(model: BundleUnderTest, embeddings: np.ndarray, seed: int) -> np.ndarray:
    styles = [model.manifest.default_style] * len(embeddings)
    return np.stack(list(model.draw(embeddings, seed, styles)))


def _nearest(model: BundleUnderTest, heard: dict[tuple[str, str], HeardSplit]) -> np.ndarray:
    first = next(iter(heard.values()))
    return np.array(model.nearest(first.heard.embeddings))


def _psnr(drawn: np.ndarray, right: np.ndarray) -> float | None:
    """Mean dB over the range that each right picture really has; None for equal ones."""
    a, b = drawn.astype(np.float64), right.astype(np.float64)
    error = np.square(a - b).mean(axis=(1, 2, 3))
    if not error.any():
        return None
    span = b.max(axis=(1, 2, 3)) - b.min(axis=(1, 2, 3))
    return float(np.mean(10.0 * np.log10(np.square(np.maximum(span, 1.0)) / np.maximum(error, 1e-3))))


def _judged(
    judge: Any,
    model: BundleUnderTest,
    split: HeardSplit,
    drawn: np.ndarray,
    right: np.ndarray,
    settings: PrecisionSettings,
    track: Progress,
) -> dict[str, Any]:
    from edge_s2i.evaluation.picture_scores import PictureScores

    ours, theirs = judge.features(drawn), judge.features(right)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    distance = 1.0 - (ours * theirs).sum(axis=1) / np.maximum(lengths, 1e-12)
    scores = PictureScores(judge, model, model.manifest.default_style, settings.seed, track)
    report, named_right = scores.score_split(split)
    kid = report["kid"]
    return {
        "perceptual_distance": float(distance.mean()),
        "concept_accuracy": float(np.nanmean(named_right)),
        "kid_x1000": None if kid is None else 1000.0 * kid["value"],
    }


def _latency(models: dict[tuple[str, str], BundleUnderTest], samples: np.ndarray) -> dict[tuple[str, str], Any]:
    """Least milliseconds of each network over rounds in turn: on a busy machine only what ran side by side compares."""
    features = normalize_log_mel(log_mel(samples[: 2 * SAMPLE_RATE]))
    times: dict[tuple[str, str], dict[str, float]] = {kind: {} for kind in models}
    for _ in range(_ROUNDS):
        for kind, model in models.items():
            for name, value in model.time_once(features).items():
                times[kind][name] = min(value, times[kind].get(name, np.inf))
    return times


def _compare(row: dict[str, Any], reference: dict[str, Any]) -> None:
    """Adds what is lost against the reference, and whether that is within the budget."""
    lost = {"r@1": reference["r@1"] - row["r@1"]}
    if "concept_accuracy" in row:
        lost["concept_accuracy"] = reference["concept_accuracy"] - row["concept_accuracy"]
    row["points_lost"] = {name: 100.0 * value for name, value in lost.items()}
    enough = row["psnr_db"] is None or row["psnr_db"] >= LEAST_PSNR
    row["within_budget"] = bool(enough and round(max(row["points_lost"].values()), 6) <= MOST_POINTS_LOST)


def print_precisions(report: dict[str, Any], console: Any) -> None:
    """The report as a table: a column a precision, in brackets the change in points."""
    from rich.table import Column, Table

    title = f"{report['clips']} clips, {report['pictures']} pictures; against {report['reference']}"
    rows = report["precisions"]
    names = (f"{row['engine']}\n{row['precision']}" for row in rows)
    table = Table("", *(Column(name, justify="right") for name in names), title=title, title_justify="left")
    for label, tell in _LINES.items():
        cells = [tell(row) for row in rows]
        if any(cells):
            table.add_row(label, *cells)
    console.print(table)


def _points(row: dict[str, Any], name: str) -> str:
    return f"{100 * row[name]:.1f}% ({0.0 - row['points_lost'][name]:+.1f})" if name in row else ""


def _number(row: dict[str, Any], name: str, form: str) -> str:
    return "" if row.get(name) is None else format(row[name], form)


_LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "bytes": lambda row: _number(row, "bytes", ","),
    "encoder, ms": lambda row: _number(row, "encoder_ms", ".2f"),
    "generator, ms": lambda row: _number(row, "generator_ms", ".2f"),
    "R@1": lambda row: _points(row, "r@1"),
    "heard alike": lambda row: f"{100 * row['same_concept_heard']:.1f}%",
    "named rightly": lambda row: _points(row, "concept_accuracy"),
    "KID x 1000": lambda row: _number(row, "kid_x1000", ".0f"),
    "PSNR, dB": lambda row: _number(row, "psnr_db", ".1f") or "the same",
    "perceptual change": lambda row: _number(row, "perceptual_distance", ".4f"),
    "budget": lambda row: "within" if row["within_budget"] else "over",
}
