"""The whole path: speech in, pictures out."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from edge_s2i.audio import check_utterance, log_mel, normalize_log_mel, read_audio, trim_silence
from edge_s2i.audio.constants import MAX_SECONDS, MEL_BANDS, MIN_SECONDS, SAMPLE_RATE
from edge_s2i.audio.level import energy_db, frame_energy, modulation, set_peak
from edge_s2i.audio.reading import AudioInput
from edge_s2i.bundle import Bundle, Manifest, read_bundle
from edge_s2i.errors import AudioError, BackendError, BundleError, RequestError
from edge_s2i.runtime.backends import Backend, OnnxBackend, import_litert, import_onnxruntime
from edge_s2i.runtime.concepts import ConceptIndex
from edge_s2i.runtime.drawing import Drawing
from edge_s2i.runtime.graph_choice import open_graphs
from edge_s2i.runtime.latents import draw_latents
from edge_s2i.runtime.pixels import PIXEL_BLOCKS, join_blocks, to_pixels

MAX_PICTURES = 256  # of one utterance in one call

# Below this the loud part of a recording neither rises nor falls as syllables do;
# edge_s2i.audio.level.modulation says what was measured on either side.
MIN_MODULATION = 0.17  # nats

Style = str | Mapping[str, float] | None


@dataclass(frozen=True)
class Hearing:
    """What was heard in one recording, before anything is drawn."""

    embedding: np.ndarray | None  # (D,) float32 of unit length; None for silence and steady noise
    confidence: float
    understood: bool
    reason: str  # why it was not understood; empty if it was
    timings: Mapping[str, float]  # ms: read, log_mel, encoder, confidence


class SpeechToPicture:
    """A loaded bundle: call it on speech and it draws."""

    def __init__(self, bundle: Bundle, encoder: Backend, generator: Backend) -> None:
        """encoder, generator: the bundle's two graphs, loaded; see `load_speech_to_picture`."""
        self.manifest: Manifest = bundle.manifest
        self._encoder = encoder
        self._generator = generator
        self._encoder_inputs = encoder.inputs()
        self._generator_inputs = generator.inputs()
        settings = bundle.manifest.confidence
        self.concepts = ConceptIndex(bundle.manifest.concepts, bundle.prototypes(), settings.temperature)

    def __call__(
        self, source: AudioInput, *, n: int = 1, seed: int = 0, style: Style = None, draw_anyway: bool = False
    ) -> Drawing:
        """Draws what is said in `source`.

        source: a path, the bytes of an audio file, or (samples, rate).
        n: how many pictures, each from its own latent; seed: the same seed gives the same pictures on every
        run.
        style: a style's name, or weights by name that are scaled to sum to 1; None for the bundle's default.
        draw_anyway: draw also what was heard but not understood, at whatever confidence.
        Raises AudioError for speech that cannot be used and RequestError for impossible arguments. Silence,
        noise
        and unknown words raise nothing: the drawing says that it was not understood, and has no pictures.
        """
        begin = perf_counter()
        weights = self.style_weights(style)
        _check_request(n, seed)
        hearing = self.hear(source)
        return self._draw(hearing, n, seed, weights, draw_anyway, begin)

    def draw_heard(
        self, hearing: Hearing, *, n: int = 1, seed: int = 0, style: Style = None, draw_anyway: bool = False
    ) -> Drawing:
        """Draws what was heard, as a call does; its timings lack "total"."""
        weights = self.style_weights(style)
        _check_request(n, seed)
        return self._draw(hearing, n, seed, weights, draw_anyway, None)

    def _draw(
        self,
        hearing: Hearing,
        n: int,
        seed: int,
        weights: Mapping[str, float],
        draw_anyway: bool,
        begin: float | None,
    ) -> Drawing:
        """begin: when the call began that the timings' "total" is of; None for no total."""
        timings = dict(hearing.timings)
        if hearing.embedding is not None and (hearing.understood or draw_anyway):
            start = perf_counter()
            arrays = self._paint(hearing.embedding, n, seed, weights)
            timings["generator"] = _milliseconds(start)
        else:
            arrays = np.zeros((0, self.manifest.image_size, self.manifest.image_size, 3), np.uint8)
        if begin is not None:
            timings["total"] = _milliseconds(begin)
        return Drawing(
            understood=hearing.understood,
            confidence=hearing.confidence,
            reason=hearing.reason,
            arrays=arrays,
            embedding=hearing.embedding,
            seed=seed,
            style={name: weight for name, weight in weights.items() if weight > 0},
            timings=timings,
            captions=self.manifest.captions,
            concepts=self.concepts,
        )

    def hear(self, source: AudioInput) -> Hearing:
        """Reads, checks and embeds one recording; AudioError if it cannot be used."""
        start = perf_counter()
        samples = read_audio(source)
        name = str(source) if isinstance(source, str | os.PathLike) else "the audio"
        settings = self.manifest.confidence
        timings = {"read": _milliseconds(start)}

        start = perf_counter()
        energy = frame_energy(samples)
        level = energy_db(energy)
        if level < settings.min_level_db and len(samples) >= MIN_SECONDS * SAMPLE_RATE:
            reason = f"silence: the level is {level:.0f} dB, speech is above {settings.min_level_db:.0f} dB"
            return Hearing(None, 0.0, False, reason, timings)
        try:
            utterance = check_utterance(samples, name, energy)
        except AudioError:
            beginning = trim_silence(samples)[: int(MAX_SECONDS * SAMPLE_RATE)]
            if len(beginning) < MIN_SECONDS * SAMPLE_RATE or not _is_steady(log_mel(set_peak(beginning))):
                raise
            utterance = beginning  # noise may be of any length: it is not understood, but nobody's mistake
        features = log_mel(set_peak(utterance))
        timings["log_mel"] = _milliseconds(start)
        return self.hear_log_mel(features, timings)

    def hear_log_mel(self, features: np.ndarray, timings: Mapping[str, float] | None = None) -> Hearing:
        """Embeds the log-mel (MEL_BANDS, T) of an utterance at its level (`set_peak`), not normalized.

        timings: ms of the stages before, which the answer's begin with.
        """
        timings = dict(timings or {})
        if _is_steady(features):
            reason = "steady noise: nothing in it rises and falls as speech does"
            return Hearing(None, 0.0, False, reason, timings)
        features = normalize_log_mel(features)

        start = perf_counter()
        embedding = self.embed(features)
        timings["encoder"] = _milliseconds(start)
        return self.judge(embedding, timings)

    def judge(self, embedding: np.ndarray, timings: Mapping[str, float] | None = None) -> Hearing:
        """How surely a unit-length (D,) embedding is one of the known concepts."""
        timings = dict(timings or {})
        settings = self.manifest.confidence
        start = perf_counter()
        confidence = self.concepts.confidence(embedding)
        timings["confidence"] = _milliseconds(start)
        understood = confidence >= settings.threshold
        reason = "" if understood else f"confidence {confidence:.2f} is below {settings.threshold:.2f}"
        return Hearing(embedding, confidence, understood, reason, timings)

    def embed(self, features: np.ndarray) -> np.ndarray:
        """Embeds one normalized log-mel (MEL_BANDS, T) float32 as a unit-length (D,) float32 vector."""
        frames = features.shape[1]
        wanted = self._encoder_inputs["log_mel"][-1]
        if wanted is not None:  # a graph of fixed length: zero is the mean of a normalized log-mel
            frames = min(frames, wanted)
            features = np.pad(features[:, :frames], ((0, 0), (0, wanted - frames)))
        embedding = self._encoder.run({"log_mel": features[None], "lengths": np.array([frames], np.int64)})[0]
        length = math.sqrt(np.dot(embedding, embedding)) if embedding.ndim == 1 else math.nan
        if embedding.shape != (self.manifest.embedding_dim,) or not math.isfinite(length):
            raise BundleError(
                f"the encoder gave an embedding of shape {embedding.shape} or with values that are "
                f"not finite; the manifest says ({self.manifest.embedding_dim},)"
            )
        # Quantized graphs leave the unit sphere by a rounding error.
        return embedding / np.float32(max(length, 1e-12))

    def paint(self, embedding: np.ndarray, *, n: int = 1, seed: int = 0, style: Style = None) -> np.ndarray:
        """Draws n pictures of a unit-length (D,) embedding, (n, H, W, 3) uint8."""
        _check_request(n, seed)
        return self._paint(embedding, n, seed, self.style_weights(style))

    def _paint(self, embedding: np.ndarray, n: int, seed: int, weights: Mapping[str, float]) -> np.ndarray:
        styles = np.array([list(weights.values())], np.float32).repeat(n, axis=0)
        latents = draw_latents(seed, n, self.manifest.latent_dim)
        return self.paint_latents(embedding[None].repeat(n, axis=0), latents, styles)

    def paint_latents(self, embeddings: np.ndarray, latents: np.ndarray, styles: np.ndarray) -> np.ndarray:
        """Draws one picture of each row, (N, H, W, 3) uint8.

        embeddings: (N, D) of unit length; latents: (N, Z); styles: (N, S) of weights that sum to 1; all float32.
        """
        n = len(latents)
        batch = self._generator_inputs["embedding"][0] or max(1, min(n, MAX_PICTURES))
        size = self.manifest.image_size
        pictures = []
        for first in range(0, n, batch):
            rows = slice(first, first + batch)
            given = {"embedding": embeddings[rows], "latent": latents[rows], "style": styles[rows]}
            missing = batch - len(given["latent"])
            if missing:  # a graph of fixed batch size gets rows of zeros, whose pictures are dropped
                given = {name: np.pad(value, ((0, missing), (0, 0))) for name, value in given.items()}
            pictures.append(self._pixels(given, size)[: batch - missing])
        if len(pictures) == 1:
            return pictures[0]
        return np.concatenate(pictures) if pictures else np.zeros((0, size, size, 3), np.uint8)

    def _pixels(self, given: Mapping[str, np.ndarray], size: int) -> np.ndarray:
        """What the generator draws of one batch, (B, size, size, 3) uint8; BundleError for another shape."""
        rows = len(given["latent"])
        if isinstance(self._generator, OnnxBackend) and PIXEL_BLOCKS in self._generator.outputs:
            values = self._generator.run(given, PIXEL_BLOCKS)
            wanted = (rows, size // 2, size // 2, 12)
        else:
            values = self._generator.run(given)
            wanted = (rows, 3, size, size)
        if values.shape != wanted:
            raise BundleError(f"the generator gave shape {values.shape}; the manifest says {wanted}")
        return join_blocks(values) if values.dtype == np.uint8 else to_pixels(values)

    def warm_up(self) -> None:
        """Draws once for nothing: the first run of a graph allocates, and somebody would wait for it."""
        self.paint(self.embed(np.zeros((MEL_BANDS, 100), np.float32)))

    def style_weights(self, style: Style) -> dict[str, float]:
        """The weight of every style, summing to 1. RequestError for an unknown name or no weight."""
        known = self.manifest.styles
        if style is None:
            style = self.manifest.default_style
        given = {style: 1.0} if isinstance(style, str) else dict(style)
        for name, weight in given.items():
            if name not in known:
                raise RequestError(f"style {name!r} is unknown; this bundle has {', '.join(known)}")
            if not math.isfinite(weight) or weight < 0:
                raise RequestError(f"style {name!r} has weight {weight}; give a finite weight of 0 or more")
        total = sum(given.values())
        if total <= 0:
            raise RequestError("the style weights sum to 0; give at least one above 0")
        return {name: float(given.get(name, 0.0) / total) for name in known}


def load_speech_to_picture(
    path: str | os.PathLike | None = None,
    *,
    backend: str | None = None,
    threads: int | None = None,
    tune: bool = False,
    precision: str | None = None,
) -> SpeechToPicture:
    """Reads a bundle and loads its graphs; see `edge_s2i.load`."""
    from edge_s2i.runtime.tuning import tuned

    bundle = read_bundle(path)
    if threads is None:
        tuning = tuned(bundle, measure=tune, backend=backend)
        # Pictures are the same bit for bit with any number of threads, but not with another engine: that is changed
        # only where choosing was asked for.
        if tuning is not None and (tune or tuning.backend == choose_backend(bundle.manifest)):
            backend, threads = tuning.backend, tuning.threads
    return open_speech_to_picture(bundle, backend=backend, threads=threads, precision=precision)


def open_speech_to_picture(
    bundle: Bundle, *, backend: str | None = None, threads: int | None = None, precision: str | None = None
) -> SpeechToPicture:
    """Loads the graphs of a bundle that was read; see `edge_s2i.load`."""
    encoder, generator = open_graphs(bundle, choose_backend(bundle.manifest, backend), threads, precision)
    return SpeechToPicture(bundle, encoder, generator)


def choose_backend(manifest: Manifest, requested: str | None = None) -> str:
    """The engine to use, "onnx" or "litert": the one requested, else the first installed that has graphs."""
    graphs = (manifest.encoder, manifest.generator)
    held = {
        "onnx": all(graph.file is not None for graph in graphs),
        "litert": all(graph.tflite is not None for graph in graphs),
    }
    importers = {"onnx": import_onnxruntime, "litert": import_litert}
    if requested is not None:
        if requested not in held:
            raise BackendError(f"backend {requested!r} is unknown; there are {', '.join(held)}")
        if not held[requested]:
            there = ", ".join(name for name, has in held.items() if has)
            raise BackendError(f"bundle {manifest.name!r} has no graphs for {requested}; it has them for {there}")
        importers[requested]()
        return requested
    failures = []
    for name in (name for name, has in held.items() if has):
        try:
            importers[name]()
        except BackendError as error:
            failures.append(str(error))
        else:
            return name
    raise BackendError("; ".join(failures) or f"bundle {manifest.name!r} has no engine with both graphs")


def _is_steady(features: np.ndarray) -> bool:
    return modulation(features) < MIN_MODULATION


def _check_request(n: int, seed: int) -> None:
    if not 1 <= n <= MAX_PICTURES:
        raise RequestError(f"n is {n}; 1 to {MAX_PICTURES} pictures can be drawn at once")
    if seed < 0:
        raise RequestError(f"seed is {seed}; give 0 or more")


def _milliseconds(start: float) -> float:
    return (perf_counter() - start) * 1000.0
