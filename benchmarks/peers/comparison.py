"""Ours and theirs, exported by the same exporter and timed by turns on one thread of the same runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

import edge_s2i
from benchmarks import graphs
from benchmarks.errors import BenchmarkError
from benchmarks.peers.published import PUBLISHED
from benchmarks.rewriting import rewritten
from benchmarks.sessions import Feed, make_session, profile_layers
from benchmarks.speech import utterance
from benchmarks.timing import CPU_CLOCK, Call, interleave
from edge_s2i.audio.constants import SAMPLE_RATE

ROUNDS = 15
FULL_WHISPER, SHORT_WHISPER = 3000, 150  # frames: the 30 s that it pads to, and the 1.5 s that we hear


@dataclass(frozen=True)
class Entry:
    """One graph with what it is given."""

    name: str
    kind: str  # "generator" or "encoder": ratios are to ours of the same kind
    model: bytes
    feed: Feed
    parameters: int


@dataclass(frozen=True)
class Row:
    """What one entry costs."""

    name: str
    kind: str
    parameters: int
    macs: int
    bytes: int
    milliseconds: float  # processor time, median of interleaved rounds


def entries(size: int = 128) -> list[Entry]:
    """Ours first, then the peers."""
    manifest = graphs.measured_bundle().manifest
    if manifest.image_size != size:
        raise BenchmarkError(f"the bundle draws {manifest.image_size} px; peers are built for {size}")
    feeds = {"encoder": graphs.encoder_feed(), "generator": graphs.bundle_generator_feed()}
    parameters = {"encoder": manifest.encoder.parameters, "generator": manifest.generator.parameters}
    found = []
    for kind in ("generator", "encoder"):
        seconds = "" if kind == "generator" else ", 1.5 s"
        for title, model in (("as shipped", graphs.shipped(kind)), ("rewritten", rewritten(kind))):
            found.append(Entry(f"edge-s2i {kind}, {title}{seconds}", kind, model, feeds[kind], parameters[kind]))
    return found + peers(size)


def peers(size: int = 128) -> list[Entry]:
    """The reference architectures with random weights; AbsentError without torch or onnx."""
    for package in ("torch", "onnx", "onnxscript"):
        graphs.require(package)
    from benchmarks.peers import bc_resnet, df_gan, style_gan2, whisper_tiny

    def random(*shape: int) -> np.ndarray:
        return np.random.default_rng(0).standard_normal(shape).astype(np.float32)

    plans: list[tuple[str, str, Any, Callable[[], Any], Feed]] = [
        (
            f"DF-GAN-like, {size} px",
            "generator",
            df_gan,
            lambda: df_gan.DfGanGenerator(size),
            {"noise": random(1, df_gan.NOISE), "sentence": random(1, df_gan.SENTENCE)},
        ),
        (
            f"StyleGAN2-like at half its channels, {size} px",
            "generator",
            style_gan2,
            lambda: style_gan2.StyleGan2Generator(size),
            {"latent": random(1, style_gan2.LATENT)},
        ),
        ("BC-ResNet-8-sized, 1.5 s", "encoder", bc_resnet, bc_resnet.BcResNet8, {"log_mel": random(1, 40, 150)}),
    ]
    for frames, note in ((SHORT_WHISPER, "1.5 s"), (FULL_WHISPER, "30 s, as it is used")):
        build = _whisper(whisper_tiny, frames)
        feed = {"log_mel": random(1, whisper_tiny.BANDS, frames)}
        plans.append((f"Whisper-tiny-sized, {note}", "encoder", whisper_tiny, build, feed))
    return [_entry(*plan) for plan in plans]


def _whisper(module: Any, frames: int) -> Callable[[], Any]:
    return lambda: module.WhisperTinyEncoder(frames)


def _entry(name: str, kind: str, module: Any, build: Callable[[], Any], feed: Feed) -> Entry:
    import torch

    torch.manual_seed(0)
    network = build().eval()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    file = name.replace(" ", "-").replace(",", "").replace(".", "_")
    model = graphs.cached(file, lambda: export(network, feed), module.__file__)
    return Entry(name, kind, model, feed, parameters)


def export(network: Any, feed: Feed) -> bytes:
    """ONNX file of a torch module, at the shapes of `feed`."""
    import contextlib
    import io
    import warnings

    import torch

    example = tuple(torch.from_numpy(value) for value in feed.values())
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network, example, dynamo=True, opset_version=18, input_names=list(feed), verbose=False
        )
    if program is None:
        raise BenchmarkError("torch.onnx.export returned no program")
    return program.model_proto.SerializeToString()


def compare(found: Sequence[Entry], rounds: int = ROUNDS) -> tuple[list[Row], float]:
    """A row for each entry, and the processor time in ms of our whole path, timed by turns with them."""
    calls: dict[str, Call] = {}
    for entry in found:
        session = make_session(entry.model)
        calls[entry.name] = _call(session, dict(entry.feed))
    draw = edge_s2i.load(threads=1)
    samples = utterance()
    calls["whole path"] = lambda: draw((samples, SAMPLE_RATE), draw_anyway=True)
    times = interleave(calls, rounds, 2, CPU_CLOCK)
    middle = {name: median(values) * 1000.0 for name, values in times.items()}
    rows = [
        Row(
            entry.name,
            entry.kind,
            entry.parameters,
            sum(layer.macs for layer in profile_layers(entry.model, entry.feed, 1, optimized=False)),
            len(entry.model),
            middle[entry.name],
        )
        for entry in found
    ]
    return rows, middle["whole path"]


def _call(session: Any, feed: dict[str, np.ndarray]) -> Call:
    return lambda: session.run(None, feed)


def table(rows: Sequence[Row], whole_path: float) -> str:
    """Markdown: each row, with ratios to ours of the same kind as it ships."""
    lines = [
        "| | parameters | MMAC | file, MB | ms | ratio of parameters | of MACs | of bytes | of ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    ours = {row.kind: row for row in reversed(rows) if row.name.startswith("edge-s2i") and "shipped" in row.name}
    for row in rows:
        own = ours[row.kind]
        ratios = (
            row.parameters / own.parameters,
            row.macs / own.macs,
            row.bytes / own.bytes,
            row.milliseconds / own.milliseconds,
        )
        lines.append(
            f"| {row.name} | {row.parameters:,} | {row.macs / 1e6:,.1f} | {row.bytes / 1e6:.2f} "
            f"| {row.milliseconds:.2f} | " + " | ".join(f"{value:.2f}" for value in ratios) + " |"
        )
    df_gan = next((row for row in rows if row.name.startswith("DF-GAN")), None)
    lines += ["", f"Our whole path, sound to picture: {whole_path:.2f} ms"]
    if df_gan is not None:
        lines[-1] += f", {df_gan.milliseconds / whole_path:.1f} times as fast as the DF-GAN-like generator alone"
    return lines[0] + "\n" + "\n".join(lines[1:]) + ".\n"


def published_table() -> str:
    """Markdown of what others published."""
    lines = ["| published | parameters | GMAC | quality | source |", "|---|---|---|---|---|"]
    lines += [f"| {row.name} | {row.parameters} | {row.gmac} | {row.quality} | {row.source} |" for row in PUBLISHED]
    return "\n".join(lines) + "\n"
