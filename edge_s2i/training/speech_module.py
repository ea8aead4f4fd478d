"""Stage one: the speech encoder and the space it shares with pictures and captions."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from edge_s2i.data.log_mel_cache import CODE_LOW, CODE_STEP, UNKNOWN_CONCEPT, LogMelCache
from edge_s2i.data.pronunciation import PHONES
from edge_s2i.errors import TrainingError
from edge_s2i.losses.info_nce import LearnedScale, cross_entropy_of_positives, info_nce, uniform_cross_entropy
from edge_s2i.losses.phoneme_ctc import phoneme_ctc
from edge_s2i.models import whisper_listener
from edge_s2i.models.ema import ExponentialMovingAverage
from edge_s2i.models.phoneme_head import PHONES_A_FRAME, PhonemeHead
from edge_s2i.models.picture_tower import CaptionTower, PictureTower
from edge_s2i.models.spectral_trunk import PRETRAINED_CHANNELS, SpectralTrunk, load_pretrained
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.models.speech_weights import SpeechWeights, published_in
from edge_s2i.models.torch_log_mel import normalize_log_mel
from edge_s2i.models.whisper_listener import WhisperListener
from edge_s2i.training.log_mel_augmentation import (
    LogMelAugmentationConfig,
    draw_warp,
    spec_augment,
    surround,
    unknown_sounds,
    warp,
)
from edge_s2i.training.speech_data import SpeechData
from edge_s2i.training.teacher import FrameReading, Lesson, Teacher, frames_lesson

# What keeps training from learning the few copies of a clip by heart: noise as a share of each channel's deviation, and
# frames taken away.
_HEARD_NOISE, _HEARD_FRAMES_LOST = 0.3, 0.05

_Stage = tuple[torch.Tensor, torch.Tensor]  # (B, C, 1, frames) and the mask (B, 1, 1, frames) of its valid ones


class SpeechModule(lightning.LightningModule):
    """Trains a SpeechEncoder against pictures, captions and concept prototypes by InfoNCE.

    Three targets share one space: a projection of frozen picture features, a projection of a frozen caption
    embedding (where the data module has them), and a free prototype a concept, which is what confidence is read
    from. Sounds that are no concept are pushed to no prototype in particular.

    Args:
        encoder: shape of the SpeechEncoder.
        augmentation: strengths of the augmentation on log-mels.
        learning_rate: peak, after warm-up; falls to 0 along a cosine at the trainer's max_steps.
        weight_decay: AdamW's, on matrices only.
        warmup_steps: linear warm-up.
        picture_weight, caption_weight, prototype_weight, unknown_weight: of the terms of the loss.
        other_concepts: pictures and captions of how many random concepts each step contrasts with, beside its own.
        unknown_share: sounds that are no concept, as a share of the batch.
        ema_decay: of the encoder whose weights are validated and saved.
        margin: taken off the cosine with the right prototype in training, so that the nearest wrong ones, the hard
            negatives, go on being pushed away when they are merely further (CosFace, arXiv 1801.09414, eq. 4).
        phoneme_weight: of the phoneme head's CTC; above 0 the data module must read phones.
        phoneme_stage: the encoder's stage that the head listens to, 0 for the first.
        phoneme_alone_steps: the head's own warm-up, in which it listens without changing the encoder.
        start_from: speech.safetensors of an earlier run to start from, of the same encoder and concepts.
        short_products: multiply in bfloat16 where a CPU with AVX-512 BF16 gains by it: a step takes two thirds.
        augmentation_steps: augmentation grows from nothing to its full strength over so many steps.
        trunk_rate: learning rate of the encoder's trunk, as a share of the others'; at 0 it stays as it is. A trunk of
            the published shape starts from the published weights.
        trunk_frozen_stages: how many of a trained trunk's five stages, from the first, stay as they are all the same;
            the first three are three quarters of its arithmetic and know least about words.
        trunk_copies: how often each clip goes through a trunk that stays as it is before training, once as it is and
            then augmented, each time differently; 0 hears anew in every step, which costs five times as much.
        embeddings: write every clip's embedding when done, which the picture stage reads.
        teacher: speech.safetensors of a larger encoder's run on the same pack. Both hear the same voice, throat and
            tempo varied, this one through room, noise and microphone as well; and it is to put it where the teacher
            does, long and patiently (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and
            consistent", arXiv 2106.05237). Whatever of the teacher has this encoder's shape is its start.
        teacher_written: the teacher does not listen: embeddings.safetensors beside it says where it put each clip as it
            is, and the space that they are in is this encoder's too. A fifth of the arithmetic, and fewer lessons.
        teacher_weight: of 1 - cosine with the teacher's embedding.
        frames_weight: of how far what is read from the encoder's last stage, frame by frame, is from what Whisper's
            encoder hears there, with `data.listener`, or else from the frames of the teacher's trunk: the mean square
            difference, each channel in its own deviation.
    """

    picture_features: torch.Tensor
    picture_order: torch.Tensor
    picture_count: torch.Tensor
    picture_offset: torch.Tensor
    caption_features: torch.Tensor

    def __init__(
        self,
        encoder: SpeechEncoderConfig = SpeechEncoderConfig(),  # noqa: B008 - frozen dataclass
        augmentation: LogMelAugmentationConfig = LogMelAugmentationConfig(),  # noqa: B008 - frozen dataclass
        learning_rate: float = 2e-3,
        weight_decay: float = 0.02,
        warmup_steps: int = 200,
        picture_weight: float = 0.3,
        caption_weight: float = 0.3,
        prototype_weight: float = 1.0,
        unknown_weight: float = 0.3,
        other_concepts: int = 192,
        unknown_share: float = 0.06,
        ema_decay: float = 0.999,
        margin: float = 0.0,
        phoneme_weight: float = 0.0,
        phoneme_stage: int = 1,
        phoneme_alone_steps: int = 200,
        start_from: str | None = None,
        short_products: bool = False,
        augmentation_steps: int = 0,
        trunk_rate: float = 0.0,
        trunk_frozen_stages: int = 0,
        trunk_copies: int = 0,
        embeddings: bool = True,
        teacher: str | None = None,
        teacher_written: bool = False,
        teacher_weight: float = 4.0,
        frames_weight: float = 4.0,
    ) -> None:
        super().__init__()
        if phoneme_weight > 0 and not 0 <= phoneme_stage < len(encoder.channels):
            raise TrainingError(
                f"phoneme_stage is {phoneme_stage}; the encoder has stages 0 to {len(encoder.channels) - 1}"
            )
        self.save_hyperparameters({"encoder": asdict(encoder), "augmentation": asdict(augmentation)})
        self.augmentation = augmentation
        self.augmentation_steps = augmentation_steps
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup_steps = warmup_steps
        self.picture_weight = picture_weight
        self.caption_weight = caption_weight
        self.prototype_weight = prototype_weight
        self.unknown_weight = unknown_weight
        self.other_concepts = other_concepts
        self.unknown_share = unknown_share
        self.margin = margin
        self.phoneme_weight = phoneme_weight
        self.phoneme_stage = phoneme_stage
        self.phoneme_alone_steps = phoneme_alone_steps
        self.start_from = start_from
        self.trunk_rate = trunk_rate
        self.trunk_copies = trunk_copies
        self.embeddings = embeddings
        self.teacher_path = teacher
        self.teacher_written = teacher_written
        self.teacher_weight = teacher_weight
        self.frames_weight = frames_weight
        self.frame_reading: FrameReading | None = None
        self._teacher: Teacher | None = None
        self._check_trunk_copies(encoder)
        self.encoder = SpeechEncoder(encoder)
        if encoder.trunk:
            self._prepare_trunk(trunk_frozen_stages)
        elif isinstance(self.encoder.trunk, WhisperListener) and start_from is None:
            whisper_listener.load_pretrained(self.encoder.trunk)
        self.short_products = short_products
        self.encoder.shorten_products(short_products)
        self.phoneme_head = (
            PhonemeHead(encoder.channels[phoneme_stage], 1 + len(PHONES)) if phoneme_weight > 0 else None
        )
        self.ema = ExponentialMovingAverage(self.encoder, ema_decay)
        self.picture_tower = PictureTower(embedding_dim=encoder.embedding_dim)
        self.caption_tower: CaptionTower | None = None
        self.picture_scale = LearnedScale()
        self.caption_scale = LearnedScale()
        self.prototype_scale = LearnedScale()
        self._learned_from = set(published_in(encoder))
        self._validation: list[tuple[torch.Tensor, ...]] = []

    def _check_trunk_copies(self, encoder: SpeechEncoderConfig) -> None:
        if self.teacher_path is not None and self.trunk_copies:
            raise TrainingError("a teacher needs the clips themselves; set trunk_copies to 0")
        published = bool(encoder.listener or (encoder.trunk and not encoder.trunk_blocks))
        kept = published and self.trunk_rate == 0 and self.phoneme_weight == 0
        if self.trunk_copies < 0 or (self.trunk_copies and not kept):
            raise TrainingError(
                f"trunk_copies is {self.trunk_copies}; it must be 0 or more, and above 0 it needs an encoder with a "
                "trunk without trunk_blocks, trunk_rate 0 and phoneme_weight 0"
            )

    def _prepare_trunk(self, frozen_stages: int) -> None:
        spectral, channels = self.encoder.spectral_trunk, self.encoder.config.trunk
        if spectral is not None and channels == PRETRAINED_CHANNELS and self.start_from is None:
            load_pretrained(spectral)
        elif self.start_from is None and self.trunk_rate == 0:
            raise TrainingError(
                f"a trunk of {channels} channels has no published weights and would stay as chance made it; "
                f"set trunk_rate above 0, or encoder.trunk to {PRETRAINED_CHANNELS}"
            )
        assert self.encoder.trunk is not None
        self.encoder.trunk.requires_grad_(self.trunk_rate > 0)
        if frozen_stages > 0:
            if spectral is None:
                raise TrainingError("trunk_frozen_stages must be 0 with trunk_blocks: they have no published weights")
            spectral.freeze(frozen_stages)

    # --- what depends on the data ------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Takes the frozen features from the data module; prototypes get their size from its concepts."""
        if hasattr(self, "prototypes"):
            return
        data: SpeechData = self.trainer.datamodule  # type: ignore[attr-defined]
        concepts = len(data.pack.concept_ids)
        trained = data.pictures.split == "train"
        features = torch.from_numpy(data.pictures.features[trained])
        self.register_buffer("picture_features", features, persistent=False)
        # Pictures sorted by concept with offsets: one random picture of each of many concepts is two look-ups.
        concept = torch.from_numpy(data.pictures.concept[trained].astype(np.int64))
        order = torch.argsort(concept, stable=True)
        counts = torch.bincount(concept, minlength=concepts)
        self.register_buffer("picture_order", order, persistent=False)
        self.register_buffer("picture_count", counts, persistent=False)
        self.register_buffer("picture_offset", torch.cumsum(counts, 0) - counts, persistent=False)
        dim = self.encoder.config.embedding_dim
        if data.captions is not None:
            self.register_buffer("caption_features", torch.from_numpy(data.captions), persistent=False)
        # From a seed of their own: whether the caches had to be made first must not change the start.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(data.seed)
            if data.captions is not None:
                self.caption_tower = CaptionTower(features=data.captions.shape[1], embedding_dim=dim)
            self.prototypes = nn.Parameter(F.normalize(torch.randn(concepts, dim), dim=1))
        if self.phoneme_head is not None and data.phones is None:
            raise TrainingError("model.phoneme_weight is above 0 and data.phones is false; set data.phones to true")
        if self.start_from is not None:
            self._start_from(SpeechWeights.load(self.start_from), data)
        if self.teacher_path is not None:
            self._teacher = Teacher(
                self.teacher_path, data.pack.concept_ids, dim, short=self.short_products, written=self.teacher_written
            )
            self._learned_from.update(self._teacher.weights.learned_from)
            if self.start_from is None:
                self._teacher.give_start(self.encoder)
                self.ema.average.load_state_dict(self.encoder.state_dict())
                self._start_space(self._teacher.weights)

        self._prepare_frame_reading(data)

    def _prepare_frame_reading(self, data: SpeechData) -> None:
        """Frames come from one who hears them better: Whisper where it listens, or else the teacher's trunk."""
        shown = 0 if self._teacher is None else self._teacher.shown
        if data.listener is not None:
            self._learned_from.add(whisper_listener.NAME)
            shown = whisper_listener.CHANNELS
            if self._teacher is not None:
                self._teacher.shown = 0
        if shown and self.frames_weight > 0:
            self.frame_reading = FrameReading(self.encoder.config.channels[-1], shown)

    def _start_from(self, weights: SpeechWeights, data: SpeechData) -> None:
        if weights.concepts != data.pack.concept_ids:
            raise TrainingError(f"{self.start_from} was trained on other concepts than {data.pack_folder} holds")
        if weights.encoder.config != self.encoder.config:
            raise TrainingError(f"{self.start_from} holds an encoder of another shape: {weights.encoder.config}")
        self._learned_from.update(weights.learned_from)
        self.encoder.load_state_dict(weights.encoder.state_dict())
        self.ema.average.load_state_dict(weights.encoder.state_dict())
        self._start_space(weights)

    def _start_space(self, weights: SpeechWeights) -> None:
        """Takes what speech is compared with."""
        self.picture_tower.load_state_dict(weights.picture_tower.state_dict())
        with torch.no_grad():
            self.prototypes.copy_(weights.prototypes)
            self.prototype_scale.log_scale.fill_(math.log(weights.scale))

    def configure_optimizers(self) -> Any:
        trunk = (
            [p for p in self.encoder.trunk.parameters() if p.requires_grad] if self.encoder.trunk is not None else []
        )
        pretrained = {id(parameter) for parameter in trunk}
        parameters = [p for p in self.parameters() if p.requires_grad and id(p) not in pretrained]
        matrices = [p for p in parameters if p.ndim > 1 and p is not self.prototypes]
        others = [p for p in parameters if p.ndim <= 1 or p is self.prototypes]
        optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": self.weight_decay},
                {"params": others, "weight_decay": 0.0},
                *(
                    [{"params": trunk, "weight_decay": 0.0, "lr": self.learning_rate * self.trunk_rate}]
                    if trunk
                    else []
                ),
            ],
            lr=self.learning_rate,
            betas=(0.9, 0.98),
            fused=self.trainer.precision == "32-true",  # Lightning clips no gradients of a fused one that is scaled
        )
        total = max(int(self.trainer.estimated_stepping_batches), 1)

        def factor(step: int) -> float:
            if step < self.warmup_steps:
                return (step + 1) / self.warmup_steps
            progress = min(1.0, (step - self.warmup_steps) / max(1, total - self.warmup_steps))
            return 0.5 * (1.0 + math.cos(math.pi * progress))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # --- training ----------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Has the clips heard by the trunk: here, where a checkpoint's has taken the place of what was built."""
        if not self.trunk_copies:
            return
        trunk = self.encoder.trunk
        assert isinstance(trunk, SpectralTrunk | WhisperListener)
        data: SpeechData = self.trainer.datamodule  # type: ignore[attr-defined]
        for turn in (True, False):  # the first process makes the copies, then the others find them
            if self.trainer.is_global_zero == turn:
                data.hear(trunk, self.augmentation, self.trunk_copies, self.unknown_share, self.short_products)
            self.trainer.strategy.barrier()

    def on_train_batch_start(self, batch: dict[str, torch.Tensor], batch_index: int) -> None:
        # Augmentation and dropout depend on (seed, step, rank) alone: a resumed run repeats the unbroken one.
        seed: SpeechData = self.trainer.datamodule  # type: ignore[attr-defined]
        torch.manual_seed((seed.seed * 1_000_003 + self.global_step) * 1_009 + self.global_rank)

    def training_step(self, batch: dict[str, torch.Tensor], batch_index: int) -> torch.Tensor:
        concept = batch["concept"]
        # Words of no concept go to the end, where the sounds of no concept will be.
        order = torch.argsort((concept == UNKNOWN_CONCEPT).long(), stable=True)
        batch = {name: value[order] for name, value in batch.items()}
        known = int((concept != UNKNOWN_CONCEPT).sum())
        concept = batch["concept"][:known]
        heard, lessons = self._heard(batch)
        last, mask = heard[-1]
        embedding = self.encoder.embed(last, mask)
        speech, unknown = embedding[:known], embedding[known:]
        prototypes = F.normalize(self.prototypes, dim=1)
        scale = self.prototype_scale()
        one_hot = F.one_hot(concept, len(prototypes)).bool()
        cosines = speech @ prototypes.T - self.margin * one_hot
        losses = {"prototype": self.prototype_weight * cross_entropy_of_positives(scale * cosines, one_hot)}
        if len(unknown) > 0:
            losses["unknown"] = self.unknown_weight * uniform_cross_entropy(unknown, prototypes, scale)
        candidates = self._candidates(concept)
        if self.picture_weight > 0:
            losses["picture"] = self.picture_weight * self._picture_loss(speech, concept, candidates)
        if self.caption_tower is not None and self.caption_weight > 0:
            captions = self.caption_tower(self.caption_features[candidates].float())
            own = concept[:, None] == candidates[None, :]
            losses["caption"] = self.caption_weight * info_nce(speech, captions, own, self.caption_scale())
        for lesson in lessons:
            if lesson.embedding is not None:
                own = embedding if lesson.rows is None else embedding[lesson.rows]
                losses["teacher"] = self.teacher_weight * (1.0 - (own * lesson.embedding).sum(1)).mean()
            if lesson.frames is not None and self.frame_reading is not None:
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.short_products):
                    read = self.frame_reading(last if lesson.rows is None else last[lesson.rows])
                losses["frames"] = self.frames_weight * lesson.distance(read.float())
        if self.phoneme_head is not None:
            stage, stage_mask = heard[self.phoneme_stage]
            losses["phoneme"] = self.phoneme_weight * self._phoneme_loss(stage, stage_mask, batch)
        total = torch.stack(list(losses.values())).sum()
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        self.log("train/loss", total.detach(), prog_bar=True)
        self.log("train/scale", scale.detach())
        return total

    def _heard(self, batch: dict[str, torch.Tensor]) -> tuple[list[_Stage], list[Lesson]]:
        """The encoder's stages, and what those who teach it made of the batch."""
        lessons = []
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            if "heard" in batch:
                heard = batch["heard"]
                kept = torch.rand(len(heard), 1, 1, heard.shape[3], device=heard.device) > _HEARD_FRAMES_LOST
                heard = (heard + torch.randn_like(heard) * heard.std((0, 2, 3), keepdim=True) * _HEARD_NOISE) * kept
            else:
                log_mel, lengths = self._with_unknown(batch)
                augmentation = self.augmentation
                if self.global_step < self.augmentation_steps:
                    augmentation = augmentation.weakened(self.global_step / self.augmentation_steps)
                drawn = draw_warp(lengths, augmentation)
                said, lengths = warp(log_mel, lengths, drawn), drawn.lengths
                surrounded = surround(said, lengths, augmentation)
                features = spec_augment(normalize_log_mel(surrounded, lengths), lengths, augmentation)
                if self._teacher is not None:
                    cache: LogMelCache = self.trainer.datamodule.cache  # type: ignore[attr-defined]
                    written = self._teacher.remember(cache, batch["clip"])
                    lessons.append(written or self._teacher.listen(normalize_log_mel(said, lengths), lengths))
                if "shown" in batch:
                    lessons.append(frames_lesson(batch["shown"], batch["shown_lengths"], drawn))
        if "heard" in batch:
            return list(self.encoder.stages_of_heard(heard, batch["lengths"])), lessons
        return list(self.encoder.stages(features, lengths)), lessons

    def _with_unknown(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-mels (B, MEL_BANDS, T) and lengths (B,) of the batch, sounds that are no concept behind them."""
        log_mel, lengths = batch["codes"].transpose(1, 2).float() * CODE_STEP + CODE_LOW, batch["lengths"]
        unknown = int(len(log_mel) * self.unknown_share)
        if unknown == 0:
            return log_mel, lengths
        strange = unknown_sounds(log_mel[:unknown], lengths[:unknown], self.augmentation)
        return torch.cat([log_mel, strange]), torch.cat([lengths, lengths[:unknown]])

    def _phoneme_loss(self, heard: torch.Tensor, mask: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        assert self.phoneme_head is not None
        said = len(batch["phones"])  # the made-up sounds behind them say nothing
        heard, mask = heard[:said], mask[:said]
        if self.global_step < self.phoneme_alone_steps:
            heard = heard.detach()
        steps = PHONES_A_FRAME * mask.sum((1, 2, 3)).long()
        return phoneme_ctc(self.phoneme_head(heard), steps, batch["phones"], batch["phone_counts"])

    def _candidates(self, concept: torch.Tensor) -> torch.Tensor:
        """The batch's concepts and `other_concepts` random ones, sorted, each once."""
        others = torch.randint(0, len(self.prototypes), (self.other_concepts,), device=concept.device)
        return torch.unique(torch.cat([concept, others]))

    def _picture_loss(self, speech: torch.Tensor, concept: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """Both directions between speech and one random picture of each candidate concept."""
        candidates = candidates[self.picture_count[candidates] > 0]
        pick = (torch.rand(len(candidates), device=speech.device) * self.picture_count[candidates]).long()
        pictures = self.picture_features[self.picture_order[self.picture_offset[candidates] + pick]].float()
        embedding = self.picture_tower(pictures)
        positives = concept[:, None] == candidates[None, :]
        scale = self.picture_scale()
        return 0.5 * (info_nce(speech, embedding, positives, scale) + info_nce(embedding, speech, positives.T, scale))

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.global_step % 20 == 0:
            norm = torch.nn.utils.get_total_norm([p.grad for p in self.encoder.parameters() if p.grad is not None])
            self.log("train/grad_norm", norm)

    def on_train_batch_end(self, outputs: object, batch: dict[str, torch.Tensor], batch_index: int) -> None:
        self.ema.update(self.encoder)

    # --- validation --------------------------------------------------------------------------------------

    @torch.no_grad()
    def embed(self, codes: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """EMA embedding of log-mel codes (B, T, MEL_BANDS) uint8 with lengths (B,), without augmentation."""
        log_mel = codes.transpose(1, 2).float() * CODE_STEP + CODE_LOW
        return self.ema.average(normalize_log_mel(log_mel, lengths), lengths)

    def validation_step(self, batch: dict[str, torch.Tensor], batch_index: int) -> None:
        embedding = self.embed(batch["codes"], batch["lengths"])
        similarity = embedding @ F.normalize(self.prototypes, dim=1).T
        own = similarity.gather(1, batch["concept"][:, None])
        rank = (similarity > own).sum(1)
        self._validation.append((rank.cpu(), batch["clip"].cpu()))

    def on_validation_epoch_end(self) -> None:
        rank, clip = (torch.cat(part) for part in zip(*self._validation, strict=True))
        self._validation.clear()
        cache = self.trainer.datamodule.cache  # type: ignore[attr-defined]
        human = torch.from_numpy(cache.human[clip.numpy()])
        for name, chosen in (("human", human), ("synthetic", ~human)):
            if chosen.any():
                hits = rank[chosen]
                self.log(f"val/{name}_r1", (hits < 1).float().mean(), prog_bar=True)
                self.log(f"val/{name}_r5", (hits < 5).float().mean())

    # --- what goes on to the next stage ------------------------------------------------------------------

    def save_weights(self, path: str | Path) -> Path:
        """Writes the EMA encoder, towers, prototypes and every picture's embedding as safetensors.

        The metadata holds the encoder's configuration and the concept ids, as JSON.
        """
        data: SpeechData = self.trainer.datamodule  # type: ignore[attr-defined]
        tensors = {f"encoder.{name}": value for name, value in self.ema.average.state_dict().items()}
        tensors |= {f"picture_tower.{name}": value for name, value in self.picture_tower.state_dict().items()}
        tensors["prototypes"] = F.normalize(self.prototypes.detach(), dim=1)
        tensors["scale"] = self.prototype_scale().detach().reshape(1)
        self.picture_tower.eval()
        with torch.no_grad():
            every = torch.from_numpy(data.pictures.features).float().to(self.device)
            tensors["picture_embeddings"] = self.picture_tower(every)
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        metadata = {
            "stage": "speech",
            "encoder": json.dumps(asdict(self.encoder.config)),
            "concepts": json.dumps(list(data.pack.concept_ids)),
            "picture_keys": json.dumps(data.pictures.key.tolist()),
            "pack": data.pack.fingerprint(),
            "step": str(self.global_step),
            "learned_from": json.dumps(sorted(self._learned_from)),
        }
        path = Path(path)
        partial = path.with_suffix(".partial")
        save_file(tensors, partial, metadata)
        partial.replace(path)
        return path
