"""Retrieval by the speech stage's weights alone, before they are a bundle: what ablations are compared by."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.data.splits import TRAIN
from edge_s2i.errors import TrainingError
from edge_s2i.evaluation.bootstrap import Interval, bootstrap_mean
from edge_s2i.models.speech_weights import SpeechWeights

CUTS = (1, 5, 10)


def compare_encoders(
    runs: Sequence[Path], pack_path: Path, splits: Sequence[str] = (), limit: int | None = None
) -> dict[str, tuple[int, dict[str, dict[str, Interval]]]]:
    """Training step and `encoder_recall` of each run's speech.safetensors, by its path; all held-out splits if none."""
    pack = Pack.open(pack_path)
    chosen = splits or held_out_splits(pack)
    loaded = {str(path): SpeechWeights.load(path) for path in runs}  # a wrong path is known before minutes of work
    return {path: (weights.step, encoder_recall(weights, pack, chosen, limit)) for path, weights in loaded.items()}


def held_out_splits(pack: Pack) -> list[str]:
    """Splits of a pack's clips that training never has, sorted."""
    counted = pack.manifest["counts"]["clips_by_split"]
    return sorted(set(counted) - {TRAIN})


def encoder_recall(
    weights: SpeechWeights, pack: Pack, splits: Sequence[str], limit: int | None = None
) -> dict[str, dict[str, Interval]]:
    """R@1, R@5 and R@10 among all concepts of the held-out clips of `splits`, with bootstrap intervals over concepts.

    limit: clips of each split, evenly over the split; None for all. Raises TrainingError for weights of other concepts.
    """
    if weights.concepts != pack.concept_ids:
        raise TrainingError(f"the weights are of other concepts than {pack.path} holds; give the pack they come from")
    cache = LogMelCache.of(pack)
    report = {}
    for split in splits:
        clips = cache.of_split(split)
        if limit is not None and len(clips) > limit:
            clips = clips[np.linspace(0, len(clips) - 1, limit).astype(int)]
        if not len(clips):
            raise TrainingError(f"{pack.path} has no held-out clips in split {split!r}")
        similarity = (weights.embed(cache, clips) @ weights.prototypes.T).numpy()
        concept = cache.concept[clips]
        own = similarity[np.arange(len(clips)), concept]
        rank = (similarity > own[:, None]).sum(axis=1)
        intervals = {f"R@{cut}": bootstrap_mean((rank < cut).astype(float), concept) for cut in CUTS}
        report[split] = {name: interval for name, interval in intervals.items() if interval is not None}
    return report
