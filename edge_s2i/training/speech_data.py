"""Batches of log-mels for the speech stage, drawn by (seed, step) so that a resumed run sees what it would have."""

from collections.abc import Iterator

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from edge_s2i.data.hashing import draw
from edge_s2i.data.log_mel_cache import LogMelCache, ViewPlan
from edge_s2i.data.pack import Pack
from edge_s2i.data.phone_targets import PhoneTargets
from edge_s2i.errors import TrainingError
from edge_s2i.evaluation.pooled_features import PictureFeatures
from edge_s2i.models.spectral_trunk import SpectralTrunk
from edge_s2i.models.whisper_listener import WhisperListener
from edge_s2i.training.concept_features import caption_features
from edge_s2i.training.listener_frames import ListenerFrames
from edge_s2i.training.log_mel_augmentation import LogMelAugmentationConfig
from edge_s2i.training.trunk_features import HeardClips, TrunkFeatures

_POOL = 32  # batches drawn together at most, then sorted by length: padding falls from about 45% to 5%


class ClipBatches(Sampler[np.ndarray]):
    """One epoch of `steps` batches, continued from the trainer's step.

    Batch `step` of `weights`-proportional clips depends on (seed, rank, step) alone; clips of similar length share
    a batch. By step `late_from` the weights have gone over, evenly, into `late_weights`.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        weights: np.ndarray,
        batch_size: int,
        steps: int,
        seed: int,
        trainer: lightning.Trainer | None = None,
        late_weights: np.ndarray | None = None,
        late_from: int = 0,
    ) -> None:
        self.lengths = lengths
        self.cumulative = np.cumsum(weights / weights.sum())
        late = weights if late_weights is None else late_weights
        self.late_cumulative = np.cumsum(late / late.sum())
        self.late_from = late_from
        self.batch_size = batch_size
        self.pool = min(_POOL, max(1, len(lengths) // batch_size))  # of more, a batch would be of one clip many times
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
            if step // self.pool != pool_number:
                pool_number = step // self.pool
                batches = self._pool(pool_number)
            yield batches[step % self.pool]

    def _pool(self, number: int) -> list[np.ndarray]:
        rank = 0 if self.trainer is None else self.trainer.global_rank
        random = np.random.default_rng((self.seed, rank, number))
        draws = random.random(self.pool * self.batch_size)
        late = random.random(self.pool * self.batch_size) * self.late_from < number * self.pool
        found = np.where(late, np.searchsorted(self.late_cumulative, draws), np.searchsorted(self.cumulative, draws))
        clips = np.minimum(found, len(self.lengths) - 1)
        clips = clips[np.argsort(self.lengths[clips], kind="stable")]
        batches = np.split(clips, self.pool)
        # In one order on every device: where one has short clips and another long ones, one waits.
        order = np.random.default_rng((self.seed, number)).permutation(self.pool)
        return [batches[position] for position in order]


class ClipDataset(Dataset):
    """Maps an array of positions to one collated batch."""

    def __init__(
        self,
        cache: LogMelCache,
        clips: np.ndarray,
        phones: PhoneTargets | None = None,
        listener: ListenerFrames | None = None,
    ) -> None:
        self.cache = cache
        self.clips = clips
        self.phones = phones
        self.listener = listener
        self.plain = np.cumsum(cache.view == 0) - 1  # number of a clip in the cache without renderings

    def __getitem__(self, positions: np.ndarray) -> dict[str, torch.Tensor]:
        """Codes (B, T, MEL_BANDS) uint8, lengths (B,) int64, concept (B,) int64, clip (B,) int64.

        With phones also: phones (B, P) int64 padded with 0, phone_counts (B,) int64. With a listener also: shown
        (B, S, C) float16, what it heard, and shown_lengths (B,) int64, 0 of a clip that it did not hear.
        """
        clips = self.clips[positions]
        codes, lengths = self.cache.batch(clips)
        targets = {}
        if self.phones is not None:
            phones, counts = self.phones.batch(clips)
            targets = {"phones": torch.from_numpy(phones), "phone_counts": torch.from_numpy(counts)}
        if self.listener is not None:
            shown, shown_lengths = self.listener.batch(self.plain[clips], self.cache.view[clips] == 0)
            targets |= {"shown": torch.from_numpy(shown), "shown_lengths": torch.from_numpy(shown_lengths)}
        return targets | {
            "codes": torch.from_numpy(codes),
            "lengths": torch.from_numpy(lengths.astype(np.int64)),
            "concept": torch.from_numpy(self.cache.concept[clips].astype(np.int64)),
            "clip": torch.from_numpy(clips.astype(np.int64)),
        }


class HeardDataset(Dataset):
    """Maps an array of rows to one collated batch of what a frozen trunk heard."""

    def __init__(self, heard: TrunkFeatures) -> None:
        self.heard = heard

    def __getitem__(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        return self.heard.batch(rows)


class SpeechData(lightning.LightningDataModule):
    """Speech of a data pack, with frozen features of its pictures and captions.

    Args:
        pack: folder of the data pack.
        batch_size: clips a step on each device.
        steps_per_epoch: an epoch is a number of steps, since clips are drawn by weight.
        human_weight: how much likelier a human recording is drawn than a synthetic one.
        captions: use the caption teacher.
        phones: read what is said, for the phoneme head; needs espeak-ng.
        listener: show what Whisper's encoder hears of people and of voices made from people's, frame by frame.
        human_views, synthetic_views: renderings of each training clip through the recording chain, beside the clip.
        views_chain: how hard they are: light, moderate or heavy.
        views_share: of the batch, once the renderings have come in.
        views_from: the step by which they have, evenly from none at the start.
        voice_share, recording_share: of the synthetic speakers, and of people's recordings, to train on; for learning
            curves.
        other_words_share: of the batch, of words that name no concept, where the pack has them.
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
        phones: bool = False,
        listener: bool = False,
        human_views: int = 0,
        synthetic_views: int = 0,
        views_chain: str = "moderate",
        views_share: float = 0.5,
        views_from: int = 0,
        other_words_share: float = 0.06,
        voice_share: float = 1.0,
        recording_share: float = 1.0,
        workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        if not 0.0 <= views_share <= 1.0:
            raise TrainingError(f"views_share is {views_share}; give the renderings' share of the batch, 0 to 1")
        self.plan = ViewPlan(human_views, synthetic_views, views_chain)
        self.use_phones = phones
        self.use_listener = listener
        self.views_share = views_share
        self.other_words_share = other_words_share
        for name, share in (("voice_share", voice_share), ("recording_share", recording_share)):
            if not 0.0 < share <= 1.0:
                raise TrainingError(f"{name} is {share}; give more than 0 and at most 1")
        self.voice_share = voice_share
        self.recording_share = recording_share
        self.views_from = views_from
        self.pack_folder = pack
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.human_weight = human_weight
        self.use_captions = captions
        self.workers = workers
        self.seed = seed
        self.cache: LogMelCache | None = None
        self.heard: TrunkFeatures | None = None
        self.unknown_share = 0.0  # of what was heard, sounds that are no concept

    def prepare_data(self) -> None:
        """Makes the caches of the pack, in one process."""
        self._load()

    def setup(self, stage: str | None = None) -> None:
        self._load()

    def _load(self) -> None:
        if self.cache is not None:
            return
        self.pack = Pack.open(self.pack_folder)
        self.pictures = PictureFeatures.of(self.pack)
        self.captions = caption_features(self.pack) if self.use_captions else None
        self.cache = LogMelCache.of(self.pack, plan=self.plan)
        self.phones = PhoneTargets.of(self.pack, self.cache) if self.use_phones else None
        self.listener = ListenerFrames.of(self.pack) if self.use_listener else None
        if not (self.cache.split == "train").any():
            raise TrainingError(f"{self.pack_folder} has no clips of split train; build speech into it first")

    def hear(
        self,
        trunk: SpectralTrunk | WhisperListener,
        augmentation: LogMelAugmentationConfig,
        copies: int,
        unknown_share: float,
        short: bool,
    ) -> None:
        """Has training read what `trunk`, which must stay as it is, hears of the clips: `copies` times each."""
        clips, *_ = self._training_clips()
        self.unknown_share = unknown_share
        heard = HeardClips.through(
            trunk,
            pack=self.pack.path,
            plan=self.plan,
            clips=clips,
            augmentation=augmentation,
            unknown_share=unknown_share,
            short=short,
        )
        self.heard = TrunkFeatures.of(heard, copies)

    def train_dataloader(self) -> DataLoader:
        assert self.cache is not None
        clips, weights, late_weights = self._training_clips()
        dataset: Dataset
        if self.heard is None:
            dataset, lengths = ClipDataset(self.cache, clips, self.phones, self.listener), self.cache.lengths[clips]
        else:
            dataset, lengths = HeardDataset(self.heard), self.heard.lengths
            strange = self.heard.rows_a_copy - len(clips)
            sounds = np.full(strange, self.unknown_share / max(1, strange))
            copies = len(self.heard.frames)
            weights, late_weights = (
                np.tile(np.concatenate([some, sounds]), copies) for some in (weights, late_weights)
            )
        sampler = ClipBatches(
            lengths,
            weights,
            self.batch_size,
            self.steps_per_epoch,
            self.seed,
            self.trainer,
            late_weights,
            self.views_from,
        )
        return DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=self.workers)

    def _training_clips(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Clips to train on, and their chances before the renderings have come in and after; each sums to 1."""
        assert self.cache is not None
        known, unknown = self.cache.of_split("train"), self.cache.of_split("unknown")
        kept = self._shared(known)  # the others stay, never drawn: what a trunk has heard of all serves every share
        share = self.other_words_share if len(unknown) else 0.0
        clips = np.concatenate([known, unknown])
        others = np.where(self.cache.human[unknown], self.human_weight, 1.0)
        others *= share / max(1.0, others.sum())
        if not kept.any():
            raise TrainingError(
                f"voice_share {self.voice_share} and recording_share {self.recording_share} leave no clip to train on"
            )
        weights, late_weights = (
            np.concatenate([some / some.sum() * (1.0 - share), others]) for some in self._weights(known, kept)
        )
        return clips, weights, late_weights

    def _shared(self, clips: np.ndarray) -> np.ndarray:
        """Which of `clips` the shares leave, by hash: of speakers where they are synthetic, of texts of people."""
        assert self.cache is not None
        if self.voice_share == self.recording_share == 1.0:
            return np.ones(len(clips), bool)
        human = self.cache.human[clips]
        # What some people say is not written down: then it goes by what it names.
        said = np.char.add(
            self.cache.text[clips], np.where(self.cache.text[clips] == "", self.cache.concept[clips], "")
        )
        names = np.where(human, said, self.cache.speaker[clips])
        drawn = {name: draw("share", name) for name in set(names.tolist())}
        share = np.where(human, self.recording_share, self.voice_share)
        return np.array([drawn[name] for name in names.tolist()]) < share

    def _weights(self, clips: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Chances (N,) of being drawn, before the renderings have come in and after; 0 of what is not `kept`."""
        assert self.cache is not None
        plain = np.where(self.cache.human[clips], self.human_weight, 1.0) * kept
        rendered = self.cache.view[clips] > 0
        if not rendered.any():
            return plain, plain
        views = np.where(self.cache.human[clips], max(1, self.plan.human), max(1, self.plan.synthetic))
        early = np.where(rendered, 0.0, plain)
        late = np.where(rendered, plain / views, 0.0)
        return early, early / early.sum() * (1.0 - self.views_share) + late / late.sum() * self.views_share

    def val_dataloader(self) -> DataLoader:
        """Clips of split val, human and synthetic, shortest first."""
        assert self.cache is not None
        clips = self.cache.of_split("val")
        order = np.argsort(self.cache.lengths[clips], kind="stable")
        batches = [order[start : start + 256] for start in range(0, len(order), 256)]
        return DataLoader(ClipDataset(self.cache, clips), sampler=batches, batch_size=None, num_workers=0)
