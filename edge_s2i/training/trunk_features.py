"""What a frozen trunk hears of the training clips, kept: a step then costs what is trained, not what is not.

The trunk is nine tenths of an encoder's arithmetic. Each copy on disk holds every clip through the trunk once, the
first as it is and the others augmented, each differently; training draws from all of them.
"""

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from edge_s2i.data.log_mel_cache import LOG_MEL_FORMAT, UNKNOWN_CONCEPT, LogMelCache, ViewPlan
from edge_s2i.data.pack import Pack
from edge_s2i.models.spectral_trunk import SpectralTrunk
from edge_s2i.models.torch_log_mel import normalize_log_mel
from edge_s2i.models.whisper_listener import NAME, WhisperListener, load_pretrained
from edge_s2i.training.log_mel_augmentation import LogMelAugmentationConfig, augment, spec_augment, unknown_sounds

_FORMAT = 1
_BATCH = 256


@dataclass(frozen=True)
class HeardClips:
    """Which clips, through which trunk, how: what a copy depends on, beside its number."""

    pack: Path
    plan: ViewPlan
    clips: np.ndarray  # (clips,) numbers in the log-mel cache
    channels: tuple[int, ...]
    weights: dict[str, np.ndarray]  # the trunk's state; none of a listener, whose weights are published
    augmentation: LogMelAugmentationConfig
    unknown_share: float  # sounds that are no concept, made of the clips, beside so many of them
    short: bool = True  # products in bfloat16

    @classmethod
    def through(cls, trunk: SpectralTrunk | WhisperListener, **how: Any) -> "HeardClips":
        """The clips that `how` tells of, through `trunk`."""
        state = {} if isinstance(trunk, WhisperListener) else trunk.state_dict()
        weights = {name: value.detach().cpu().numpy() for name, value in state.items()}
        return cls(channels=trunk.channels, weights=weights, **how)

    def trunk(self) -> SpectralTrunk | WhisperListener:
        """It, as it is to hear."""
        if not self.weights:
            listener = WhisperListener()
            load_pretrained(listener)
            return listener
        trunk = SpectralTrunk(self.channels)
        trunk.load_state_dict({name: torch.from_numpy(values) for name, values in self.weights.items()})
        trunk.train().requires_grad_(False)
        trunk.short = self.short
        return trunk

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{_FORMAT}{self.plan.name}{self.plan.fingerprint()}{self.augmentation}".encode())
        if not self.weights:
            digest.update(NAME.encode())
        digest.update(f"{LOG_MEL_FORMAT}{Pack.open(self.pack).fingerprint()}{self.unknown_share}{self.short}".encode())
        for values in (self.clips, *self.weights.values()):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class TrunkFeatures:
    """Row r is copy r // rows_a_copy of clip r % rows_a_copy; behind the clips come sounds that are no concept."""

    frames: tuple[np.ndarray, ...]  # of each copy, (total frames, C) float16, memory-mapped
    offsets: np.ndarray  # (rows,) int64, within the copy
    lengths: np.ndarray  # (rows,) int64
    concept: np.ndarray  # (rows,) int64
    rows_a_copy: int

    @classmethod
    def of(cls, heard: HeardClips, copies: int, jobs: int = 2) -> "TrunkFeatures":
        """Opens the copies in the pack's cache, making those that are missing."""
        folder = heard.pack / "cache"
        paths = [folder / f"trunk-{heard.fingerprint()}-{copy}" for copy in range(copies)]
        missing = [
            copy
            for copy, path in enumerate(paths)
            if not (path.with_suffix(".npz").is_file() and path.with_suffix(".f16").is_file())
        ]
        if missing:
            # Not forked: torch's threads do not come along.
            with ProcessPoolExecutor(min(jobs, len(missing)), multiprocessing.get_context("spawn")) as pool:
                made = [pool.submit(_make_copy, heard, copy, paths[copy]) for copy in missing]
                for one in track(made, "clips through the trunk"):
                    one.result()
        indices = [np.load(path.with_suffix(".npz")) for path in paths]
        return cls(
            frames=tuple(
                np.memmap(path.with_suffix(".f16"), np.float16, "r").reshape(-1, heard.channels[-1]) for path in paths
            ),
            rows_a_copy=len(indices[0]["lengths"]),
            **{name: np.concatenate([index[name] for index in indices]) for name in ("offsets", "lengths", "concept")},
        )

    def batch(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        """heard (B, C, 1, T) float32 padded with 0, lengths (B,) int64, concept (B,) int64."""
        lengths = self.lengths[rows]
        batch = np.zeros((len(rows), int(lengths.max()), self.frames[0].shape[1]), np.float16)
        for place, row in enumerate(rows):
            frames = self.frames[row // self.rows_a_copy]
            batch[place, : lengths[place]] = frames[self.offsets[row] : self.offsets[row] + lengths[place]]
        return {
            "heard": torch.from_numpy(batch).float().transpose(1, 2).unsqueeze(2),
            "lengths": torch.from_numpy(lengths),
            "concept": torch.from_numpy(self.concept[rows]),
        }


def _make_copy(heard: HeardClips, copy: int, path: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(copy)
    cache = LogMelCache.of(Pack.open(heard.pack), plan=heard.plan)
    trunk = heard.trunk()
    clips, config = heard.clips, heard.augmentation
    strange = np.random.default_rng(copy).permutation(len(clips))[: int(len(clips) * heard.unknown_share)]
    rows = [*range(len(clips)), *(-1 - position for position in strange)]  # negative: made into no concept
    numbers = np.concatenate([clips, clips[strange]])
    lengths, offsets = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    written = 0
    partial = path.with_suffix(f".{os.getpid()}.partial")
    order = np.argsort(cache.lengths[numbers], kind="stable")
    with partial.open("wb") as file, torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            log_mel, frames = (torch.from_numpy(array) for array in cache.log_mel_batch(numbers[places]))
            made_up = torch.tensor([rows[place] < 0 for place in places])
            if made_up.any():
                log_mel[made_up] = unknown_sounds(log_mel[made_up], frames[made_up], config)
            if copy:
                log_mel, frames = augment(log_mel, frames, config)
            features = normalize_log_mel(log_mel, frames)
            features = spec_augment(features, frames, config) if copy else features
            output = trunk(features, frames)[:, :, 0].transpose(1, 2).to(torch.float16).numpy()
            for place, row, length in zip(places, output, trunk.frames_of(frames).tolist(), strict=True):
                file.write(row[:length].tobytes())
                lengths[place], offsets[place] = length, written
                written += length
    os.replace(partial, path.with_suffix(".f16"))
    concept = np.concatenate([cache.concept[clips], np.full(len(strange), UNKNOWN_CONCEPT)]).astype(np.int64)
    index_partial = path.with_suffix(f".{os.getpid()}.partial.npz")
    np.savez(index_partial, lengths=lengths, offsets=offsets, concept=concept)
    os.replace(index_partial, path.with_suffix(".npz"))
