"""Every stage of the path that can be timed here: what it needs, and a call that does it once.

A stage whose module, graph or engine is not there raises AbsentError when it is prepared, and is reported as absent.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import Any

import numpy as np

import edge_s2i
from benchmarks import graphs, runner
from benchmarks.errors import AbsentError
from benchmarks.sessions import make_session
from benchmarks.speech import utterance
from benchmarks.timing import Call
from edge_s2i.audio import log_mel, normalize_log_mel, read_audio, trim_silence
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import BackendError, BundleError, RequestError
from edge_s2i.runtime.backends import LiteRtBackend

STREAM_STEP = 512  # samples: 32 ms, what a microphone gives at a time
ENCODER_INPUTS, GENERATOR_INPUTS = ("log_mel", "lengths"), ("embedding", "latent", "style")
LINK_PAYLOAD = 1024  # bytes: 32 ms of 16-bit sound


@dataclass(frozen=True)
class Case:
    """One measurement. `items` is how many utterances, pictures or frames one call does."""

    stage: str
    backend: str
    precision: str
    threads: int
    items: int
    prepare: Callable[[], Call]

    @property
    def name(self) -> str:
        """As it is called in results: encoder/onnxruntime/fp32/1x1."""
        return f"{self.stage}/{self.backend}/{self.precision}/{self.threads}x{self.items}"


def all_cases(threads: tuple[int, ...] = (1, 2), batches: tuple[int, ...] = (1, 4, 16)) -> list[Case]:
    """Every case, absent ones too, in the order of the path."""
    cases = [
        Case("decode wav", "numpy", "-", 1, 1, lambda: _decode("WAV", "PCM_16", SAMPLE_RATE)),
        Case("decode and resample 48 kHz ogg", "numpy", "-", 1, 1, lambda: _decode("OGG", "VORBIS", 48_000)),
        Case("trim", "numpy", "-", 1, 1, lambda: _on_samples(trim_silence)),
        Case("log-mel", "numpy", "fp64", 1, 1, lambda: _on_samples(log_mel)),
        Case("log-mel", "onnxruntime", "fp32", 1, 1, _log_mel_graph),
        *_graph_cases("encoder", threads, (1,)),  # its graph hears one utterance
    ]
    for size in graphs.SIZES:
        cases.extend(_graph_cases(f"generator {size}", threads, batches))
    cases.append(Case("confidence", "numpy", "fp32", 1, 1, _confidence))
    for count in threads:
        cases.append(Case("whole path, warm", "onnxruntime", "int8w", count, 1, _bind(_whole_path, "onnx", count)))
        cases.append(
            Case("whole path, warm", "ai-edge-litert", "tflite", count, 1, _bind(_whole_path, "litert", count))
        )
    cases += [
        Case("whole path, cold", "c-runner", "int8w", 1, 1, runner.cold_process),
        Case("streaming step, 32 ms", "onnxruntime", "int8w", 1, 1, _streaming_step),
        Case("bridge rgb565", "numpy", "-", 1, 1, _rgb565),
        Case("bridge frame encode", "python", "-", 1, 1, _link_encode),
        Case("bridge frame decode", "python", "-", 1, 1, _link_decode),
        Case("bridge frame encode", "c", "-", 1, runner.LINK_FRAMES, runner.link_encode),
        Case("bridge frame decode", "c", "-", 1, runner.LINK_FRAMES, runner.link_decode),
    ]
    return cases


def find_case(name: str) -> Case:
    """The case of that name; AbsentError where there is none."""
    for case in all_cases():
        if case.name == name:
            return case
    raise AbsentError(f"no stage is called {name!r}")


def _graph_cases(stage: str, threads: tuple[int, ...], batches: tuple[int, ...]) -> Iterator[Case]:
    for count in threads:
        for batch in batches if count == 1 else (1,):
            for precision in ("int8w", "fp32"):
                yield Case(stage, "onnxruntime", precision, count, batch, _bind(_onnx, stage, precision, count, batch))
        yield Case(stage, "onnxruntime", "int8", count, 1, _bind(_loaded, stage, "onnx", count))
        yield Case(stage, "ai-edge-litert", "int8", count, 1, _bind(_loaded, stage, "litert", count))
        for engine in ("ai-edge-litert", "tflite-runtime"):
            yield Case(stage, engine, "tflite", count, 1, _bind(_tflite, stage, engine, count))


def _bind(function: Callable[..., Call], *arguments: Any) -> Callable[[], Call]:
    return lambda: function(*arguments)


def _decode(kind: str, subtype: str, rate: int) -> Call:
    import soundfile

    samples = utterance()
    buffer = io.BytesIO()
    soundfile.write(buffer, np.repeat(samples, rate // SAMPLE_RATE), rate, format=kind, subtype=subtype)
    content = buffer.getvalue()
    return lambda: read_audio(content)


def _on_samples(function: Callable[[np.ndarray], Any]) -> Call:
    samples = utterance()
    return lambda: function(samples)


def _log_mel_graph() -> Call:
    from benchmarks.log_mel_export import log_mel_onnx

    samples = utterance()[None]
    session = make_session(log_mel_onnx(len(samples[0])))
    values = {"samples": samples, "lengths": np.array([samples.shape[1]], np.int64)}
    feed = {item.name: values[item.name] for item in session.get_inputs()}
    return lambda: session.run(None, feed)


def _onnx(stage: str, precision: str, threads: int, batch: int) -> Call:
    model, feed = onnx_graph(stage, precision), graph_feed(stage, batch)
    session = make_session(model, threads)
    names = {item.name for item in session.get_inputs()}
    feed = {name: value for name, value in feed.items() if name in names}
    return lambda: session.run(None, feed)


def onnx_graph(stage: str, precision: str) -> bytes:
    """The stage's ONNX file: "int8w" as shipped, "fp32" with its weights unfolded."""
    kind = stage.split(maxsplit=1)[0]
    if not _of_shipped_size(stage):
        if precision == "fp32":
            return graphs.generator_of_size(int(stage.split()[1]))
        raise AbsentError(f"no weights of {stage} px are shipped: measured in fp32 with random ones")
    return graphs.fp32(kind) if precision == "fp32" else graphs.shipped(kind)


def _of_shipped_size(stage: str) -> bool:
    return not stage.startswith("generator ") or int(stage.split()[1]) == graphs.measured_bundle().manifest.image_size


def _loaded(stage: str, backend: str, threads: int) -> Call:
    """A stage in integer arithmetic, as the runtime puts its graphs together."""
    if not _of_shipped_size(stage):
        raise AbsentError(f"no int8 graph of {stage} px")
    if "precision" not in signature(edge_s2i.load).parameters:
        raise AbsentError("the runtime loads no graphs by precision")
    try:
        draw = edge_s2i.load(backend=backend, threads=threads, precision="int8")  # type: ignore[call-arg]
    except (BackendError, BundleError, RequestError) as error:
        raise AbsentError(f"no int8 graphs: {error}") from error
    features = graphs.encoder_feed()["log_mel"][0]
    if stage == "encoder":
        return lambda: draw.embed(features)
    if stage == "whole path":
        samples = utterance()
        return lambda: draw((samples, SAMPLE_RATE), draw_anyway=True)
    embedding = draw.embed(features)
    return lambda: draw.paint(embedding)


def graph_feed(stage: str, batch: int = 1) -> dict[str, np.ndarray]:
    """Inputs of the stage's graph: 1.5 s of log-mel, or an embedding, latent and style."""
    return graphs.encoder_feed(batch=batch) if stage == "encoder" else graphs.bundle_generator_feed(batch)


def _tflite(stage: str, engine: str, threads: int) -> Call:
    kind = stage.split(maxsplit=1)[0]
    if not _of_shipped_size(stage):
        raise AbsentError(f"no .tflite graph of {stage} px")
    graphs.require("ai_edge_litert" if engine == "ai-edge-litert" else "tflite_runtime")
    if engine == "tflite-runtime" and _installed("ai_edge_litert"):
        raise AbsentError("tflite-runtime is measured where ai-edge-litert is not installed beside it")
    backend = LiteRtBackend(
        graphs.tflite(kind), ENCODER_INPUTS if kind == "encoder" else GENERATOR_INPUTS, threads=threads
    )
    feed = {name: _fitted(value, backend.inputs().get(name, value.shape)) for name, value in graph_feed(stage).items()}
    return lambda: backend.run(feed)


def _fitted(value: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """`value` with zeros behind it, where a graph of fixed shape wants more."""
    missing = [(0, max(0, (wanted or given) - given)) for wanted, given in zip(shape, value.shape, strict=True)]
    return np.pad(value, missing)[tuple(slice(0, wanted) for wanted in shape)]


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


def _confidence() -> Call:
    draw = edge_s2i.load(threads=1)
    embedding = draw.embed(normalize_log_mel(log_mel(utterance())))
    return lambda: draw.concepts.confidence(embedding)


def _whole_path(backend: str, threads: int) -> Call:
    manifest = graphs.measured_bundle().manifest
    if backend == "litert" and not all(graph.tflite for graph in (manifest.encoder, manifest.generator)):
        raise AbsentError("the bundle has no .tflite graphs")
    draw = edge_s2i.load(backend=backend, threads=threads)
    samples = utterance()
    return lambda: draw((samples, SAMPLE_RATE), draw_anyway=True)


def _streaming_step() -> Call:
    module = find_module("edge_s2i.runtime.speech_session")
    session = module.SpeechSession(edge_s2i.load(threads=1))
    samples = utterance()
    steps = [samples[first : first + STREAM_STEP] for first in range(0, len(samples) - STREAM_STEP, STREAM_STEP)]
    state = {"at": 0}

    def step() -> Any:
        events = session.feed(steps[state["at"] % len(steps)])
        state["at"] += 1
        return events

    return step


def _rgb565() -> Call:
    from firmware_bridge.rgb565 import pack_rgb565

    picture = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    return lambda: pack_rgb565(picture)


def _link_encode() -> Call:
    module, frame = _link_frame()
    return lambda: module.encode_frame(frame)


def _link_decode() -> Call:
    module, frame = _link_frame()
    content = module.encode_frame(frame)
    decoder = module.FrameDecoder()
    if not decoder.feed(content):
        raise AbsentError("the frame decoder gave back no frame")
    return lambda: decoder.feed(content)


def _link_frame() -> tuple[ModuleType, Any]:
    module, spec = find_module("firmware_bridge.link.frame"), find_module("firmware_bridge.link.spec")
    # 64 bytes stand for what audio messages carry beside their samples.
    payload = np.random.default_rng(0).integers(0, 256, LINK_PAYLOAD - 64, dtype=np.uint8).tobytes()
    return module, module.Frame(type=int(spec.Type.AUDIO), payload=payload)


def find_module(name: str) -> ModuleType:
    """A module of the project that may not be there yet; AbsentError if so."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise AbsentError(f"{error.name} is not there") from error
