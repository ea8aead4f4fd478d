"""The graphs under measurement: the bundle's own, the same with fp32 weights, and other sizes with random weights."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import AbsentError
from edge_s2i.audio.constants import HOP_LENGTH, MEL_BANDS, SAMPLE_RATE
from edge_s2i.bundle import Bundle, default_bundle_path, read_bundle

CACHE_VARIABLE = "EDGE_S2I_BENCH_CACHE"
SECONDS = 1.5  # the utterance that latencies are quoted for
FRAMES = round(SECONDS * SAMPLE_RATE / HOP_LENGTH)
SIZES = (64, 128, 256)


def cache_folder() -> Path:
    """Where graphs that take long to make are kept: EDGE_S2I_BENCH_CACHE, else .benchmarks/graphs."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path(".benchmarks") / "graphs")


@cache
def measured_bundle() -> Bundle:
    """The default bundle; AbsentError in a tree without weights."""
    if not default_bundle_path().exists():
        raise AbsentError("no default bundle: this tree has no weights")
    return read_bundle()


@cache
def shipped(graph: str) -> bytes:
    """The bundle's own ONNX file of "encoder" or "generator": 8-bit weights, float32 arithmetic."""
    bundle = measured_bundle()
    file = getattr(bundle.manifest, graph).file
    if file is None:
        raise AbsentError(f"the bundle has no ONNX {graph}")
    return bundle.files[file]


@cache
def fp32(graph: str) -> bytes:
    """The same with its weights stored as float32: what was Cast and Mul in front of each is a constant."""
    for package in ("onnx", "torch"):
        require(package)
    import onnx

    from export.graph_editing import fold_weights

    return fold_weights(onnx.load_from_string(shipped(graph))).SerializeToString()


@cache
def tflite(graph: str) -> bytes:
    """The bundle's .tflite file of "encoder" or "generator"; AbsentError where it ships none."""
    bundle = measured_bundle()
    file = getattr(bundle.manifest, graph).tflite
    if file is None:
        raise AbsentError(f"the bundle has no .tflite {graph}")
    return bundle.files[file]


def integer_tflite(graph: str) -> tuple[str, bytes]:
    """The .tflite file of a graph, or of its largest part, in integer arithmetic, and its role."""
    bundle = measured_bundle()
    roles = ("encoder", "trunk") if graph == "encoder" else ("generator", "synthesis")
    for variant in getattr(bundle.manifest, "variants", ()):
        if variant.role in roles and variant.engine == "litert" and variant.precision == "int8":
            return variant.role, bundle.files[variant.file]
    raise AbsentError(f"the bundle has no int8 .tflite {graph}")


def generator_of_size(size: int) -> bytes:
    """The generator at `size` px: the bundle's own where it is of that size, else one with random weights."""
    manifest = measured_bundle().manifest
    if size == manifest.image_size:
        return shipped("generator")
    return cached(f"generator-{size}", lambda: _random_generator(size), __file__)


def as_torch_exports(graph: str) -> bytes:
    """A network of the shipped shape with random weights, before anything is rewritten."""
    shape = measured_bundle().manifest.training.get(graph)
    if shape is None:
        raise AbsentError(f"the bundle does not say of what shape its {graph} is")
    key = hashlib.sha256(repr(shape).encode()).hexdigest()[:8]
    build = _random_encoder if graph == "encoder" else _random_generator_of
    return cached(f"{graph}-plain-{key}", lambda: build(shape), __file__)


def cached(name: str, build: Callable[[], bytes], source: str) -> bytes:
    """The bytes that `build` makes, kept in `cache_folder` for as long as the file `source` and torch stay the same."""
    for package in ("torch", "onnx", "onnxscript"):
        require(package)
    import torch

    digest = hashlib.sha256(Path(source).read_bytes() + torch.__version__.encode()).hexdigest()[:12]
    path = cache_folder() / f"{name}-{digest}.onnx"
    if not path.exists():
        content = build()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        partial.write_bytes(content)
        partial.replace(path)
    return path.read_bytes()


def encoder_feed(frames: int = FRAMES, batch: int = 1) -> dict[str, np.ndarray]:
    """A normalized log-mel of noise, all frames valid."""
    features = np.random.default_rng(0).standard_normal((batch, MEL_BANDS, frames)).astype(np.float32)
    return {"log_mel": features, "lengths": np.full(batch, frames, np.int64)}


def generator_feed(batch: int = 1, embedding: int = 256, latent: int = 64, styles: int = 4) -> dict[str, np.ndarray]:
    """A random direction, latent and the first style; sizes as the shipped generator's."""
    random = np.random.default_rng(0)
    directions = random.standard_normal((batch, embedding)).astype(np.float32)
    return {
        "embedding": directions / np.linalg.norm(directions, axis=1, keepdims=True),
        "latent": random.standard_normal((batch, latent)).astype(np.float32),
        "style": np.tile(np.eye(styles, dtype=np.float32)[0], (batch, 1)),
    }


def bundle_generator_feed(batch: int = 1) -> dict[str, np.ndarray]:
    """The same for the bundle that is measured."""
    manifest = measured_bundle().manifest
    return generator_feed(batch, manifest.embedding_dim, manifest.latent_dim, len(manifest.styles))


def require(package: str) -> None:
    """AbsentError where an optional package is not installed."""
    if find_spec(package) is None:
        raise AbsentError(f"{package} is not installed")


def _random_encoder(shape: Mapping[str, Any]) -> bytes:
    import torch

    from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
    from export.onnx_graphs import encoder_graph

    torch.manual_seed(0)
    return encoder_graph(SpeechEncoder(SpeechEncoderConfig(**shape)).eval()).SerializeToString()


def _random_generator_of(shape: Mapping[str, Any]) -> bytes:
    import torch

    from edge_s2i.models.generator import Generator, GeneratorConfig
    from export.onnx_graphs import generator_graph

    torch.manual_seed(0)
    config = GeneratorConfig(**shape)
    styles = max(1, len(config.styles))
    return generator_graph(
        Generator(config).eval(), config.embedding_dim, config.latent_dim, styles
    ).SerializeToString()


def _random_generator(size: int) -> bytes:
    import torch

    from edge_s2i.models.generator import Generator, GeneratorConfig
    from export.onnx_graphs import generator_graph

    bundle = measured_bundle().manifest
    torch.manual_seed(0)
    config = GeneratorConfig(
        image_size=size,
        styles=bundle.styles,
        embedding_dim=bundle.embedding_dim,
        latent_dim=bundle.latent_dim,
        concepts=len(bundle.concepts),
    )
    model = generator_graph(Generator(config).eval(), config.embedding_dim, config.latent_dim, len(config.styles))
    return model.SerializeToString()
