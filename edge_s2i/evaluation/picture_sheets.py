"""Contact sheets of what a bundle draws: concept by latent, concept by style, interpolation, truncation, meanings."""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edge_s2i.data.whole_files import write_output
from edge_s2i.evaluation.ambiguity import AmbiguousWord, between_meanings, find_ambiguous
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest
from edge_s2i.evaluation.choosing import place
from edge_s2i.evaluation.held_out_pack import HeldOutPack, Picture
from edge_s2i.evaluation.picture_variations import ANY_STYLE, TRUNCATIONS

_ROWS = 12
_SIDE = 16  # pictures in a row of the sheet of random concepts
_REAL = 3  # real pictures shown of one concept
_GAP = 4
_LABEL = 132  # pixels for the name of a row
_HEADING = 18
_PAPER, _INK = (255, 255, 255), (40, 42, 48)


@dataclass(frozen=True)
class Row:
    """One line of a sheet; None is an empty place."""

    label: str
    pictures: Sequence[np.ndarray | None]


def draw_grid(rows: Sequence[Row], headings: Sequence[str] = (), side: int = 96) -> Image.Image:
    """Lays rows of (H, W, 3) uint8 pictures out, each reduced to `side` px, RGB."""
    columns = max((len(row.pictures) for row in rows), default=0)
    left = _LABEL if any(row.label for row in rows) else _GAP
    top = _HEADING if headings else _GAP
    sheet = Image.new("RGB", (left + columns * (side + _GAP), top + len(rows) * (side + _GAP)), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for column, heading in enumerate(headings):
        pen.text((left + column * (side + _GAP), 3), heading, _INK, font)
    for line, row in enumerate(rows):
        y = top + line * (side + _GAP)
        for number, part in enumerate(_broken(row.label)):
            pen.text((4, y + 4 + 13 * number), part, _INK, font)
        for column, pixels in enumerate(row.pictures):
            if pixels is not None:
                picture = Image.fromarray(pixels)
                if picture.size != (side, side):
                    picture = picture.resize((side, side), Image.Resampling.LANCZOS)
                sheet.paste(picture, (left + column * (side + _GAP), y))
    return sheet


def _broken(label: str, width: int = 22) -> list[str]:
    lines = [""]
    for word in label.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()[:width]
    return lines[:6]


class PictureSheets:
    """Draws every sheet of a bundle on a pack. latents: how many of each; style: of the drawings."""

    def __init__(self, bundle: BundleUnderTest, pack: HeldOutPack, style: str, latents: int, seed: int) -> None:
        self._bundle = bundle
        self._style = style
        self._seed = seed
        self._size = bundle.manifest.image_size
        self._captions = bundle.manifest.captions
        self._rows = {name: number for number, name in enumerate(bundle.manifest.concepts)}
        self._real: dict[str, list[Picture]] = {}
        for picture in pack.pictures:
            if picture.concept in self._rows:
                self._real.setdefault(picture.concept, []).append(picture)
        self._words = find_ambiguous(pack.concept_rows(), tuple(self._rows))
        self._latents = bundle.latents(seed + 1, latents)

    def write(self, folder: Path) -> list[Path]:
        """Writes each sheet as PNG into `folder`, and the names of the random ones as text; returns the files."""
        sheets: dict[str, Callable[[], Image.Image]] = {
            "random": self.random,
            "latents": self.latents,
            "styles": self.styles,
            "interpolation": self.interpolation,
            "truncation": self.truncation,
            "meanings": self.meanings,
        }
        written = []
        for name, draw in sheets.items():
            buffer = io.BytesIO()
            draw().save(buffer, "png")
            written.append(write_output(folder / f"{name}.png", buffer.getvalue()))
        lines = [", ".join(self._caption(name) for name in line) for line in self._random_concepts()]
        written.append(write_output(folder / "random.txt", ("\n".join(lines) + "\n").encode()))
        return written

    def random(self) -> Image.Image:
        """16 x 16 random concepts from their prototypes, without a word: can one tell what they are?"""
        zero = np.zeros_like(self._latents[0])
        rows = [
            Row("", self._draw([(self._prototype(name), zero) for name in line])) for line in self._random_concepts()
        ]
        return draw_grid(rows)

    def latents(self) -> Image.Image:
        """Real pictures of a concept, then drawings of it: latent 0, then several."""
        zero = np.zeros_like(self._latents[0])
        rows = []
        for name in self._some(self._real):
            asked = [(self._prototype(name), latent) for latent in (zero, *self._latents)]
            rows.append(Row(self._caption(name), [*self._real_pictures(name), *self._draw(asked)]))
        latents = [f"latent {number + 1}" for number in range(len(self._latents))]
        return draw_grid(rows, [*["real"] * _REAL, "latent 0", *latents])

    def styles(self) -> Image.Image:
        """For every style the concept's real picture in it, where there is one, and its drawing."""
        styles = [style for style in self._bundle.manifest.styles if style != ANY_STYLE] or [self._style]
        several = [name for name, shown in self._real.items() if len({p.style for p in shown if p.style in styles}) > 1]
        zero = np.zeros_like(self._latents[0])
        rows = []
        for name in self._some(several or self._real):
            cells: list[np.ndarray | None] = []
            for style in styles:
                real = next((shown for shown in self._real[name] if shown.style == style), None)
                cells.append(None if real is None else real.pixels(self._size))
                cells += self._draw([(self._prototype(name), zero)], style)
            rows.append(Row(self._caption(name), cells))
        return draw_grid(rows, [heading for style in styles for heading in ("real", style)])

    def interpolation(self) -> Image.Image:
        """From one latent to another along the great circle; half of the rows are heard between two meanings."""
        clear = [(self._caption(name), self._prototype(name)) for name in self._some(self._real)[: _ROWS // 2]]
        doubtful = [
            (self._meanings_of(word), self._between(word.concepts)) for word in self._shuffled_words()[: _ROWS // 2]
        ]
        rows = []
        for number, (label, embedding) in enumerate((*clear, *doubtful)):
            first = self._latents[number % len(self._latents)]
            second = self._latents[(number + 1) % len(self._latents)]
            steps = [between(first, second, share) for share in np.linspace(0, 1, 9)]
            rows.append(Row(label, self._draw([(embedding, latent) for latent in steps])))
        return draw_grid(rows, [f"{share:.2f}" for share in np.linspace(0, 1, 9)])

    def truncation(self) -> Image.Image:
        """The same latent, shorter and longer."""
        rows = []
        for name in self._some(self._real):
            asked = [(self._prototype(name), self._latents[0] * np.float32(scale)) for scale in TRUNCATIONS]
            rows.append(Row(self._caption(name), self._draw(asked)))
        return draw_grid(rows, [f"x {scale:g}" for scale in TRUNCATIONS])

    def meanings(self) -> Image.Image:
        """Words of two meanings: a real picture of each, then drawings from several latents."""
        rows = []
        for word in self._shuffled_words()[: 2 * _ROWS]:
            real = [*(self._real_pictures(concept)[0] for concept in word.concepts[:_REAL]), *[None] * _REAL][:_REAL]
            asked = [(self._between(word.concepts), latent) for latent in self._latents]
            rows.append(Row(self._meanings_of(word), [*real, *self._draw(asked)]))
        latents = [f"latent {number + 1}" for number in range(len(self._latents))]
        return draw_grid(rows, [*["real"] * _REAL, *latents])

    def _shuffled_words(self) -> list[AmbiguousWord]:
        return sorted(self._words, key=lambda word: place(self._seed, word.language + word.text))

    def _meanings_of(self, word: AmbiguousWord) -> str:
        """In English: a font that writes every language is not on every machine."""
        return f"{' / '.join(self._caption(concept) for concept in word.concepts)} ({word.language})"

    def _random_concepts(self) -> list[list[str]]:
        names = sorted(self._rows, key=lambda name: place(self._seed, name))[: _SIDE * _SIDE]
        return [names[first : first + _SIDE] for first in range(0, len(names), _SIDE)]

    def _some(self, names: Iterable[str]) -> list[str]:
        return sorted(names, key=lambda name: place(self._seed, name))[:_ROWS]

    def _caption(self, concept: str) -> str:
        return self._captions.get(concept, concept)

    def _prototype(self, concept: str) -> np.ndarray:
        return self._bundle.prototypes[self._rows[concept]]

    def _between(self, concepts: Sequence[str]) -> np.ndarray:
        return between_meanings(np.stack([self._prototype(concept) for concept in concepts]))

    def _real_pictures(self, concept: str) -> list[np.ndarray | None]:
        shown: list[np.ndarray | None] = [picture.pixels(self._size) for picture in self._real.get(concept, [])[:_REAL]]
        return [*shown, *[None] * (_REAL - len(shown))]

    def _draw(self, asked: Sequence[tuple[np.ndarray, np.ndarray]], style: str | None = None) -> list[np.ndarray]:
        embeddings, latents = (np.stack(column).astype(np.float32) for column in zip(*asked, strict=True))
        return list(self._bundle.draw_rows(embeddings, latents, [style or self._style] * len(asked)))


def between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Spherical interpolation of (Z,) latents: a straight line would pass through unusually short ones."""
    cosine = float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:
        return (first * (1 - share) + second * share).astype(np.float32)
    weights = np.sin(np.array([1 - share, share]) * angle) / np.sin(angle)
    return (weights[0] * first + weights[1] * second).astype(np.float32)
