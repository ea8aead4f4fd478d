"""What a bundle draws besides its first picture: several latents, longer ones, every style, every meaning."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_s2i.evaluation import ambiguity, efficientnet_lite
from edge_s2i.evaluation.ambiguity import AmbiguousWord
from edge_s2i.evaluation.bundle_under_test import BundleUnderTest
from edge_s2i.evaluation.choosing import place
from edge_s2i.evaluation.picture_features import Progress
from edge_s2i.evaluation.picture_judge import PictureJudge
from edge_s2i.evaluation.speech_scores import HeardSplit, interval
from edge_s2i.evaluation.variety import by_concept, score_variety

ANY_STYLE = "any"  # of a drawing that was not asked for in a style
TRUNCATIONS = (0.0, 0.5, 1.0, 1.5, 2.0)  # what latents are multiplied with; a bundle draws with 1


class PictureVariations:
    """Measures variety, truncation, styles and ambiguity of a bundle's drawings.

    concepts: how many of the bundle's that the classifier knows are drawn, chosen by hash; latents: of each; style: of
    the drawings.
    """

    def __init__(
        self,
        judge: PictureJudge,
        bundle: BundleUnderTest,
        style: str,
        concepts: int,
        latents: int,
        seed: int,
        progress: Progress,
    ) -> None:
        self._judge = judge
        self._bundle = bundle
        self._style = style
        self._seed = seed
        self._count = latents
        self._progress = progress
        known = judge.knows(np.array(bundle.manifest.concepts))
        self.known = [name for name, learned in zip(bundle.manifest.concepts, known, strict=True) if learned]
        self.concepts = sorted(sorted(self.known, key=lambda name: place(seed, name))[:concepts])
        self._rows = {name: number for number, name in enumerate(bundle.manifest.concepts)}
        # Not those of seed 0, the first of which is no draw but the mean.
        self._latents = bundle.latents(seed + 1, latents)

    def prototype(self, concept: str) -> np.ndarray:
        """(D,) where speech of the concept should be."""
        return self._bundle.prototypes[self._rows[concept]]

    def score_variety(self) -> dict[str, Any]:
        """Of several latents of one prototype, and of several latents and styles together, against the corpus's own."""
        real = self._judge.real.pooled_by_concept()
        alone = self._draw(self.concepts, [self._style], "drawing several latents")
        styles = [style for style in self._bundle.manifest.styles if style != ANY_STYLE] or [self._style]
        together = self._draw(self.concepts, styles, "drawing several latents and styles")
        own = self._judge.real.pooled_by_concept(styles)
        return {
            "latents": score_variety(alone, real, self._seed),
            "latents_and_styles": score_variety(together, real, self._seed),
            "latents_and_styles_against_those_styles": score_variety(together, own, self._seed),
        }

    def score_truncation(self) -> list[dict[str, Any]]:
        """Concept accuracy and variety where latents are shortened or lengthened."""
        found = []
        for scale in TRUNCATIONS:
            features, concepts = self._features(self.concepts, [self._style], scale, f"drawing latents x {scale:g}")
            ranks = self._judge.ranks(features, concepts)
            drawn = by_concept(features[:, efficientnet_lite.POOLED], concepts)
            variety = score_variety(drawn, self._judge.real.pooled_by_concept(), self._seed)
            found.append(
                {
                    "scale": scale,
                    "top1": interval((ranks <= 1).astype(float), concepts),
                    "share_of_corpus": variety["share_of_corpus"],
                }
            )
        return found

    def score_styles(self) -> dict[str, Any]:
        """Whether a chosen style is what comes: is the real picture of the concept that is nearest in that style?

        Only of concepts whose real pictures are of several of the bundle's styles; `chance` is that of a generator
        which does not listen. And concept accuracy in every style.
        """
        real = self._judge.real
        styles = [style for style in self._bundle.manifest.styles if style != ANY_STYLE]
        accuracy, followed, chances, owners = {}, [], [], []
        asked: dict[str, int] = dict.fromkeys(styles, 0)
        kept: dict[str, int] = dict.fromkeys(styles, 0)
        pooled = real.features[:, efficientnet_lite.POOLED]
        several = self._of_several_styles(styles)
        for style in styles:
            features, concepts = self._features(self.concepts, [style], 0.0, f"drawing in style {style}", 1)
            accuracy[style] = interval((self._judge.ranks(features, concepts) <= 1).astype(float))
        for style in styles:
            names = [name for name in several if style in several[name]]
            features, concepts = self._features(names, [style], 0.0, f"drawing what has style {style}", 1)
            for drawn, concept in zip(features[:, efficientnet_lite.POOLED], concepts, strict=True):
                rows = np.flatnonzero((real.concepts == concept) & np.isin(real.styles, styles))
                nearest = rows[((pooled[rows] - drawn) ** 2).sum(axis=1).argmin()]
                right = real.styles[nearest] == style
                followed.append(float(right))
                chances.append(float(np.mean(real.styles[rows] == style)))
                owners.append(concept)
                asked[style] += 1
                kept[style] += int(right)
        overall = interval(np.array(followed), np.array(owners), float(np.mean(chances)) if chances else 0.0)
        return {
            "concepts": len(several),
            "followed": overall,
            "by_style": {style: {"asked": asked[style], "followed": kept[style]} for style in styles},
            "top1": accuracy,
        }

    def _of_several_styles(self, styles: Sequence[str]) -> dict[str, set[str]]:
        """Concepts with real pictures of two or more of the styles, and which; as many as are drawn at most."""
        real = self._judge.real
        found: dict[str, set[str]] = {}
        for concept, style in zip(real.concepts.tolist(), real.styles.tolist(), strict=True):
            if style in styles and concept in self._rows:
                found.setdefault(concept, set()).add(style)
        several = [name for name, drawn in found.items() if len(drawn) > 1]
        chosen = sorted(several, key=lambda name: place(self._seed, name))[: len(self.concepts)]
        return {name: found[name] for name in sorted(chosen)}

    def score_ambiguity(self, words: Sequence[AmbiguousWord], splits: Sequence[HeardSplit]) -> dict[str, Any]:
        """Whether several latents give several meanings: between the meanings' prototypes, and as people said it.

        `between`: every word from the embedding that is equally near to its meanings, the hearing of a word that has
        no other; `held_out_speech`: from held-out clips of the words, in any voice.
        """
        between = [
            ambiguity.between_meanings(np.stack([self.prototype(concept) for concept in word.concepts]))
            for word in words
        ]
        said: list[tuple[AmbiguousWord, np.ndarray]] = []
        by_text = {(word.language, word.text): word for word in words}
        for split in splits:
            for clip, embedding in zip(split.clips, split.heard.embeddings, strict=True):
                key = (clip.language, ambiguity.normalized(clip.text, clip.language))
                if clip.text and embedding.any() and key in by_text:
                    said.append((by_text[key], embedding))
        return {
            "words": len(words),
            "latents": self._count,
            "between": self._score_words(list(zip(words, between, strict=True)), "drawing ambiguous words"),
            "held_out_speech": self._score_words(said, "drawing ambiguous words as said"),
        }

    def _score_words(self, asked: Sequence[tuple[AmbiguousWord, np.ndarray]], description: str) -> dict[str, Any]:
        rows = [(embedding, latent) for _, embedding in asked for latent in self._latents]
        if not rows:
            return ambiguity.score_words([])
        embeddings, latents = (np.stack(column) for column in zip(*rows, strict=True))
        pictures = self._bundle.draw_rows(embeddings, latents, [self._style] * len(rows))
        named = self._judge.names(self._judge.features(self._progress(pictures, description, len(rows))))
        named = named.reshape(len(asked), self._count)
        return ambiguity.score_words(
            [ambiguity.score_word(word, mine) for (word, _), mine in zip(asked, named, strict=True)]
        )

    def _draw(self, concepts: Sequence[str], styles: Sequence[str], description: str) -> dict[str, np.ndarray]:
        """Pooled features of every latent in every style, by concept."""
        features, names = self._features(concepts, styles, 1.0, description)
        return by_concept(features[:, efficientnet_lite.POOLED], names)

    def _features(
        self, concepts: Sequence[str], styles: Sequence[str], scale: float, description: str, count: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(N, D) features of drawings of every concept, style and latent, and their (N,) concepts."""
        latents = self._latents[:count] * np.float32(scale)
        rows = [(concept, style, latent) for concept in concepts for style in styles for latent in latents]
        if not rows:
            return np.zeros((0, efficientnet_lite.FEATURE_DIM), np.float32), np.zeros(0, str)
        embeddings = np.stack([self.prototype(concept) for concept, _, _ in rows])
        pictures = self._bundle.draw_rows(embeddings, np.stack([row[2] for row in rows]), [row[1] for row in rows])
        features = self._judge.features(self._progress(pictures, description, len(rows)))
        return features, np.array([row[0] for row in rows])
