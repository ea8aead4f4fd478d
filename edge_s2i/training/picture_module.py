"""Stage two: the generator draws what was said, from the speech encoder's embeddings or a code for each concept.

In this corpus a concept and a style fix nearly one drawing, so training starts as a regression (pixels and frozen
features), which finds shapes and colours at a GAN step's fraction of the price, and the adversary joins for sharpness.
"""

import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from safetensors import safe_open
from torch import Tensor

from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.losses.adversarial import adversarial_loss as adversarial_loss_named
from edge_s2i.losses.adversarial import gradient_penalty
from edge_s2i.losses.contrastive_picture import contrastive_picture_loss
from edge_s2i.losses.perceptual import FeatureDistance, multiscale_l1
from edge_s2i.models.discriminator import ProjectedDiscriminator
from edge_s2i.models.ema import ExponentialMovingAverage
from edge_s2i.models.generator import (
    Generator,
    GeneratorConfig,
    generator_metadata,
    load_generator,
    save_generator,
)
from edge_s2i.models.image_features import load_image_features
from edge_s2i.models.picture_tower import PictureTower
from edge_s2i.training.augmentation_picture import PictureAugmentation, PictureAugmentationConfig
from edge_s2i.training.picture_data import PictureData, step_generator
from edge_s2i.training.sample_sheet import SampleSheet

_CALIBRATION_PICTURES = 256


@dataclass(frozen=True)
class PictureLossWeights:
    """Weight of each term of the generator's loss; 0 switches a term off and saves its cost.

    The terms are of different size by nature: pixels about 0.1 to 0.3, features about 0.3 to 0.8, adversarial about 1.
    """

    pixels: float = 1.0
    features: float = 0.5
    adversarial: float = 0.1
    contrastive: float = 0.0
    r1: float = 0.0  # on the discriminator; gamma of gradient_penalty at real pictures
    r2: float = 0.0  # and at drawn ones

    def __post_init__(self) -> None:
        if min(asdict(self).values()) < 0:
            raise TrainingError(f"loss weights must not be negative: {self}")


class PictureModule(lightning.LightningModule):
    """Trains a Generator; manual optimization, two optimizers, one global step a batch.

    Args:
        generator: shape of the Generator; `styles` are taken from the data where left empty.
        augmentation: what pictures undergo before the frozen features, once the adversary has joined.
        weights: of the loss terms.
        adversarial_loss: "hinge", "non-saturating" or "relativistic" (with r1 and r2 the loss of R3GAN).
        warm_start_steps: regression alone before the adversary joins; beyond the run's length it never does.
        adversarial_ramp_steps: over which the adversarial weight then rises to its value.
        learning_rate: the generator's peak; falls along a cosine to `final_learning_rate` of it at the last step.
        discriminator_learning_rate: constant; heads on frozen features are small and may learn faster (TTUR).
        lr_warmup_steps: linear rise of both.
        gradient_clip: largest gradient norm of either network.
        ema_decay: of the weights that are evaluated and shipped.
        init_from: generator weights (safetensors of an earlier run on the same pack) to start from; a lower resolution
            is grown.
        speech_weights: the speech stage's weights; their picture tower judges the contrastive term.
        discriminator_width: channels of the projected features and heads.
        compile: compile the generator with torch.compile.
        sheet_every: steps between sample sheets; 0 for none.
        seed: of the augmentation's draws.
    """

    def __init__(
        self,
        generator: GeneratorConfig = GeneratorConfig(),  # noqa: B008 - frozen dataclass
        augmentation: PictureAugmentationConfig = PictureAugmentationConfig(),  # noqa: B008 - frozen dataclass
        weights: PictureLossWeights = PictureLossWeights(),
        adversarial_loss: str = "hinge",
        warm_start_steps: int = 5000,
        adversarial_ramp_steps: int = 500,
        learning_rate: float = 2e-3,
        discriminator_learning_rate: float = 1e-3,
        lr_warmup_steps: int = 100,
        final_learning_rate: float = 0.05,
        gradient_clip: float = 5.0,
        ema_decay: float = 0.998,
        init_from: str | None = None,
        speech_weights: str | None = None,
        discriminator_width: int = 64,
        compile: bool = False,
        sheet_every: int = 500,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator_config = generator
        self.augmentation = augmentation
        self.weights = weights
        self.game = adversarial_loss_named(adversarial_loss)
        self.warm_start_steps = warm_start_steps
        self.adversarial_ramp_steps = adversarial_ramp_steps
        self.learning_rate = learning_rate
        self.discriminator_learning_rate = discriminator_learning_rate
        self.lr_warmup_steps = lr_warmup_steps
        self.final_learning_rate = final_learning_rate
        self.gradient_clip = gradient_clip
        self.ema_decay = ema_decay
        self.init_from = init_from
        self.speech_weights = speech_weights
        self.discriminator_width = discriminator_width
        self.compile_generator = compile
        self.sheet_every = sheet_every
        self.seed = seed
        if weights.contrastive > 0 and speech_weights is None:
            raise TrainingError("the contrastive term needs speech_weights, which hold the picture tower")
        self.save_hyperparameters(
            {"generator": asdict(generator), "augmentation": asdict(augmentation), "weights": asdict(weights)}
        )
        self._clock = (0, time.perf_counter())

    # --- what depends on the data ------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Builds the networks once the data module knows the styles."""
        if hasattr(self, "generator"):
            return
        data: PictureData = self.trainer.datamodule  # type: ignore[attr-defined]
        assert data.corpus is not None
        config = self.generator_config
        config = replace(
            config,
            styles=config.styles or data.corpus.styles,
            concepts=len(data.corpus.concepts),
            drawings=data.drawings,
            embedding_dim=data.examples.prototypes.shape[1],
        )
        if config.styles != data.corpus.styles:
            raise TrainingError(f"the generator draws styles {config.styles}, the data has {data.corpus.styles}")
        if config.image_size != data.image_size or config.latent_dim != data.latent_dim:
            raise TrainingError(
                f"the generator makes {config.image_size} px from {config.latent_dim} latents, "
                f"the data gives {data.image_size} px and {data.latent_dim}"
            )
        self.generator = Generator(config)
        if self.init_from is not None:
            learned_on = generator_metadata(Path(self.init_from)).get("pictures")
            if learned_on is not None and learned_on != Pack.open(data.pack_folder).picture_fingerprint():
                raise TrainingError(f"{self.init_from} learned the concepts of another pack than {data.pack_folder}")
            start = load_generator(Path(self.init_from))
            self.generator.grow_from(start)
        self.generator.mapping.memory.place_keys(data.examples.prototypes)
        if self.generator.mapping.drawings is not None:
            assert data.places is not None
            self.generator.mapping.drawings.place_drawings(data.places)
        self.ema = ExponentialMovingAverage(self.generator, self.ema_decay)
        tower = self.weights.contrastive > 0
        self.features = load_image_features(pooled=tower)
        if tower and data.embeddings_path is None:
            raise TrainingError("the contrastive term compares pictures with speech: give --data.embeddings")
        self.picture_tower = self._load_tower(config.embedding_dim) if tower else None
        self.discriminator = ProjectedDiscriminator(
            {stride: count for stride, count in self.features.channels.items() if stride > 2},
            config.image_size,
            config.embedding_dim,
            len(config.styles),
            self.discriminator_width,
        )
        self.distance = FeatureDistance(self.features.channels)
        random = step_generator(self.seed, 0, 0, purpose=3)
        with torch.no_grad():
            sample = data.examples.draw(_CALIBRATION_PICTURES, random)["picture"]
            self.distance.calibrate(self.features(self._scaled(sample)))
        # Convolutions of a few channels run fastest channels-last, on CPUs and GPUs alike.
        for network in (self.generator, self.ema, self.features, self.discriminator):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compile_generator:
            self.generator.compile()

    def _load_tower(self, embedding_dim: int) -> PictureTower:
        assert self.speech_weights is not None
        if not Path(self.speech_weights).is_file():
            raise TrainingError(f"no speech weights at {self.speech_weights}")
        prefix = "picture_tower."
        with safe_open(self.speech_weights, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
            values = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
        tower = PictureTower(embedding_dim=embedding_dim)
        tower.load_state_dict(values, strict=True)
        return tower.eval().requires_grad_(False)

    def configure_callbacks(self) -> list[lightning.Callback]:
        return [SampleSheet(self.sheet_every)] if self.sheet_every > 0 else []

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        # beta1 0.5: the adversary's gradient turns faster than a long momentum forgets; beta2 as in StyleGAN.
        fused = {"fused": True}
        return [
            torch.optim.Adam(self.generator.parameters(), lr=self.learning_rate, betas=(0.5, 0.99), **fused),
            torch.optim.Adam(
                [p for p in self.discriminator.parameters() if p.requires_grad],
                lr=self.discriminator_learning_rate,
                betas=(0.5, 0.99),
                **fused,
            ),
        ]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # Frozen networks come from their own files.
        for name in [n for n in checkpoint["state_dict"] if n.startswith(("features.", "picture_tower."))]:
            del checkpoint["state_dict"][name]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, value in self.state_dict().items():
            if name.startswith(("features.", "picture_tower.")):
                checkpoint["state_dict"][name] = value

    # --- training ----------------------------------------------------------------------------------------

    @staticmethod
    def _scaled(picture: Tensor) -> Tensor:
        """uint8 -> [-1, 1], channels-last."""
        return (picture.float() / 127.5 - 1.0).contiguous(memory_format=torch.channels_last)

    def _learning_rate_factor(self) -> float:
        rise = min(1.0, (self.global_step + 1) / max(1, self.lr_warmup_steps))
        total = self.trainer.estimated_stepping_batches
        progress = min(1.0, self.global_step / total) if math.isfinite(total) else 0.0
        fall = self.final_learning_rate + (1 - self.final_learning_rate) * 0.5 * (1 + math.cos(math.pi * progress))
        return rise * fall

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        generator_optimizer, discriminator_optimizer = self.optimizers()  # type: ignore[misc, attr-defined]
        adversarial = self.global_step >= self.warm_start_steps and self.weights.adversarial > 0
        factor = self._learning_rate_factor()
        for group in generator_optimizer.param_groups:
            group["lr"] = self.learning_rate * factor

        real = self._scaled(batch["picture"])
        embedding, style = batch["embedding"], batch["style"]
        fake = self.generator(embedding, batch["latent"], style)
        losses = {"pixels": self.weights.pixels * multiscale_l1(fake.float(), real)}
        seen_fake, seen_real = fake, real
        if adversarial:
            random = step_generator(self.seed, self.global_step, self.global_rank, purpose=4)
            augment = PictureAugmentation.draw(self.augmentation, len(real), self.device, random)
            seen_fake, seen_real = augment(fake), augment(real)
        if self.weights.features > 0 or adversarial:
            with torch.no_grad():
                real_features = self.features(seen_real)
        if self.picture_tower is not None:
            fake_features, pooled = self.features.with_pooled(seen_fake)
            drawn = self.picture_tower(pooled)
            contrast = contrastive_picture_loss(drawn, embedding, batch["concept"])
            losses["contrastive"] = self.weights.contrastive * contrast
        elif self.weights.features > 0 or adversarial:
            fake_features = self.features(seen_fake)
        if self.weights.features > 0:
            losses["features"] = self.weights.features * self.distance(fake_features, real_features)
        if adversarial:
            self._train_discriminator(discriminator_optimizer, real_features, fake_features, embedding, style)
            self.discriminator.requires_grad_(False)
            logits = self.discriminator(fake_features, embedding, style)
            with torch.no_grad():
                against = self.discriminator(real_features, embedding, style) if self.game.paired else logits
            self._restore_discriminator_gradients()
            ramp = min(1.0, (self.global_step + 1 - self.warm_start_steps) / max(1, self.adversarial_ramp_steps))
            losses["adversarial"] = self.weights.adversarial * ramp * self.game.generator(against, logits)

        total = torch.stack(list(losses.values())).sum()
        self.manual_backward(total)
        norm = torch.nn.utils.clip_grad_norm_(self.generator.parameters(), self.gradient_clip)
        generator_optimizer.step()
        generator_optimizer.zero_grad()
        self.ema.update(self.generator)
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        self.log("train/loss", total.detach(), prog_bar=True)
        self.log("train/grad_norm", norm)

    def _train_discriminator(
        self,
        optimizer: Any,
        real: dict[int, Tensor],
        fake: dict[int, Tensor],
        embedding: Tensor,
        style: Tensor,
    ) -> None:
        for group in optimizer.param_groups:
            since = self.global_step + 1 - self.warm_start_steps
            group["lr"] = self.discriminator_learning_rate * min(1.0, since / max(1, self.lr_warmup_steps))
        sides = {"r1": real, "r2": fake}
        gammas = {name: getattr(self.weights, name) for name in sides}
        for name, features in sides.items():
            wanted = gammas[name] > 0
            sides[name] = {stride: value.detach().requires_grad_(wanted) for stride, value in features.items()}
        logits = {name: self.discriminator(features, embedding, style) for name, features in sides.items()}
        real_logits, fake_logits = logits["r1"], logits["r2"]
        loss = self.game.discriminator(real_logits, fake_logits)
        self.log("train/discriminator", loss.detach())
        for name, gamma in gammas.items():
            if gamma > 0:
                used = [sides[name][stride] for stride in self.discriminator.mixing.strides]
                penalty = gradient_penalty(logits[name], used)
                self.log(f"train/{name}", penalty.detach())
                loss = loss + 0.5 * gamma * penalty
        self.manual_backward(loss)
        trained = [p for p in self.discriminator.parameters() if p.requires_grad]
        norm = torch.nn.utils.clip_grad_norm_(trained, self.gradient_clip)
        # The trainer's step is the number of batches: only the generator's optimizer counts.
        optimizer._on_before_step = lambda: self.trainer.profiler.start("optimizer_step")  # type: ignore[attr-defined]
        optimizer._on_after_step = lambda: self.trainer.profiler.stop("optimizer_step")  # type: ignore[attr-defined]
        optimizer.step()
        optimizer.zero_grad()
        self.log("train/discriminator_grad_norm", norm)
        with torch.no_grad():
            scores = torch.stack(
                [(r.float().mean() - f.float().mean()) for r, f in zip(real_logits, fake_logits, strict=True)]
            )
            self.log("train/discriminator_margin", scores.mean())

    def _restore_discriminator_gradients(self) -> None:
        self.discriminator.requires_grad_(True)
        self.discriminator.mixing.requires_grad_(False)

    def on_train_batch_end(self, outputs: object, batch: dict[str, Tensor], batch_index: int) -> None:
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if self.global_step % every:
            return
        step, since = self._clock
        now = time.perf_counter()
        images = (self.global_step - step) * len(batch["concept"]) * self.trainer.world_size
        if step > 0:
            self.log("train/images_per_second", images / (now - since), prog_bar=True)
        self._clock = (self.global_step, now)
        self.log("train/images_seen", float(self.global_step * len(batch["concept"]) * self.trainer.world_size))
        self.log("train/learning_rate", self.optimizers()[0].param_groups[0]["lr"])  # type: ignore[index]

    # --- validation --------------------------------------------------------------------------------------

    @torch.no_grad()
    def draw(self, embedding: Tensor, latent: Tensor, style: Tensor) -> Tensor:
        """EMA pictures (B, 3, H, W) in [-1, 1]."""
        return self.ema.average(embedding, latent, style).float()

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        real = self._scaled(batch["picture"])
        drawn = self.draw(batch["embedding"], batch["latent"], batch["style"])
        size = len(real)
        self.log("val/pixels", (drawn - real).abs().mean(), batch_size=size, prog_bar=True, sync_dist=True)
        distance = self.distance(self.features(drawn), self.features(real))
        self.log("val/features", distance, batch_size=size, prog_bar=True, sync_dist=True)

    # --- what goes on to export --------------------------------------------------------------------------

    def save_weights(self, path: str | Path) -> Path:
        """Writes the EMA generator as safetensors with its configuration (load_generator reads it)."""
        average = self.ema.average
        assert isinstance(average, Generator)
        data: PictureData = self.trainer.datamodule  # type: ignore[attr-defined]
        pictures = Pack.open(data.pack_folder).picture_fingerprint()
        save_generator(Path(path), average, {"stage": "picture", "step": str(self.global_step), "pictures": pictures})
        return Path(path)
