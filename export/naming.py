"""Do pictures in fewer bits still show their concept? Asked of the classifier that evaluation asks, before they ship.

Decibels do not tell. Of sixteen pictures of clips a generator whose memory computed in 8 bits kept 37 dB; of the
concepts' own prototypes it drew another concept for every second one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from edge_s2i.models.generator import Generator
from export.artefact import Artefact, Feed
from export.sensitivity import Progress

if TYPE_CHECKING:
    from edge_s2i.evaluation.picture_judge import PictureJudge

MOST_POINTS_LOST = 1.0  # of accuracy, by what fewer bits do to a network
ENOUGH = 0.5  # that a search goes on to: a thousand or two pictures tell no less apart, and the rest is the encoder's
NAMED = "named rightly"  # the line of an artefact's parity

Draw = Callable[[Feed], np.ndarray]  # generator inputs of one picture -> (1, 3, H, W) in [-1, 1]


class Naming:
    """Torch's pictures and others', named by a classifier; see `naming_of`.

    feeds: generator inputs of one picture each, concepts: (N,) what they should show.
    """

    def __init__(self, judge: PictureJudge, generator: nn.Module, feeds: Sequence[Feed], concepts: np.ndarray) -> None:
        self._judge = judge
        self._generator = generator
        self._feeds = feeds
        self._concepts = concepts

    @cached_property
    def _right(self) -> np.ndarray:
        return self._named(torch_draw(self._generator))

    def lost(self, draw: Draw) -> float:
        """Points fewer named rightly of what `draw` draws than of torch's; negative for more."""
        return 100.0 * float(self._right.mean() - self._named(draw).mean())

    def _named(self, draw: Draw) -> np.ndarray:
        pictures = (to_pixels(draw(feed))[0] for feed in self._feeds)
        return self._judge.ranks(self._judge.features(pictures), self._concepts) == 1


def naming_of(
    data: Path | None, prototypes: np.ndarray, generator: Generator, style: str, most: int, track: Progress
) -> Naming | str:
    """Names pictures of the concepts' prototypes, in one style without a latent; or why nobody does.

    data: the pack whose pictures a classifier learns from, its features kept beside it. prototypes: (concepts, E) in
    the order of the pack's concepts, of which `most` are drawn, evenly. Torch's are named rightly nearly always, so
    that a picture that fewer bits spoil is seen, where of speech two thirds are heard wrongly to begin with.

    Raises DataError for a pack that is damaged: what could not be asked is not what nobody can answer.
    """
    if data is None:
        return "there is no data pack whose pictures a classifier could learn from"
    from edge_s2i.evaluation.efficientnet_lite import MissingClassifierError
    from edge_s2i.evaluation.held_out_pack import TRAIN_SPLIT, HeldOutPack
    from edge_s2i.evaluation.picture_judge import PictureJudge
    from edge_s2i.evaluation.suite import default_cache

    pack, config = HeldOutPack(data), generator.config
    if not any(picture.split == TRAIN_SPLIT for picture in pack.pictures):
        return f"{data} has no training pictures that a classifier could learn from"
    try:
        judge = PictureJudge(pack, default_cache(data), track, config.image_size)
    except MissingClassifierError as error:
        return f"the classifier needs {error.missing}, which is not installed (train extra)"
    concepts = np.array(pack.concepts)
    known = np.flatnonzero(judge.knows(concepts))
    if len(known) == 0:
        return f"{data} has a training picture of none of the concepts"
    rows = known[np.linspace(0, len(known) - 1, min(most, len(known))).astype(int)]
    code = np.zeros((1, max(1, len(config.styles))), np.float32)
    code[0, config.styles.index(style)] = 1.0
    latent = np.zeros((1, config.latent_dim), np.float32)
    feeds = [{"embedding": prototypes[row : row + 1], "latent": latent, "style": code} for row in rows]
    return Naming(judge, generator, feeds, concepts[rows])


def note(made: Artefact, naming: Naming | str, draw: Draw) -> float:
    """Writes on an artefact how many points are lost, refuses it above MOST_POINTS_LOST, and returns them; 0 where
    nobody could be asked."""
    if isinstance(naming, str):
        made.parity[NAMED] = f"not checked: {naming}"
        return 0.0
    lost = naming.lost(draw)
    made.parity[NAMED] = f"{-lost:+.1f} points"
    if not lost <= MOST_POINTS_LOST:
        most = f"at most {MOST_POINTS_LOST} is allowed"
        made.refusal = f"of what {made.file} draws {lost:.1f} points fewer are named rightly; {most}"
    return lost


def torch_draw(generator: nn.Module) -> Draw:
    """What the module itself draws."""

    def draw(feed: Feed) -> np.ndarray:
        with torch.inference_mode():
            return generator(*(torch.from_numpy(feed[name]) for name in ("embedding", "latent", "style"))).numpy()

    return draw


def to_pixels(pictures: np.ndarray) -> np.ndarray:
    """(N, 3, H, W) in [-1, 1] -> (N, H, W, 3) uint8, as the runtime rounds them."""
    levels = np.rint((np.clip(pictures, -1.0, 1.0) + 1.0) * 127.5)
    return np.ascontiguousarray(levels.astype(np.uint8).transpose(0, 2, 3, 1))
