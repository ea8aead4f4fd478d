"""The evaluation of a bundle's pictures, as one JSON-ready report: `edge-s2i evaluate picture`.

Concept accuracy beside its ceiling, distances from real pictures beside their floors, variety beside the corpus's own,
styles, truncation and ambiguity; from the encoder's prototypes and end to end from held-out speech.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_s2i.errors import RequestError
from edge_s2i.evaluation import fidelity, manifold
from edge_s2i.evaluation.ambiguity import find_ambiguous
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest
from edge_s2i.evaluation.choosing import choose_clips
from edge_s2i.evaluation.composition import score_composition
from edge_s2i.evaluation.held_out_pack import HeldOutPack
from edge_s2i.evaluation.inception import InceptionFeatures
from edge_s2i.evaluation.inception import describe as describe_inception
from edge_s2i.evaluation.picture_judge import PictureJudge
from edge_s2i.evaluation.picture_scores import PictureScores
from edge_s2i.evaluation.picture_targets import picture_targets
from edge_s2i.evaluation.picture_variations import PictureVariations
from edge_s2i.evaluation.report_parts import describe_bundle, describe_pack, describe_run, rounded
from edge_s2i.evaluation.speech_scores import HeardSplit, score_speech
from edge_s2i.evaluation.suite import OWN_STYLE, Progress, check_style, default_cache

REPORT_FORMAT = 1


@dataclass(frozen=True)
class PictureSettings:
    """What to measure.

    splits: names, empty for all held-out ones; limit: clips of each split, None for all; style: of the pictures, None
    for the bundle's default; concepts: how many are drawn for variety, styles and truncation; latents: of each;
    inception: torch-fidelity's Inception weights, None for no Inception FID; threads: CPU threads a network may use.
    """

    splits: tuple[str, ...] = ()
    limit: int | None = None
    seed: int = 0
    style: str | None = None
    concepts: int = 200
    latents: int = 8
    inception: Path | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise RequestError(f"limit is {self.limit}; give 1 or more clips a split")
        if self.seed < 0:
            raise RequestError(f"seed is {self.seed}; give 0 or more")
        if self.concepts < 1:
            raise RequestError(f"{self.concepts} concepts are impossible; give 1 or more")
        if not 2 <= self.latents <= 64:
            raise RequestError(f"{self.latents} latents a concept are impossible; give 2 to 64")


def evaluate_pictures(
    bundle_path: Path | None,
    pack_path: Path,
    settings: PictureSettings,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measures what a bundle (None: the default one) draws and returns the report.

    cache: folder for features of real pictures, by default beside the pack; progress: wraps an iterable with a
    description and a length. Raises BundleError, BackendError, DataError, RequestError, and TrainingError where the
    train extra is absent.
    """
    begin = time.perf_counter()
    track = progress or (lambda items, _description, _total: items)
    pack = HeldOutPack(pack_path)
    bundle = BundleUnderTest(bundle_path, settings.threads)
    check_style(bundle, settings.style)
    style = settings.style or bundle.manifest.default_style
    if style == OWN_STYLE:
        raise RequestError(f"pictures are measured in one style; give one of {', '.join(bundle.manifest.styles)}")
    chosen = choose_clips(pack, settings.splits, settings.limit, settings.seed)
    inception = None if settings.inception is None else InceptionFeatures(settings.inception)
    size = bundle.manifest.image_size
    judge = PictureJudge(pack, cache or default_cache(pack_path), track, size, settings.threads)
    scores = PictureScores(judge, bundle, style, settings.seed, track)
    seconds = {"preparing": time.perf_counter() - begin}

    start = time.perf_counter()
    splits = []
    for name, clips in chosen.items():
        recordings = (clip.samples() for clip in track(clips, f"listening to {name}", len(clips)))
        splits.append(HeardSplit.of(name, clips, bundle.hear(recordings), bundle))
    seconds["listening"] = time.perf_counter() - start

    start = time.perf_counter()
    concepts = np.array(bundle.manifest.concepts)
    drawn = scores.draw_prototypes()
    prototypes = {**scores.name_prototypes(drawn), "fidelity": _fidelity(scores, drawn, concepts, settings.seed)}
    reports = {}
    for split in splits:
        own = scores.draw_split(split)
        heard = np.flatnonzero(np.any(split.heard.embeddings != 0, axis=1))
        reports[split.name] = {
            **score_speech(split),
            "concept_accuracy": scores.name_split(split, own)[0],
            "fidelity": _fidelity(scores, own, split.concepts[heard], settings.seed),
        }
    seconds["drawing"] = time.perf_counter() - start

    start = time.perf_counter()
    variations = PictureVariations(judge, bundle, style, settings.concepts, settings.latents, settings.seed, track)
    rows = pack.concept_rows()
    content: dict[str, Any] = {
        **describe_run(REPORT_FORMAT, settings.threads, seconds),
        "kind": "picture",
        "seed": settings.seed,
        "limit": settings.limit,
        "latents": settings.latents,
        "bundle": describe_bundle(bundle),
        "pack": describe_pack(pack),
        "pictures": scores.describe(),
        "floors": _floors(scores, settings.seed),
        "from_prototypes": prototypes,
        "splits": reports,
        "variety": variations.score_variety(),
        "truncation": variations.score_truncation(),
        "styles": variations.score_styles(),
        "ambiguity": variations.score_ambiguity(find_ambiguous(rows, variations.known), splits),
        "composition": score_composition(rows, judge, bundle, splits, style, settings.seed, track),
    }
    seconds["variations"] = time.perf_counter() - start
    if inception is not None:
        start = time.perf_counter()
        content["inception"] = _inception(inception, scores, bundle, pack, style, settings.seed, track)
        seconds["inception"] = time.perf_counter() - start
    content["targets"] = picture_targets(content)
    seconds["total"] = time.perf_counter() - begin
    return rounded(content)


def write_sheets(bundle_path: Path | None, pack_path: Path, settings: PictureSettings, folder: Path) -> list[Path]:
    """Contact sheets of what the bundle draws, into a folder that is there; returns the files."""
    from edge_s2i.evaluation.picture_sheets import PictureSheets

    bundle = BundleUnderTest(bundle_path, settings.threads)
    check_style(bundle, settings.style)
    style = settings.style or bundle.manifest.default_style
    return PictureSheets(bundle, HeldOutPack(pack_path), style, settings.latents, settings.seed).write(folder)


def _fidelity(scores: PictureScores, drawn: np.ndarray, concepts: np.ndarray, seed: int) -> dict[str, Any] | None:
    """KID, FID, precision, recall, density and coverage against the real pictures; None of too few."""
    comparable = scores.comparable(drawn, concepts)
    if comparable is None:
        return None
    real = scores.reference.features
    return {
        "pictures": len(comparable),
        "kid": _plain(fidelity.kernel_distance(comparable, real, seed=seed)),
        "fid": _plain(fidelity.frechet_over_subsets(comparable, real, seed=seed)),
        **_plain_all(manifold.manifold_over_subsets(comparable, real, seed=seed)),
    }


def _floors(scores: PictureScores, seed: int) -> dict[str, Any]:
    real = scores.reference.features
    return {
        "pictures": len(real),
        "kid": _plain(fidelity.real_floor(real, seed=seed)),
        "fid": _plain(fidelity.frechet_floor(real, seed=seed)),
        **_plain_all(manifold.manifold_floor(real, seed=seed)),
    }


def _plain(found: Any) -> dict[str, Any] | None:
    return None if found is None else asdict(found)


def _plain_all(found: Mapping[str, Any] | None) -> dict[str, Any]:
    return {measure: None if found is None else asdict(found[measure]) for measure in manifold.MEASURES}


def _inception(
    network: InceptionFeatures,
    scores: PictureScores,
    bundle: BundleUnderTest,
    pack: HeldOutPack,
    style: str,
    seed: int,
    track: Progress,
) -> dict[str, Any]:
    """Every prototype's drawing against the real pictures that the other distances are taken to."""
    count = len(bundle.manifest.concepts)
    pictures = bundle.draw(bundle.prototypes, seed, [style] * count)
    drawn = network.features(track(pictures, "Inception features of drawings", count))
    shown = [picture for picture in pack.pictures if picture.style in scores.reference.styles]
    size = bundle.manifest.image_size
    sizes = (picture.pixels(size) for picture in track(shown, "Inception features of real pictures", len(shown)))
    return describe_inception(drawn, network.features(sizes))
