"""The generator's graphs: made of one material, each an Artefact with what torch says its output is."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import onnx

from edge_s2i.runtime.backends import LiteRtBackend, OnnxBackend
from edge_s2i.runtime.graph_choice import GENERATOR_INPUTS
from edge_s2i.runtime.split_graphs import MAPPING_INPUTS, SYNTHESIS_INPUTS
from export import tflite_graphs
from export.artefact import Artefact, Feed, Reference
from export.calibration import measure_ranges
from export.faster_generator import faster_generator
from export.material import GeneratorMaterial
from export.naming import ENOUGH, NAMED, Draw, Naming, naming_of, note
from export.onnx_graphs import ExportError, generator_graph
from export.onnx_quantization import nodes_before_weight, quantizable, tensors_to_measure, to_fp16
from export.parts import GeneratorParts
from export.pixel_output import check_pixel_blocks, with_pixel_blocks
from export.sensitivity import Progress, mixed_precision, picture_loss, sweep
from export.weight_compression import compress_weights

_PICTURE_BUDGETS = (-36.0, -38.0, -40.0)  # dB of PSNR, negative

Say = Callable[[str], None]
T = TypeVar("T")


class GeneratorGraphs:
    """Makes the graphs of a material's generator, converted once and then reduced."""

    inputs: ClassVar[dict[str, tuple[str, ...]]] = {  # by role
        "generator": GENERATOR_INPUTS,
        "mapping": MAPPING_INPUTS,
        "synthesis": SYNTHESIS_INPUTS,
    }

    def __init__(
        self,
        material: GeneratorMaterial,
        parts: GeneratorParts,
        say: Say,
        data: Path | None = None,
        track: Progress = lambda items, _description, _total: items,
    ) -> None:
        """data: the pack by whose pictures others are named, if there is one; track: wraps what takes minutes."""
        self.material = material
        self.parts = parts
        self.say = say
        self.data = data
        self.track = track
        self.settings = material.settings
        self.generator = material.generator
        self.kept: dict[str, tuple[str, ...]] = {}  # layers that mixed precision left in float, by file

    @cache  # noqa: B019 -- lives as long as one export
    def float_generator(self) -> onnx.ModelProto:
        """The generator of any batch, as it was trained."""
        self.say("generator to ONNX")
        config = self.generator.config
        return generator_graph(self.generator, config.embedding_dim, config.latent_dim, max(1, len(config.styles)))

    def onnx_generator(self, precision: str) -> Artefact:
        """The generator for ONNX Runtime, of any batch."""
        if precision == "int8":  # of the plain graph: ranges of what a rewriting shifts are wider
            return self._mixed_generator()
        made = self._onnx_artefact(precision, self._reduced_generator(precision))
        if precision == "int8-weights":
            self.note_names(made, OnnxBackend(made.content, 1).run)
        return made

    def _onnx_artefact(self, precision: str, graph: onnx.ModelProto) -> Artefact:
        kept = self.parts.generator_reference("any")
        return self._artefact("generator", "onnx", precision, graph.SerializeToString(), kept)

    def litert_generators(self, precisions: Sequence[str]) -> list[Artefact]:
        """The generator for LiteRT, one picture at a time, at precisions other than int8."""
        self.say("generator to TFLite")
        graph = tflite_graphs.tflite_graph(self.generator, self.parts.condition_example(1))
        kept = self.parts.generator_reference("fixed")
        made = [
            self._artefact("generator", "litert", precision, tflite_graphs.reduced(graph, precision), kept)
            for precision in precisions
        ]
        for item in made:
            if item.precision == "int8-weights":
                self.note_names(item, LiteRtBackend(item.content, GENERATOR_INPUTS, 1).run)
        return made

    def note_names(self, made: Artefact, draw: Draw) -> float:
        """Has a classifier name what `draw` draws; see naming.note."""
        lost = note(made, self.naming, draw)
        self.say(f"{made.file}, pictures named rightly: {made.parity[NAMED]}")
        return lost

    @cached_property
    def naming(self) -> Naming | str:
        """Who names pictures, or why nobody does."""
        if self.data is not None:
            self.say(
                "fitting the classifier that names pictures; features of the pack's are computed once, for minutes"
            )
        settings, prototypes = self.settings, self.material.prototypes
        return naming_of(
            self.data, prototypes, self.generator, settings.default_style, settings.named_pictures, self.track
        )

    def least_lost(self, candidates: Iterable[tuple[Artefact, Draw, T]]) -> tuple[Artefact, T] | None:
        """Of candidates with what they draw by the one that loses fewest names, the first that loses ENOUGH or less,
        and what came with it; None of none."""
        best, least = None, np.inf
        for made, draw, what in candidates:
            lost = self.note_names(made, draw)
            if best is None or lost < least:
                best, least = (made, what), lost
            if lost <= ENOUGH:
                break
        return best

    def _reduced_generator(self, precision: str) -> onnx.ModelProto:
        graph = self._quick_generator()
        if precision == "fp16":
            return to_fp16(graph)
        graph = with_pixel_blocks(graph)
        graph = compress_weights(graph) if precision == "int8-weights" else graph
        check_pixel_blocks(graph, self.material.compared_conditions)
        return graph

    @cache  # noqa: B019
    def _quick_generator(self) -> onnx.ModelProto:
        return faster_generator(self.float_generator())

    def _mixed_generator(self) -> Artefact:
        """Convolutions in integers but the most sensitive; the memory's weights in 8 bits, its arithmetic in float.

        The memory's cosines are told apart by a 1,600th: 8 bits draw another concept, which a few pictures of speech,
        in doubt anyway, hardly show.
        """
        material, graph = self.material, self.float_generator()
        self.say("ranges and sensitivities of the generator")
        ranges = measure_ranges(graph, material.training_conditions, tensors_to_measure(graph))
        swept = material.compared_conditions + material.training_conditions[:8]
        memory, losses = memory_of(graph), []
        order = sweep(graph, ranges, swept, picture_loss, keep=memory)

        def candidates() -> Iterator[tuple[Artefact, Draw, set[str]]]:
            for budget in _PICTURE_BUDGETS:
                mixed = mixed_precision(graph, ranges, swept, picture_loss, budget, order, memory)
                small = compress_weights(mixed.graph)
                loss = picture_loss(_outputs(small, material.compared_conditions), self.parts.pictures())
                losses.append(loss)
                layers = set(mixed.kept) & set(quantizable(graph))
                self.say(f"generator: {len(layers)} of {len(quantizable(graph))} layers in float, PSNR {-loss:.1f} dB")
                if loss <= -35.5:
                    made = self._onnx_artefact("int8", small)
                    yield made, OnnxBackend(made.content, 1).run, layers

        found = self.least_lost(candidates())
        if found is None:
            raise ExportError(f"static int8 leaves pictures at {-losses[-1]:.1f} dB PSNR; 35 dB or more is allowed")
        made, layers = found
        self.kept[made.file] = tuple(name for name in quantizable(graph) if name in layers)
        return made

    def _artefact(self, role: str, engine: str, precision: str, content: bytes, kept: Reference) -> Artefact:
        of_engine = ("onnx", "web") if engine == "onnx" else ("tflite", "android")
        targets = tuple(name for name in self.settings.targets if name in of_engine)
        return Artefact(
            role=role,
            engine=engine,
            precision=precision,
            content=content,
            inputs=self.inputs[role],
            reference=kept,
            targets=targets,
            operators=_operators(engine, content),
        )


def memory_of(graph: onnx.ModelProto) -> list[str]:
    """Names of the nodes of a generator's mapping, which choose what is drawn."""
    return nodes_before_weight(graph, "start_from_w.weight")


def _outputs(graph: onnx.ModelProto, feeds: list[Feed]) -> np.ndarray:
    backend = OnnxBackend(graph.SerializeToString(), 1)
    return np.concatenate([backend.run(feed) for feed in feeds])


def _operators(engine: str, content: bytes) -> int:
    if engine == "onnx":
        return len(onnx.ModelProto.FromString(content).graph.node)
    return len(tflite_graphs.operators(content))
