"""Pictures and cached speech embeddings in memory; a batch is index arithmetic, with no work a picture."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import lightning
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.training.embedding_cache import EmbeddingCache

_VALIDATION_BATCH = 64

ANY_STYLE = "any"  # the style of an example that does not say which: the first that the corpus draws its concept in


@dataclass(frozen=True)
class PictureCorpus:
    """Every picture of a pack at one size: pictures (N, 3, S, S) uint8, concept (N,) int64 into `concepts`,
    style (N,) int64 into `styles`, training (N,) bool."""

    pictures: Tensor
    concept: Tensor
    style: Tensor
    training: Tensor
    keys: tuple[str, ...]
    concepts: tuple[str, ...]
    styles: tuple[str, ...]

    @classmethod
    def load(cls, pack: Pack, image_size: int, styles: Sequence[str] = ()) -> "PictureCorpus":
        """Decodes the pack's pictures of `styles` (all where empty); larger ones are averaged down to image_size.

        The corpus's `styles` are ANY_STYLE and then those of its pictures.

        Raises TrainingError where the pack's pictures are smaller than image_size or not a multiple of it.
        """
        pictures, records = [], []
        for record, media in pack.picture_samples():
            if styles and record["style"] not in styles:
                continue
            pixels = np.asarray(Image.open(io.BytesIO(media)).convert("RGB"))
            pictures.append(_shrink(pixels, image_size, record["picture"]))
            records.append(record)
        found = sorted({record["style"] for record in records})
        if not records or set(styles) - set(found):
            raise TrainingError(f"{pack.path} holds pictures of styles {found}; {list(styles)} were asked for")
        position = {concept: index for index, concept in enumerate(pack.concept_ids)}
        names = (ANY_STYLE, *found)
        return cls(
            torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous(),
            torch.tensor([position[record["concept"]] for record in records]),
            torch.tensor([names.index(record["style"]) for record in records]),
            torch.tensor([record["split"] == "train" for record in records]),
            tuple(record["picture"] for record in records),
            pack.concept_ids,
            names,
        )

    def places(self, preference: Sequence[str], drawings: int) -> Tensor:
        """(concepts, styles) int64 for DrawingMemory.place_drawings, of training pictures.

        A concept's first drawing is in the earliest style of `preference` that it has; the next ones get codes, and
        those beyond `drawings` none.
        """
        had = torch.zeros(len(self.concepts), len(self.styles), dtype=torch.bool)
        had[self.concept[self.training], self.style[self.training]] = True
        places = torch.full(had.shape, drawings + 1)
        taken = torch.zeros(len(had), dtype=torch.long)
        for column in [self.styles.index(style) for style in preference]:
            rows = had[:, column] & (taken < drawings)
            places[rows, column] = taken[rows]
            taken += rows
        return places


def _shrink(pixels: np.ndarray, size: int, name: str) -> np.ndarray:
    """(H, H, 3) uint8 -> (size, size, 3) uint8 by averaging whole blocks."""
    side = pixels.shape[0]
    if pixels.shape[1] != side or side % size:
        raise TrainingError(
            f"picture {name} is {pixels.shape[1]}x{side} px; {size} px training needs squares of a multiple of {size}"
        )
    factor = side // size
    if factor == 1:
        return pixels
    blocks = pixels.reshape(size, factor, size, factor, 3)
    return np.rint(blocks.mean(axis=(1, 3), dtype=np.float32)).astype(np.uint8)


class _Members:
    """Rows grouped by concept, so that a random member of any concept is two look-ups."""

    def __init__(self, concept: Tensor, concepts: int, rows: Tensor | None = None) -> None:
        order = torch.argsort(concept, stable=True)
        self.rows = order if rows is None else rows[order]
        self.count = torch.bincount(concept, minlength=concepts)
        self.offset = torch.cumsum(self.count, 0) - self.count

    def draw(self, concept: Tensor, uniform: Tensor) -> Tensor:
        """One row of each concept (B,), picked by uniform (B,) in [0, 1)."""
        pick = torch.minimum((uniform * self.count[concept]).long(), self.count[concept] - 1)
        return self.rows[self.offset[concept] + pick]


class PictureExamples:
    """Draws training examples: uniform over concepts that have both, then over the concept's pictures and speech."""

    def __init__(
        self,
        corpus: PictureCorpus,
        embeddings: Tensor,
        concept: Tensor,
        prototypes: Tensor,
        jitter: float,
        latent_dim: int,
        any_style: float = 0.0,
        pull: float = 0.0,
        places: Tensor | None = None,
    ) -> None:
        self.corpus = corpus
        self.embeddings = embeddings
        self.jitter = jitter
        self.latent_dim = latent_dim
        self.any_style = any_style
        self.pull = pull
        self.prototypes = prototypes
        self.told = places is not None
        training = corpus.training.nonzero()[:, 0]
        if places is not None:  # a concept's first drawing is its first row
            training = training[torch.argsort(places[corpus.concept, corpus.style][training], stable=True)]
        self.pictures = _Members(corpus.concept[training], len(corpus.concepts), training)
        self.speech = _Members(concept, len(corpus.concepts))
        self.usable = ((self.pictures.count > 0) & (self.speech.count > 0)).nonzero()[:, 0]
        if len(self.usable) == 0:
            raise TrainingError("no concept has both a training picture and a speech embedding")

    def draw(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """picture (B, 3, S, S) uint8, embedding (B, E) unit length, latent (B, Z), style one-hot, concept (B,)."""
        uniform = torch.rand(5, batch_size, generator=generator)
        concept = self.usable[(uniform[0] * len(self.usable)).long()]
        unsaid = uniform[3] < self.any_style
        # Where no style is told, a concept of several drawings always shows its first: a mean of them is a blur.
        picture = self.pictures.draw(concept, uniform[1].masked_fill(unsaid, 0.0))
        embedding = self.embeddings[self.speech.draw(concept, uniform[2])].float()
        if self.pull > 0:
            towards = (uniform[4] * self.pull)[:, None]
            embedding = F.normalize(embedding.lerp(self.prototypes[concept], towards), dim=1)
        if self.jitter > 0:
            # Spread over all dimensions: `jitter` is the length of the offset beside the unit vector.
            noise = torch.randn(embedding.shape, generator=generator) * (self.jitter / embedding.shape[1] ** 0.5)
            embedding = F.normalize(embedding + noise, dim=1)
        style = self.corpus.style[picture]
        if not self.told:
            style = style.masked_fill(unsaid, 0)  # 0 is ANY_STYLE
        return {
            "picture": self.corpus.pictures[picture],
            "embedding": embedding,
            "latent": torch.randn(batch_size, self.latent_dim, generator=generator),
            "style": F.one_hot(style, len(self.corpus.styles)).float(),
            "concept": concept,
        }


def step_generator(seed: int, step: int, rank: int, purpose: int = 0) -> torch.Generator:
    """CPU generator that depends on these numbers alone: a resumed run draws what the unbroken one would have."""
    mixed = np.random.SeedSequence((seed, step, rank, purpose)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> 1))


class PictureBatches(IterableDataset):
    """One epoch of `steps` batches, continued from the trainer's step."""

    def __init__(self, examples: PictureExamples, batch_size: int, steps: int, seed: int, data: "PictureData") -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.steps = steps
        self.seed = seed
        self.data = data

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        trainer = self.data.trainer
        first = 0 if trainer is None else trainer.global_step
        rank = 0 if trainer is None else trainer.global_rank
        # A run resumed inside an epoch ends that epoch where the unbroken run would have.
        for step in range(first, (first // self.steps + 1) * self.steps):
            yield self.examples.draw(self.batch_size, step_generator(self.seed, step, rank))


class PictureData(lightning.LightningDataModule):
    """Pictures of a data pack and the speech embeddings of its clips.

    Args:
        pack: folder of the data pack.
        embeddings: file of cached speech embeddings (EmbeddingCache). Without one each concept is told by a random code
            in its prototype's place: drawing can be learned before, or beside, hearing.
        embedding_dim: width of those codes; it must be the speech encoder's.
        image_size: side in px; must agree with the generator's.
        batch_size: pictures a step on each device.
        steps_per_epoch: an epoch is a number of steps; checkpoints and validation come once an epoch.
        styles: drawing families to learn; all of the pack's where empty. Fewer are learned sooner. A generator that
            remembers several drawings of a concept shows the one in the earliest of them where none is asked for.
        any_style: share of examples that show their concept's first drawing, and do not tell its style, so that none
            need be asked for. A generator that remembers several drawings is told it, and given which to show unasked.
        drawings: most drawings of a concept that the generator is to remember, of one style each, in the order of
            `styles`; 1 learns all as one.
        pull: each embedding is moved towards its concept's prototype by a random share of up to this. Voices scatter
            as widely as concepts lie apart while the encoder is young; clean examples beside noisy ones teach more.
        jitter: length of a random offset added to the unit-length embedding, so that the generator hears voices
            between those that it trains on.
        latent_dim: of the latent z.
        validation_pictures: how many drawings each validation compares with the real ones.
        seed: of what each step draws.
    """

    def __init__(
        self,
        pack: str,
        embeddings: str | None = None,
        embedding_dim: int = 256,
        image_size: int = 128,
        batch_size: int = 32,
        steps_per_epoch: int = 250,
        styles: Sequence[str] = (),
        any_style: float = 0.5,
        drawings: int = 1,
        pull: float = 1.0,
        jitter: float = 0.1,
        latent_dim: int = 64,
        validation_pictures: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.pack_folder = pack
        self.embeddings_path = embeddings
        self.embedding_dim = embedding_dim
        self.image_size = image_size
        self.batch_size = batch_size
        self.steps_per_epoch = steps_per_epoch
        self.styles = tuple(styles)
        self.any_style = any_style
        self.drawings = drawings
        self.pull = pull
        self.jitter = jitter
        self.latent_dim = latent_dim
        self.validation_pictures = validation_pictures
        self.seed = seed
        self.corpus: PictureCorpus | None = None
        self.places: Tensor | None = None

    def setup(self, stage: str | None = None) -> None:
        if self.corpus is not None:
            return
        corpus = PictureCorpus.load(Pack.open(self.pack_folder), self.image_size, self.styles)
        if self.drawings > 1:
            self.places = corpus.places(self.styles or corpus.styles[1:], self.drawings)
            remembered = self.places[corpus.concept, corpus.style] < self.drawings
            corpus = replace(corpus, training=corpus.training & remembered)
        self.corpus = corpus
        cache = self._codes() if self.embeddings_path is None else EmbeddingCache.load(self.embeddings_path)
        self.examples = self._examples(cache, "train", self.jitter, self.pull)
        # Held-out voices of the same concepts; without any, the training voices stand in, undisturbed.
        held_out = "val" if len(cache.of_split("val")[1]) else "train"
        self.validation = self._examples(cache, held_out, 0.0, 0.0)

    def _codes(self) -> EmbeddingCache:
        assert self.corpus is not None
        count = len(self.corpus.concepts)
        random = step_generator(self.seed, 0, 0, purpose=5)
        codes = F.normalize(torch.randn(count, self.embedding_dim, generator=random), dim=1)
        split = torch.zeros(count, dtype=torch.uint8)
        return EmbeddingCache(codes, torch.arange(count), split, codes, self.corpus.concepts, ("train",))

    def _examples(self, cache: EmbeddingCache, split: str, jitter: float, pull: float) -> PictureExamples:
        assert self.corpus is not None
        position = {concept: index for index, concept in enumerate(self.corpus.concepts)}
        own = torch.tensor([position.get(concept, -1) for concept in cache.concepts])
        embeddings, concept = cache.of_split(split)
        concept = own[concept]
        if (concept < 0).all():
            raise TrainingError(f"{self.embeddings_path} has no {split} speech of the concepts in {self.pack_folder}")
        prototypes = torch.zeros(len(position), embeddings.shape[1])
        prototypes[own[own >= 0]] = cache.prototypes[own >= 0]
        return PictureExamples(
            self.corpus,
            embeddings[concept >= 0],
            concept[concept >= 0],
            prototypes,
            jitter,
            self.latent_dim,
            self.any_style,
            pull,
            self.places,
        )

    def train_dataloader(self) -> DataLoader:
        batches = PictureBatches(self.examples, self.batch_size, self.steps_per_epoch, self.seed, self)
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """The same examples at every validation."""
        generator = step_generator(self.seed, 0, 0, purpose=1)
        sizes = [_VALIDATION_BATCH] * (self.validation_pictures // _VALIDATION_BATCH)
        sizes += [self.validation_pictures % _VALIDATION_BATCH] if self.validation_pictures % _VALIDATION_BATCH else []
        batches = [self.validation.draw(size, generator) for size in sizes]
        return DataLoader(batches, batch_size=None, shuffle=False)  # type: ignore[arg-type]
