"""Which graphs a target wants, and making them: each an Artefact with what torch says its output is."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import ClassVar

import numpy as np
import onnx
import torch

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.models.spectral_trunk import FRAMES_A_STEP
from edge_s2i.runtime.backends import Backend, LiteRtBackend, OnnxBackend
from edge_s2i.runtime.graph_choice import ENCODER_INPUTS, GENERATOR_INPUTS
from edge_s2i.runtime.split_graphs import HEAD_INPUTS, MAPPING_INPUTS, SYNTHESIS_INPUTS, TRUNK_INPUTS
from export import tflite_graphs
from export.artefact import Artefact, Feed, Reference
from export.calibration import measure_ranges, tensorrt_cache
from export.device_modules import (
    STREAM_DELAY,
    ConceptMapping,
    EncoderHead,
    TrunkChunk,
)
from export.faster_encoder import faster_encoder
from export.faster_generator import faster_generator
from export.generator_graphs import GeneratorGraphs, Say, memory_of
from export.material import Material, double, reference
from export.naming import MOST_POINTS_LOST, Draw
from export.onnx_graphs import ExportError, batched_graph, encoder_graph, fixed_graph, head_graph
from export.onnx_quantization import (
    activations_up_to,
    nodes_before_convolution,
    quantize_static,
    tensors_outside,
    tensors_to_measure,
    to_fp16,
)
from export.parity import psnr
from export.parts import FUSED_INPUTS, Parts
from export.runtimes import LEGACY_NAME
from export.sensitivity import Progress, cosine_loss, mixed_precision, sweep
from export.weight_compression import compress_weights
from export.whole_utterance import whole_utterances

STREAM_INPUTS = ("log_mel", "state")
_BUDGETS = (0.004, 0.002, 0.001, 0.0005, 0.00025)  # 1 - mean cosine; the first whose accuracy holds is taken
_ENOUGH = 36.0  # dB of an integer synthesis, one above the gate, which takes other engines' rounding too
_WIDE = (8, 16, 32, 64)  # px; levels up to here get 16-bit activations until that is enough
_SWEPT = 24  # inputs that a layer's sensitivity is taken on


class GraphSet(GeneratorGraphs):
    """Makes the graphs of a Material, each network converted once and then reduced."""

    material: Material
    parts: Parts
    inputs: ClassVar[dict[str, tuple[str, ...]]] = {
        **GeneratorGraphs.inputs,
        "encoder": ENCODER_INPUTS,
        "speech_to_picture": FUSED_INPUTS,
        "trunk": TRUNK_INPUTS,
        "trunk_stream": STREAM_INPUTS,
        "head": HEAD_INPUTS,
    }

    def __init__(
        self, material: Material, say: Say, track: Progress = lambda items, _description, _total: items
    ) -> None:
        super().__init__(material, Parts(material), say, material.settings.data, track)
        self.encoder = material.weights.encoder
        self.extra_files: dict[str, bytes] = {}
        self.wide: dict[str, int] = {}  # px up to which activations have 16 bits, by file

    def make(self) -> list[Artefact]:
        """Every graph that the settings ask for."""
        targets, settings = self.settings.targets, self.settings
        found: list[Artefact] = []
        if {"onnx", "web"} & set(targets):
            found += [item for precision in settings.precisions for item in self._onnx(precision)]
        if settings.fused or "web" in targets:
            found += self._fused_onnx()
        if settings.stream:
            found += self._stream()
        if {"tflite", "android"} & set(targets):
            found += self._tflite()
            if settings.fused:
                found.append(self._fused_tflite())
        if "android" in targets and "int8" in settings.precisions:
            found += self._integer_onnx()
        if "jetson" in targets:
            found += self._jetson()
        return found

    # ONNX of any length and batch

    def float_onnx(self, role: str) -> onnx.ModelProto:
        """The network as it was trained: the encoder of one utterance of any length, the generator of any batch."""
        return self.float_encoder() if role == "encoder" else self.float_generator()

    @cache  # noqa: B019 -- lives as long as one export
    def float_encoder(self) -> onnx.ModelProto:
        """The encoder of one utterance of any length."""
        self.say("encoder to ONNX")
        return whole_utterances(encoder_graph(self.encoder))

    def _onnx(self, precision: str) -> list[Artefact]:
        content = self._reduced_encoder(precision).SerializeToString()
        encoder = self._artefact("encoder", "onnx", precision, content, self.parts.whole_reference("encoder", "any"))
        return [encoder, self.onnx_generator(precision)]

    def _reduced_encoder(self, precision: str) -> onnx.ModelProto:
        if precision == "int8":  # of the plain graph: ranges of what a rewriting shifts are wider
            return self._mixed_encoder()
        graph = self._quick_encoder()
        if precision == "fp16":
            return to_fp16(graph)
        return compress_weights(graph) if precision == "int8-weights" else graph

    @cache  # noqa: B019
    def _quick_encoder(self) -> onnx.ModelProto:
        return faster_encoder(self.float_encoder())

    def _mixed_encoder(self) -> onnx.ModelProto:
        material, graph = self.material, self.float_encoder()
        self.say("ranges and sensitivities of the encoder")
        feeds = material.speech(material.training_clips)
        ranges = measure_ranges(graph, feeds, tensors_to_measure(graph))
        swept = material.speech(material.compared_clips) + feeds[: max(1, _SWEPT - len(material.compared_clips))]
        order = sweep(graph, ranges, swept, cosine_loss)
        right = material.accuracy_of_torch()
        for budget in _BUDGETS:
            mixed = mixed_precision(graph, ranges, swept, cosine_loss, budget, order)
            small = compress_weights(mixed.graph)
            lost = 100.0 * (right - material.accuracy(OnnxBackend(small.SerializeToString(), 1)))
            self.say(f"encoder: {len(mixed.kept)} of {len(order)} layers in float, {lost:+.1f} points of accuracy lost")
            if lost <= MOST_POINTS_LOST:
                self.kept["encoder.int8.onnx"] = mixed.kept
                return small
        raise ExportError(f"static int8 costs the encoder {lost:.1f} points; at most {MOST_POINTS_LOST} is allowed")

    # one graph from samples to picture

    def _fused_onnx(self) -> list[Artefact]:
        self.say("speech to picture in one graph")
        plain = batched_graph(
            self.parts.fused_module(), self.parts.fused_example(2), FUSED_INPUTS, ("picture", "embedding")
        )
        graph = faster_generator(faster_encoder(plain))
        made = []
        for precision in self.settings.precisions:
            if precision == "int8":
                continue  # the log-mel and the memory stay float; whoever wants integers takes the parts
            if precision == "fp16":
                small = to_fp16(graph, nodes_before_convolution(graph))
            else:
                small = graph if precision == "fp32" else _smaller(graph)
            made.append(self._fused_artefact("onnx", precision, small.SerializeToString()))
        return made or [self._fused_artefact("onnx", "int8-weights", _smaller(graph).SerializeToString())]

    def _fused_tflite(self) -> Artefact:
        self.say("speech to picture to TFLite")
        graph = tflite_graphs.tflite_graph(self.parts.fused_module(), self.parts.fused_example(1))
        return self._fused_artefact("litert", "fp32", graph)

    def _fused_artefact(self, engine: str, precision: str, content: bytes) -> Artefact:
        made = self._artefact("speech_to_picture", engine, precision, content, self.parts.fused_reference())
        made.frames = self.settings.frames
        return made

    # the trunk over a stream, and the head behind it

    def _stream(self) -> list[Artefact]:
        self.say("the trunk over a stream")
        trunk = self.encoder.spectral_trunk
        if trunk is None:
            self.say("no trunk to cut off, and gates that hear the whole utterance: nothing of this encoder streams")
            return []
        module = TrunkChunk(trunk).eval()
        example = (torch.randn(2, MEL_BANDS, FRAMES_A_STEP), torch.zeros(2, module.state_size))
        graph = batched_graph(module, example, STREAM_INPUTS, ("heard", "next_state"))
        speech = self.material.speech(self.material.compared_clips[:1])[0]["log_mel"]
        state, feeds = np.zeros((1, module.state_size), np.float32), []
        with torch.inference_mode():
            for start in range(0, speech.shape[2] - FRAMES_A_STEP + 1, FRAMES_A_STEP):
                chunk = np.ascontiguousarray(speech[:, :, start : start + FRAMES_A_STEP])
                feeds.append({"log_mel": chunk, "state": state})
                state = module(torch.from_numpy(chunk), torch.from_numpy(state))[1].numpy()
        kept = Reference("values", feeds, reference(double(module), feeds, STREAM_INPUTS))
        shape = {**self.parts.trunk_shape(), "delay": STREAM_DELAY, "state": module.state_size}
        small = compress_weights(graph)
        stream = [
            self._artefact("trunk_stream", "onnx", "fp32", graph.SerializeToString(), kept),
            self._artefact("trunk_stream", "onnx", "int8-weights", small.SerializeToString(), kept),
        ]
        for made in stream:
            made.shape = shape
        chosen = [made for made in stream if made.precision in self.settings.precisions] or stream[1:]
        return [*chosen, self._head_onnx()]

    def _head_onnx(self) -> Artefact:
        graph = compress_weights(head_graph(EncoderHead(self.encoder), self.parts.heard_channels()))
        return self._artefact("head", "onnx", "int8-weights", graph.SerializeToString(), self.parts.head_reference())

    # LiteRT

    def _tflite(self) -> list[Artefact]:
        precisions = self.settings.precisions
        made: list[Artefact] = []
        if whole := [precision for precision in precisions if precision != "int8"]:
            self.say("encoder to TFLite")
            graph = tflite_graphs.tflite_graph(*self.parts.whole_fixed("encoder"))
            kept = self.parts.whole_reference("encoder", "fixed")
            for precision in whole:
                content = tflite_graphs.reduced(graph, precision)
                made.append(self._artefact("encoder", "litert", precision, content, kept))
            made += self.litert_generators(whole)
        if "int8" in precisions:
            made += self._integer_tflite()
        for item in made:
            item.frames = self.settings.frames if item.role in ("encoder", "trunk", "head") else None
        return made

    def _integer_tflite(self) -> list[Artefact]:
        """Trunk and synthesis in integers, head and mapping with integer weights: what an NPU and a CPU share."""
        parts: list[Artefact] = []
        small = tflite_graphs.weights_to_int8
        if self.encoder.spectral_trunk is None:
            self.say("this encoder has no trunk to cut off: its TFLite graph is whole, in float")
        else:
            parts.append(self._integer_trunk())
            self.say("head to TFLite")
            head = tflite_graphs.tflite_graph(EncoderHead(self.encoder), self.parts.head_example())
            parts.append(self._artefact("head", "litert", "int8-weights", small(head), self.parts.head_reference()))
        parts.append(self._integer_synthesis())
        self.say("mapping to TFLite")
        mapping = tflite_graphs.tflite_graph(ConceptMapping(self.generator), self.parts.condition_example(1))
        made = self._artefact("mapping", "litert", "int8-weights", small(mapping), self.parts.mapping_reference())
        backend = LiteRtBackend(made.content, MAPPING_INPUTS, 1)
        self.note_names(made, lambda feed: self.parts.picture_of(backend.run(feed)))
        return [*parts, made]

    def _integer_trunk(self) -> Artefact:
        from export.quantization_aware import integer_trunk

        module = integer_trunk(self)
        self.say("trunk to TFLite in integers")
        example = self.parts.window(self.material.speech(self.material.training_clips[:1])[0])
        graph = tflite_graphs.tflite_graph(module, [torch.from_numpy(example)])
        windows = [(self.parts.window(feed),) for feed in self.material.speech(self.material.training_clips)]
        content = tflite_graphs.to_int8(graph, windows)
        made = self._artefact("trunk", "litert", "int8", content, self.parts.trunk_reference())
        made.shape = self.parts.trunk_shape()
        self._check_trunk(made)
        return made

    def _check_trunk(self, made: Artefact) -> None:
        """Accuracy of the integer trunk with the head that torch computes; refused where it loses too much."""
        encoder = self.parts.encoder_of_trunk(LiteRtBackend(made.content, TRUNK_INPUTS, 1))
        lost = 100.0 * (self.material.accuracy_of_torch() - self.material.accuracy(encoder))
        self.say(f"trunk in integers: {lost:+.1f} points of accuracy lost")
        made.parity["accuracy"] = f"{-lost:+.1f} points"
        if lost > MOST_POINTS_LOST:
            made.refusal = (
                f"{made.file} costs {lost:.1f} points of accuracy; at most {MOST_POINTS_LOST} is allowed; "
                "give --tuning-steps, or more of them"
            )

    def _integer_synthesis(self) -> Artefact:
        from export.quantization_aware import integer_synthesis

        module = integer_synthesis(self)
        self.say("synthesis to TFLite in integers")
        graph = tflite_graphs.tflite_graph(
            module, [torch.from_numpy(self.parts.training_w()[:1])], channels_last_outputs=[0]
        )
        feeds = [(w[None],) for w in self.parts.training_w()]
        right = self.parts.synthesis_reference(channels_last=True)

        def make(most: int) -> tuple[Artefact, Backend]:
            sizes = [size for size in self.generator.config.level_sizes if size <= most]
            wide = rf"Level_({'|'.join(map(str, sizes))})\b" if sizes else None
            if wide and most >= self.generator.config.level_sizes[-1]:
                wide += "|Conv2d_rgb_filter"  # of as many pixels as the last level
            made = self._artefact("synthesis", "litert", "int8", tflite_graphs.to_int8(graph, feeds, wide), right)
            if most:
                made.not_for = {LEGACY_NAME: "it has no QUANTIZE to 16 bits"}
            return made, LiteRtBackend(made.content, SYNTHESIS_INPUTS, 1)

        return self._widened(make, (0, 3, 1, 2))

    def _widened(self, make: Callable[[int], tuple[Artefact, Backend]], axes: tuple[int, ...]) -> Artefact:
        """An integer synthesis with as few 16-bit activations as decibels and names allow.

        make: one with 16 bits up to as many px, and a backend that runs it; axes: that make (B, 3, H, W) of what that
        draws. Named behind torch's mapping.
        """

        def candidates() -> Iterator[tuple[Artefact, Draw, int]]:
            exact = False
            for most in (0, *_WIDE):
                made, backend = make(most)
                drawn = np.concatenate([backend.run(feed) for feed in made.reference.feeds])
                value = float(psnr(drawn, np.concatenate(list(made.reference.outputs))).mean())
                self.say(f"{made.file}, 16-bit activations up to {most} px: PSNR {value:.1f} dB")
                if value >= _ENOUGH or (most == _WIDE[-1] and not exact):  # the gate judges the last
                    exact = True
                    yield made, self._behind_mapping(backend, axes), most

        found = self.least_lost(candidates())
        assert found is not None  # there is always the last
        made, most = found
        if most:
            self.wide[made.file] = most
        return made

    def _behind_mapping(self, synthesis: Backend, axes: tuple[int, ...]) -> Draw:
        return lambda feed: synthesis.run({"w": self.parts.w_of(feed)}).transpose(axes)

    # ONNX of fixed sizes for builders of engines

    def _integer_onnx(self) -> list[Artefact]:
        """Trunk and synthesis with every operator in integers, for Qualcomm's compiler by way of ONNX Runtime."""
        from export.quantization_aware import integer_synthesis, integer_trunk

        made = []
        if self.encoder.spectral_trunk is not None:
            feeds = [
                {"log_mel": self.parts.window(feed)} for feed in self.material.speech(self.material.training_clips)
            ]
            graph = fixed_graph(integer_trunk(self), [torch.from_numpy(feeds[0]["log_mel"])], TRUNK_INPUTS, ("heard",))
            item = self._integer("trunk", graph, feeds, self.parts.trunk_reference())(0)[0]  # which accuracy judges
            item.shape = self.parts.trunk_shape()
            made.append(item)
        w = self.parts.training_w()
        graph = fixed_graph(integer_synthesis(self), [torch.from_numpy(w[:1])], SYNTHESIS_INPUTS, ("picture",))
        feeds = [{"w": row[None]} for row in w]
        make = self._integer("synthesis", graph, feeds, self.parts.synthesis_reference(channels_last=False))
        return [*made, self._widened(make, (0, 1, 2, 3))]

    def _integer(
        self, role: str, graph: onnx.ModelProto, feeds: list[Feed], kept: Reference
    ) -> Callable[[int], tuple[Artefact, Backend]]:
        """What makes the graph with 16-bit activations up to as many px."""
        self.say(f"{role} to ONNX in integers")
        ranges = measure_ranges(graph, feeds, tensors_to_measure(graph, integer=True))

        def make(most: int) -> tuple[Artefact, Backend]:
            wide = activations_up_to(graph, most) if most else []
            small = quantize_static(graph, ranges, integer=True, wide=wide)
            made = self._artefact(role, "onnx", "int8", small.SerializeToString(), kept)
            made.folder, made.targets = "npu", ("android",)
            return made, OnnxBackend(made.content, 1)

        return make

    def _jetson(self) -> list[Artefact]:
        made = []
        for role in ("encoder", "generator"):
            self.say(f"{role} for TensorRT")
            module, example = self.parts.whole_fixed(role)
            names = ENCODER_INPUTS if role == "encoder" else GENERATOR_INPUTS
            output = "embedding" if role == "encoder" else "picture"
            graph = fixed_graph(module, example, names, (output,))
            item = self._artefact(
                role, "onnx", "fp32", graph.SerializeToString(), self.parts.whole_reference(role, "fixed")
            )
            item.folder, item.targets = "jetson", ("jetson",)
            item.frames = self.settings.frames if role == "encoder" else None
            made.append(item)
            material = self.material
            feeds = (
                material.fixed_speech(material.training_clips) if role == "encoder" else material.training_conditions
            )
            floats = [*tensors_to_measure(graph, integer=True), *(value.name for value in graph.graph.output)]
            if role == "generator":  # what has no range is computed in float: the memory, as in every other int8
                floats = tensors_outside(graph, memory_of(graph), floats)
            ranges = measure_ranges(graph, feeds, floats)
            self.extra_files[f"jetson/{role}.cache"] = tensorrt_cache(ranges).encode()
        from export.jetson import recipe

        self.extra_files["jetson/build_engines.py"] = recipe()
        return made


def _smaller(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Integer weights but for the log-mel's: a Fourier transform in 8 bits hears its own rounding."""
    return compress_weights(graph, keep=("log_mel.",))
