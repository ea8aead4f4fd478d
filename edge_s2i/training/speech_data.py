"""Batches of log-mels for the speech stage, drawn by (seed, step) so that a resumed run sees what it would have."""

from collections.abc import Iterator

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.training.concept_features import PictureFeatures, caption_features

_POOL = 8  # batches drawn together, then sorted by length: padding falls from about 45% to 10%


class ClipBatches(Sampler[np.ndarray]):
    """One epoch of `steps` batches, continued from the trainer's step.

    Batch `step` of `weights`-proportional clips depends on (seed, rank, step) alone; clips of similar length share
    a batch.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        weights: np.ndarray,
        batch_size: int,
        steps: int,
        seed: int,
        trainer: lightning.Trainer | None = None,
    ) -> None:
        self.lengths = lengths
        self.cumulative = np.cumsum(weights / weights.sum())
        self.batch_size = batch_size
        self.steps = steps
        self.seed = seed
        self.trainer = trainer

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[np.ndarray]:
        # The trainer's count of epochs is one off after a resume; its count of steps is not.
        first = 0 if self.trainer is None else self.trainer.global_step
        pool_number, batches = -1, []
        for step in range(first, (first // self.steps + 1) * self.steps):
            if step // _POOL != pool_number:
                pool_number = step // _POOL
                batches = self._pool(pool_number)
            yield batches[step % _POOL]

    def _pool(self, number: int) -> list[np.ndarray]:
        rank = 0 if self.trainer is None else self.trainer.global_rank
        random = np.random.default_rng((self.seed, rank, number))
        draws = random.random(_POOL * self.batch_size)
        clips = np.minimum(np.searchsorted(self.cumulative, draws), len(self.lengths) - 1)
        clips = clips[np.argsort(self.lengths[clips], kind="stable")]
        batches = np.split(clips, _POOL)
        return [batches[position] for position in random.permutation(_POOL)]


class ClipDataset(Dataset):
    """Maps an array of positions to one collated batch."""

    def __init__(self, cache: LogMelCache, clips: np.ndarray) -> None:
        self.cache = cache
        self.clips = clips

    def __getitem__(self, positions: np.ndarray) -> dict[str, torch.Tensor]:
        """Codes (B, T, MEL_BANDS) uint8, lengths (B,) int64, concept (B,) int64, clip (B,) int64."""
        clips = self.clips[positions]
        codes, lengths = self.cache.batch(clips)
        return {
            "codes": torch.from_numpy(codes),
            "lengths": torch.from_numpy(lengths.astype(np.int64)),
            "concept": torch.from_numpy(self.cache.concept[clips].astype(np.int64)),
            "clip": torch.from_numpy(clips.astype(np.int64)),
        }


class SpeechData(lightning.LightningDataModule):
    """Speech of a data pack, with frozen features of its pictures and captions.

    Args:
        pack: folder of the data pack.
        batch_size: clips a step on each device.
        steps_per_epoch: an epoch is a number of steps, since clips are drawn by weight.
        human_weight: how much likelier a human recording is drawn than a synthetic one.
        captions: use the caption teacher.
        workers: loader processes; 0 reads in the training process, which is enough for memory-mapped codes.
        seed: of the order of clips.
    """

    def __init__(
        self,
        pack: str,
        batch_size: int = 256,
        steps_per_epoch: int = 200,
        human_weight: float = 3.0,
        captions: bool = True,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.pack_folder = pack
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.human_weight = human_weight
        self.use_captions = captions
        self.workers = workers
        self.seed = seed
        self.cache: LogMelCache | None = None

    def prepare_data(self) -> None:
        """Makes the caches, in one process."""
        self._load()

    def setup(self, stage: str | None = None) -> None:
        self._load()

    def _load(self) -> None:
        if self.cache is not None:
            return
        self.pack = Pack.open(self.pack_folder)
        self.pictures = PictureFeatures.of(self.pack)
        self.captions = caption_features(self.pack) if self.use_captions else None
        self.cache = LogMelCache.of(self.pack)
        if not (self.cache.split == "train").any():
            raise TrainingError(f"{self.pack_folder} has no clips of split train; build speech into it first")

    def train_dataloader(self) -> DataLoader:
        assert self.cache is not None
        clips = self.cache.of_split("train")
        weights = np.where(self.cache.human[clips], self.human_weight, 1.0)
        sampler = ClipBatches(
            self.cache.lengths[clips], weights, self.batch_size, self.steps_per_epoch, self.seed, self.trainer
        )
        return DataLoader(ClipDataset(self.cache, clips), sampler=sampler, batch_size=None, num_workers=self.workers)

    def val_dataloader(self) -> DataLoader:
        """Clips of split val, human and synthetic, shortest first."""
        assert self.cache is not None
        clips = self.cache.of_split("val")
        order = np.argsort(self.cache.lengths[clips], kind="stable")
        batches = [order[start : start + 256] for start in range(0, len(order), 256)]
        return DataLoader(ClipDataset(self.cache, clips), sampler=batches, batch_size=None, num_workers=0)
