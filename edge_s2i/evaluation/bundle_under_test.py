"""A bundle as it ships, through the runtime that a device uses: what it hears and what it draws."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter

import numpy as np

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.bundle import read_bundle
from edge_s2i.errors import AudioError
from edge_s2i.runtime import load_speech_to_picture
from edge_s2i.runtime.latents import draw_latents

_BATCH = 32  # pictures drawn at once


@dataclass(frozen=True)
class Heard:
    """What the runtime made of N recordings, in their order.

    embeddings: (N, D) float32, rows of zeros for what was not embedded; confidence: (N,) in [0, 1];
    understood: (N,) bool; refusals: reason -> how many recordings were refused before the encoder (silence,
    noise, unusable audio).
    """

    embeddings: np.ndarray
    confidence: np.ndarray
    understood: np.ndarray
    refusals: dict[str, int]


class BundleUnderTest:
    """A loaded bundle; raises BundleError or BackendError where it cannot be used."""

    def __init__(
        self,
        path: Path | None = None,
        threads: int | None = None,
        backend: str | None = None,
        precision: str | None = None,
    ) -> None:
        """backend, precision: as `load_speech_to_picture` takes them; what a device would run if not given."""
        self.bundle = read_bundle(path)
        self.manifest = self.bundle.manifest
        self._speech_to_picture = load_speech_to_picture(path, backend=backend, threads=threads, precision=precision)

    @cached_property
    def prototypes(self) -> np.ndarray:
        """(concepts, D) float32 of unit length, in the order of manifest.concepts."""
        prototypes = self.bundle.prototypes()
        return prototypes / np.maximum(np.linalg.norm(prototypes, axis=1, keepdims=True), 1e-12)

    @property
    def sha256(self) -> str:
        """Hash of the bundle's files; scores written into its manifest later do not change it."""
        lines = sorted(f"{name} {info.sha256}" for name, info in self.manifest.files.items())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def hear(self, recordings: Iterable[np.ndarray]) -> Heard:
        """Listens to 16 kHz recordings, each (N,) float32, one by one as a device does."""
        embeddings: list[np.ndarray] = []
        confidence: list[float] = []
        understood: list[bool] = []
        refusals: dict[str, int] = {}
        nothing = np.zeros(self.manifest.embedding_dim, np.float32)
        for samples in recordings:
            try:
                hearing = self._speech_to_picture.hear((samples, SAMPLE_RATE))
            except AudioError:
                refusals["unusable audio"] = refusals.get("unusable audio", 0) + 1
                embeddings.append(nothing)
                confidence.append(0.0)
                understood.append(False)
                continue
            if hearing.embedding is None:
                reason = hearing.reason.partition(":")[0]
                refusals[reason] = refusals.get(reason, 0) + 1
            embeddings.append(nothing if hearing.embedding is None else hearing.embedding)
            confidence.append(hearing.confidence)
            understood.append(hearing.understood)
        shape = (len(embeddings), self.manifest.embedding_dim)
        return Heard(
            np.array(embeddings, np.float32).reshape(shape),
            np.array(confidence, np.float64),
            np.array(understood, bool),
            refusals,
        )

    def time_once(self, features: np.ndarray) -> dict[str, float]:
        """Milliseconds of both networks on one normalized log-mel (MEL_BANDS, T)."""
        start = perf_counter()
        embedding = self._speech_to_picture.embed(features)
        middle = perf_counter()
        self._speech_to_picture.paint(embedding)
        return {"encoder": 1000.0 * (middle - start), "generator": 1000.0 * (perf_counter() - middle)}

    def nearest(self, embeddings: np.ndarray) -> list[str]:
        """The concept nearest to each of (N, D) embeddings; empty for rows of zeros, which nothing was embedded in."""
        names = self.manifest.concepts
        if not names:
            return [""] * len(embeddings)
        indices = (embeddings @ self.prototypes.T).argmax(axis=1)
        return [names[i] if row.any() else "" for i, row in zip(indices, embeddings, strict=True)]

    def draw(self, embeddings: np.ndarray, seed: int, styles: Sequence[str]) -> Iterable[np.ndarray]:
        """The first (H, W, 3) uint8 picture of `seed` of each embedding (N, D), in its own style."""
        for embedding, style in zip(embeddings, styles, strict=True):
            yield self._speech_to_picture.paint(embedding, seed=seed, style=style)[0]

    def latents(self, seed: int, n: int) -> np.ndarray:
        """(n, Z) standard-normal latents, those of a user's seed; seed 0 begins with a row of zeros."""
        return draw_latents(seed, n, self.manifest.latent_dim)

    def draw_rows(self, embeddings: np.ndarray, latents: np.ndarray, styles: Sequence[str]) -> Iterable[np.ndarray]:
        """One (H, W, 3) uint8 picture of each row of (N, D) embeddings, (N, Z) latents and N styles."""
        known = self.manifest.styles
        weights = np.eye(len(known), dtype=np.float32)[[known.index(style) for style in styles]]
        for first in range(0, len(latents), _BATCH):
            rows = slice(first, first + _BATCH)
            yield from self._speech_to_picture.paint_latents(embeddings[rows], latents[rows], weights[rows])
