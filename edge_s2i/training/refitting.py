"""Drawings that came out as blank paper, fitted again: what one slot remembers, and nothing else of the generator.

A value far enough out draws nothing but white, beyond the clip, where the gradient is a twentieth; such a slot does not
come back within a run. From the mean of all slots it is among drawings again, and learns its own as the run would have.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.losses.perceptual import FeatureDistance, multiscale_l1
from edge_s2i.models.concept_memory import FIRST, DrawingMemory
from edge_s2i.models.generator import Generator, generator_metadata, load_generator, save_generator
from edge_s2i.models.image_features import load_image_features
from edge_s2i.training.picture_data import PictureCorpus, step_generator
from edge_s2i.training.picture_module import PictureLossWeights

BLANK = 0.9  # of blank paper's pixel error; a drawing that is as far from its picture says nothing of it
_BATCH = 64  # drawings that are only looked at
_TOGETHER = 8  # slots fitted at a time
_CALIBRATION_PICTURES = 256
_LEARNING_RATE = 1e-2  # at first; falls along a cosine. An eighth of the values' deviation
_PIXELS_ALONE = 0.75  # of the steps


@dataclass(frozen=True)
class Refit:
    """A drawing that was fitted again: its pixel error as a share of blank paper's, before and after."""

    concept: str
    style: str
    before: float
    after: float


@dataclass(frozen=True)
class _Drawings:
    """Every drawing that a generator remembers, one a row: concept, style, place and row of its picture, (N,) int64."""

    concept: Tensor
    style: Tensor
    place: Tensor
    picture: Tensor

    def some(self, rows: Tensor) -> "_Drawings":
        """Those at `rows`, numbers or a mask."""
        return _Drawings(self.concept[rows], self.style[rows], self.place[rows], self.picture[rows])


def refit(weights: Path, data: Path, out: Path, steps: int = 400, blank: float = BLANK) -> list[Refit]:
    """Writes `out`: the same generator with those concepts fitted again whose first drawing is as good as blank.

    weights: picture.safetensors that remembers several drawings of a concept; data: the pack that it learned on. Such a
    concept forgets all its drawings, value and codes, which lean on each other, and learns them again by the picture
    stage's loss before the adversary joins. What does not become better stays as it was.

    Raises TrainingError for files that do not fit together, and where `out` cannot be written.
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise TrainingError(f"{out} cannot be written: give a file name in a folder that exists")
    if steps < 1 or not 0.0 < blank <= 1.0:
        raise TrainingError(f"steps is {steps} and blank {blank}; give 1 step or more and a share, above 0 and up to 1")
    generator, metadata, pack = load_generator(weights), generator_metadata(weights), Pack.open(data)
    generator.requires_grad_(False)
    memory = generator.mapping.drawings
    if memory is None:
        raise TrainingError(f"{weights} remembers one drawing of a concept; only one of several can be fitted alone")
    if metadata.get("pictures", pack.picture_fingerprint()) != pack.picture_fingerprint():
        raise TrainingError(f"{weights} learned the concepts of another pack than {data}")
    corpus = PictureCorpus.load(pack, generator.config.image_size, generator.config.styles[1:])
    concepts = generator.config.concepts
    if len(corpus.concepts) != concepts:
        raise TrainingError(f"{weights} remembers {concepts} concepts, {data} has {len(corpus.concepts)}")

    drawings = _remembered(memory, corpus)
    before = _errors(generator, corpus, drawings)
    slots = drawings.concept[(before >= blank) & (drawings.place == FIRST)]
    fitted = torch.isin(drawings.concept, slots)
    values, codes = generator.mapping.memory.values.weight, memory.codes.weight
    kept = values.clone(), codes.clone()
    _forget(generator, drawings, slots)
    if len(slots):
        loss = _PictureLoss(corpus)
        for part in slots.split(_TOGETHER):
            _fit(generator, drawings.some(torch.isin(drawings.concept, part)), loss, steps)
    after = _errors(generator, corpus, drawings)
    for slot in slots:
        rows = fitted & (drawings.concept == slot)
        if after[rows].sum() >= before[rows].sum():
            for weight, old in zip((values, codes), kept, strict=True):
                weight[:, slot] = old[:, slot]
            after[rows] = before[rows]
    save_generator(out, generator, {name: text for name, text in metadata.items() if name != "generator"})
    return [
        Refit(
            corpus.concepts[int(drawings.concept[row])],
            corpus.styles[int(drawings.style[row])],
            float(before[row]),
            float(after[row]),
        )
        for row in fitted.nonzero()[:, 0]
    ]


def _remembered(memory: DrawingMemory, corpus: PictureCorpus) -> _Drawings:
    """The training pictures that have a place in the memory, the first of each concept and style."""
    places = memory.places.weight.T[corpus.concept, corpus.style].long()
    had = corpus.training & (places <= memory.shape[0])
    seen: dict[tuple[int, int], int] = {}
    for row in had.nonzero()[:, 0].tolist():
        seen.setdefault((int(corpus.concept[row]), int(corpus.style[row])), row)
    if not seen:
        raise TrainingError("none of the pack's pictures is among the drawings that the generator remembers")
    rows = torch.tensor(list(seen.values()))
    return _Drawings(corpus.concept[rows], corpus.style[rows], places[rows], rows)


def _draw(generator: Generator, drawings: _Drawings) -> Tensor:
    """(N, 3, H, W): each asked for by its style and its concept's own key."""
    keys = generator.mapping.memory.keys.weight[drawings.concept]
    latent = keys.new_zeros(len(keys), generator.config.latent_dim)
    style = F.one_hot(drawings.style, len(generator.config.styles)).to(keys.dtype)
    return generator(keys, latent, style)


def _scaled(pictures: Tensor) -> Tensor:
    """uint8 -> [-1, 1]."""
    return pictures.float() / 127.5 - 1.0


@torch.no_grad()
def _errors(generator: Generator, corpus: PictureCorpus, drawings: _Drawings) -> Tensor:
    """(N,) mean absolute pixel error of each drawing, as a share of blank paper's."""
    generator.eval()
    found = []
    for rows in torch.arange(len(drawings.concept)).split(_BATCH):
        real = _scaled(corpus.pictures[drawings.picture[rows]])
        drawn = (_draw(generator, drawings.some(rows)) - real).abs().mean(dim=(1, 2, 3))
        found.append(drawn / (1.0 - real).mean(dim=(1, 2, 3)).clamp_min(1e-3))
    return torch.cat(found)


@torch.no_grad()
def _forget(generator: Generator, drawings: _Drawings, slots: Tensor) -> None:
    """Puts in place of what `slots` remember the mean of all, of codes the mean of those in use."""
    memory = generator.mapping.drawings
    assert memory is not None
    values = generator.mapping.memory.values.weight
    values[:, slots] = values.mean(1, keepdim=True)
    for place, codes in enumerate(memory.codes.weight.split(memory.shape[1]), start=FIRST + 1):
        had = drawings.concept[drawings.place == place]
        if len(had):
            codes[:, slots] = codes[:, had].mean(1, keepdim=True)


class _PictureLoss:
    """The picture stage's loss at its own weights, without the adversary.

    Of features only where they are given: they are most of a step's cost, and coarse shapes come without.
    """

    def __init__(self, corpus: PictureCorpus) -> None:
        self.corpus = corpus
        self.weights = PictureLossWeights()
        self.features = load_image_features()
        self.distance = FeatureDistance(self.features.channels)
        rows = corpus.training.nonzero()[:, 0]
        chosen = torch.randperm(len(rows), generator=step_generator(0, 0, 0, purpose=3))[:_CALIBRATION_PICTURES]
        with torch.no_grad():
            self.distance.calibrate(self.features(_scaled(corpus.pictures[rows[chosen]])))

    def __call__(self, drawn: Tensor, real: Tensor, real_features: dict[int, Tensor] | None) -> Tensor:
        pixels = self.weights.pixels * multiscale_l1(drawn, real)
        if real_features is None:
            return pixels
        return pixels + self.weights.features * self.distance(self.features(drawn), real_features)


def _fit(generator: Generator, drawings: _Drawings, loss: _PictureLoss, steps: int) -> None:
    """Fits the values and codes of the drawings' concepts to their pictures."""
    memory = generator.mapping.drawings
    assert memory is not None
    generator.train()  # beyond the clip there is a gradient while training alone
    learned = [generator.mapping.memory.values.weight, memory.codes.weight]
    real = _scaled(loss.corpus.pictures[drawings.picture])
    with torch.no_grad():
        real_features = loss.features(real)
    own = torch.zeros(learned[0].shape[1])
    own[drawings.concept] = 1.0
    optimizer = torch.optim.Adam([weight.requires_grad_(True) for weight in learned], _LEARNING_RATE, (0.5, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        optimizer.zero_grad()
        loss(_draw(generator, drawings), real, real_features if step >= steps * _PIXELS_ALONE else None).backward()
        for weight in learned:
            assert weight.grad is not None
            weight.grad.mul_(own)  # Adam leaves alone what never had a gradient
        optimizer.step()
        schedule.step()
    generator.eval().requires_grad_(False)
