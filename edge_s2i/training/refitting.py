"""Drawings that came out as blank paper, fitted again: what their slots remember, and nothing else of the generator.

A value far enough out draws nothing but white, beyond the clip, where the gradient is a twentieth; such a slot does not
come back within a run. Begun where the generator draws what is most like the picture, it is among drawings again, and
learns the rest as the run would have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.losses.perceptual import FeatureDistance, multiscale_l1
from edge_s2i.models.concept_memory import FIRST, VALUE_GAIN
from edge_s2i.models.generator import Generator, MappingNetwork, generator_metadata, load_generator, save_generator
from edge_s2i.models.image_features import load_image_features
from edge_s2i.training.picture_data import PictureCorpus, step_generator
from edge_s2i.training.picture_module import PictureLossWeights

BLANK = 0.9  # of blank paper's pixel error; a drawing that is as far from its picture says nothing of it
_BATCH = 64  # drawings that are only looked at
_TOGETHER = 8  # slots fitted at a time
_CALIBRATION_PICTURES = 256
_LEARNING_RATE = 1e-2  # at first; falls along a cosine. An eighth of the values' deviation
_PIXELS_ALONE = 0.75  # of the steps
_CODES_ALONE = 0.4  # of the steps, for concepts whose value stays: a code is a sixth as long, and begins nearer
_MOST_WEIGHT = 4.0  # of a nearly white picture, as large as the mean picture's
_WELL_DRAWN = 0.5  # of blank paper's pixel error at most; nine drawings in ten
_DRAWN_BADLY = 0.2  # that such an error takes off how like a picture is
_THUMBNAIL = 16  # px, at which a picture's most like drawing is looked for
_LEAST_GATE = 0.25  # of a style on the value; through less of one no value is read back


@dataclass(frozen=True)
class Refit:
    """A drawing that was fitted again: its pixel error as a share of blank paper's, before and after."""

    concept: str
    style: str
    first: bool  # of its concept's drawings
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


def refit(
    weights: Path, data: Path, out: Path, steps: int = 100, blank: float = BLANK, features: bool = True
) -> list[Refit]:
    """Writes `out`: the same generator with those drawings fitted again that are as good as blank.

    weights: picture.safetensors that remembers several drawings of a concept; data: the pack that it learned on. Of a
    concept whose first drawing is blank all that its slot remembers is fitted, value and codes, which lean on each
    other; of any other blank drawing its code alone. The loss is the picture stage's before the adversary joins, or
    its part of pixels without `features`, which costs a third less. What does not become better stays as it was.

    Raises TrainingError for files that do not fit together, and where `out` cannot be written.
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise TrainingError(f"{out} cannot be written: give a file name in a folder that exists")
    if steps < 1 or not 0.0 < blank <= 1.0:
        raise TrainingError(f"steps is {steps} and blank {blank}; give 1 step or more and a share, above 0 and up to 1")
    generator, metadata, pack = load_generator(weights), generator_metadata(weights), Pack.open(data)
    generator.requires_grad_(False)
    if generator.mapping.drawings is None:
        raise TrainingError(f"{weights} remembers one drawing of a concept; only one of several can be fitted alone")
    if metadata.get("pictures", pack.picture_fingerprint()) != pack.picture_fingerprint():
        raise TrainingError(f"{weights} learned the concepts of another pack than {data}")
    corpus = PictureCorpus.load(pack, generator.config.image_size, generator.config.styles[1:])
    concepts = generator.config.concepts
    if len(corpus.concepts) != concepts:
        raise TrainingError(f"{weights} remembers {concepts} concepts, {data} has {len(corpus.concepts)}")

    drawings = _remembered(generator, corpus)
    errors = _errors(generator, corpus, drawings)
    fitted, before, after = _fit_blank(generator, corpus, drawings, errors, steps, blank, features)
    save_generator(out, generator, {name: text for name, text in metadata.items() if name != "generator"})
    return [
        Refit(corpus.concepts[concept], corpus.styles[style], place == FIRST, float(before[row]), float(after[row]))
        for row, (concept, style, place) in enumerate(
            zip(fitted.concept.tolist(), fitted.style.tolist(), fitted.place.tolist(), strict=True)
        )
    ]


def _fit_blank(
    generator: Generator,
    corpus: PictureCorpus,
    drawings: _Drawings,
    errors: Tensor,
    steps: int,
    blank: float,
    features: bool,
) -> tuple[_Drawings, Tensor, Tensor]:
    """Fits the blank ones of `drawings`; returns what was fitted, and the errors of that before and after."""
    is_blank = errors >= blank
    slots = drawings.concept[is_blank & (drawings.place == FIRST)]
    rows = (is_blank | torch.isin(drawings.concept, slots)).nonzero()[:, 0]
    rows = rows[torch.argsort(drawings.concept[rows], stable=True)]
    fitted, before = drawings.some(rows), errors[rows]
    if not len(rows):
        return fitted, before, before
    memory = _Remembered(generator.mapping, fitted)
    # A drawing that was not blank begins where it was, as near as its code can come.
    near = torch.where(is_blank[rows], _most_alike(corpus, drawings, errors, fitted), rows)
    memory.begin(_inputs(generator.mapping, drawings.some(near)))
    loss = _PictureLoss(corpus, features)
    alone = fitted.concept[~torch.isin(fitted.concept, slots)].unique()
    for concepts, share in ((slots, 1.0), (alone, _CODES_ALONE)):
        for some in concepts.split(_TOGETHER) if len(concepts) else ():
            of = fitted.some(torch.isin(fitted.concept, some))
            _fit(generator, memory, of, loss, max(1, round(share * steps)))
    after = _errors(generator, corpus, fitted)
    for concept in fitted.concept.unique():
        whole = bool((slots == concept).any())
        of = (fitted.concept == concept).nonzero()[:, 0]
        for tied in [of] if whole else of.split(1):
            lead = tied[fitted.place[tied] == FIRST] if whole else tied
            if not (after[tied].sum() < before[tied].sum() and after[lead].sum() < before[lead].sum()):
                memory.restore(fitted.some(tied))
                after[tied] = before[tied]
    return fitted, before, after


class _Remembered:
    """Values and codes of a generator, of which only those of the `fitted` drawings change."""

    def __init__(self, mapping: MappingNetwork, fitted: _Drawings) -> None:
        assert mapping.drawings is not None
        self.mapping = mapping
        self.fitted = fitted
        self.code_dim = mapping.drawings.shape[1]
        self.weights = [mapping.memory.values.weight, mapping.drawings.codes.weight]
        self.kept = [weight.clone() for weight in self.weights]
        self.masks = self.own(fitted)
        # In eight bits a channel, one value beyond all others would cost all others their steps.
        self.limits = [
            weight.masked_fill(mask > 0, 0.0).abs().amax(1, keepdim=True)
            for weight, mask in zip(self.weights, self.masks, strict=True)
        ]

    def own(self, drawings: _Drawings) -> list[Tensor]:
        """Ones where `drawings` are remembered and zeros elsewhere, of values and codes."""
        values, codes = (torch.zeros_like(weight) for weight in self.weights)
        values[:, drawings.concept[drawings.place == FIRST]] = 1.0
        for rows, concept in self._codes(drawings):
            codes[rows, concept] = 1.0
        return [values, codes]

    def _codes(self, drawings: _Drawings) -> Iterator[tuple[slice, int]]:
        for concept, place in zip(drawings.concept.tolist(), drawings.place.tolist(), strict=True):
            if place != FIRST:
                yield slice((place - FIRST - 1) * self.code_dim, (place - FIRST) * self.code_dim), concept

    @torch.no_grad()
    def begin(self, inputs: Tensor) -> None:
        """Sets what is fitted so that the mapping's `inputs` (N, w_dim) come out, codes as near as they can."""
        mapping, fitted = self.mapping, self.fitted
        assert mapping.from_code is not None
        values, codes = self.weights
        gate = _gate(mapping, fitted)
        wanted = inputs - _aside(mapping, fitted)
        first = fitted.place == FIRST
        read = torch.where(gate.abs() < _LEAST_GATE, _LEAST_GATE, gate)
        values[:, fitted.concept[first]] = (wanted / read)[first].T / VALUE_GAIN
        self.limit()
        missing = (wanted - gate * values.T[fitted.concept] * VALUE_GAIN)[~first]
        found = torch.linalg.lstsq(mapping.from_code.weight, missing.T).solution / VALUE_GAIN
        for column, (rows, concept) in enumerate(self._codes(fitted)):
            codes[rows, concept] = found[:, column]
        self.limit()

    @torch.no_grad()
    def limit(self) -> None:
        """Brings back what went beyond all that the others remember."""
        for weight, mask, limit in zip(self.weights, self.masks, self.limits, strict=True):
            weight.copy_(torch.where(mask > 0, weight.clamp(-limit, limit), weight))

    @torch.no_grad()
    def restore(self, drawings: _Drawings) -> None:
        """Puts back what was remembered of `drawings`."""
        for weight, mask, old in zip(self.weights, self.own(drawings), self.kept, strict=True):
            weight.copy_(torch.where(mask > 0, old, weight))


def _gate(mapping: MappingNetwork, drawings: _Drawings) -> Tensor:
    """(N, w_dim) that the drawings' styles scale the concepts' values with."""
    assert mapping.gate_style is not None
    return 1.0 + mapping.gate_style.weight.T[drawings.style]


def _aside(mapping: MappingNetwork, drawings: _Drawings) -> Tensor:
    """(N, w_dim) that is added to what is remembered."""
    aside = mapping.from_style.weight.T[drawings.style]
    if mapping.from_embedding is not None:
        aside = aside + mapping.from_embedding(mapping.memory.keys.weight[drawings.concept])
    return aside


@torch.no_grad()
def _inputs(mapping: MappingNetwork, drawings: _Drawings) -> Tensor:
    """(N, w_dim) that the mapping's layers are given for each drawing."""
    assert mapping.drawings is not None
    assert mapping.from_code is not None
    codes, code_dim = mapping.drawings.shape
    remembered = mapping.drawings.codes.weight.T.reshape(-1, codes, code_dim)[drawings.concept]
    later = drawings.place > FIRST
    code = remembered[torch.arange(len(later)), (drawings.place - FIRST - 1).clamp_min(0)] * later[:, None]
    value = mapping.memory.values.weight.T[drawings.concept]
    added = _aside(mapping, drawings) + mapping.from_code(code * VALUE_GAIN)
    return _gate(mapping, drawings) * value * VALUE_GAIN + added


def _most_alike(corpus: PictureCorpus, drawings: _Drawings, errors: Tensor, fitted: _Drawings) -> Tensor:
    """(N,) row in `drawings` of that whose picture is most like each one of `fitted`, by the cosine of their ink.

    By the difference of pixels nearly white pictures would be nearest to every thin shape. Only well drawn ones are
    asked; where there are none, any row.
    """
    alike = _ink(corpus, fitted.picture) @ _ink(corpus, drawings.picture).T
    return (alike - _DRAWN_BADLY * errors).masked_fill(errors > _WELL_DRAWN, -torch.inf).argmax(1)


def _ink(corpus: PictureCorpus, pictures: Tensor) -> Tensor:
    """(N, D) of unit length: what rows of the corpus have on white paper, blurred."""
    small = [F.adaptive_avg_pool2d(_scaled(corpus.pictures[rows]), _THUMBNAIL) for rows in pictures.split(_BATCH)]
    return F.normalize(1.0 - torch.cat(small).flatten(1), dim=1)


def _remembered(generator: Generator, corpus: PictureCorpus) -> _Drawings:
    """The training pictures that have a place in the memory, the first of each concept and style."""
    memory = generator.mapping.drawings
    assert memory is not None
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


class _PictureLoss:
    """The picture stage's loss at its own weights, without the adversary.

    Of features only where those of the real pictures are given: they are most of a step's cost, and coarse shapes come
    without.
    """

    def __init__(self, corpus: PictureCorpus, features: bool) -> None:
        self.corpus = corpus
        self.weights = PictureLossWeights()
        self.features = load_image_features() if features else None
        if self.features is None:
            return
        self.distance = FeatureDistance(self.features.channels)
        rows = corpus.training.nonzero()[:, 0]
        chosen = torch.randperm(len(rows), generator=step_generator(0, 0, 0, purpose=3))[:_CALIBRATION_PICTURES]
        with torch.no_grad():
            self.distance.calibrate(self.features(_scaled(corpus.pictures[rows[chosen]])))

    @torch.no_grad()
    def features_of(self, real: Tensor) -> dict[int, Tensor] | None:
        """Of pictures (N, 3, H, W); None where the loss is of pixels alone."""
        return None if self.features is None else self.features(real)

    def __call__(self, drawn: Tensor, real: Tensor, real_features: dict[int, Tensor] | None) -> Tensor:
        # A thin shape weighs as much as a large one: next to its fellows' errors nothing would be lost by white paper.
        ink = (1.0 - real).mean(dim=(1, 2, 3), keepdim=True)
        weight = (ink.mean() / ink.clamp_min(1e-3)).clamp_max(_MOST_WEIGHT)
        pixels = self.weights.pixels * multiscale_l1(drawn * weight, real * weight)
        if real_features is None or self.features is None:
            return pixels
        return pixels + self.weights.features * self.distance(self.features(drawn), real_features)


def _fit(generator: Generator, memory: _Remembered, drawings: _Drawings, loss: _PictureLoss, steps: int) -> None:
    """Fits what is remembered of the drawings to their pictures."""
    generator.train()  # beyond the clip there is a gradient while training alone
    real = _scaled(loss.corpus.pictures[drawings.picture])
    real_features = loss.features_of(real)
    own = memory.own(drawings)
    learned = [weight.requires_grad_(True) for weight in memory.weights]
    optimizer = torch.optim.Adam(learned, _LEARNING_RATE, (0.5, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        optimizer.zero_grad()
        loss(_draw(generator, drawings), real, real_features if step >= steps * _PIXELS_ALONE else None).backward()
        for weight, mask in zip(learned, own, strict=True):
            assert weight.grad is not None
            weight.grad.mul_(mask)  # Adam leaves alone what never had a gradient
        optimizer.step()
        schedule.step()
        memory.limit()
    generator.eval().requires_grad_(False)
