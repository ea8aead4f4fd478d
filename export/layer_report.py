"""The per-layer sensitivity sweep as a report."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from export.calibration import measure_ranges
from export.command import progress_on
from export.generator_graphs import memory_of
from export.graph_set import GraphSet
from export.material import load_material
from export.onnx_graphs import ExportError
from export.onnx_quantization import quantize_static, tensors_to_measure
from export.parity import Session
from export.sensitivity import cosine_loss, picture_loss, sweep
from export.settings import ExportSettings


def layer_report(settings: ExportSettings, model: str) -> dict[str, Any]:
    """What quantizing each layer of `model` ("encoder" or "generator") alone costs, the most sensitive first."""
    if model not in ("encoder", "generator"):
        raise ExportError(f"model {model!r} is unknown; there are encoder and generator")
    console = Console(stderr=True)
    material = load_material(settings)
    graphs = GraphSet(material, lambda text: console.print(text, style="dim"))
    graph = graphs.float_onnx(model)
    encoder = model == "encoder"
    feeds = material.speech(material.training_clips) if encoder else material.training_conditions
    compared = material.speech(material.compared_clips) if encoder else material.compared_conditions
    loss = cosine_loss if encoder else picture_loss
    ranges = measure_ranges(graph, feeds, tensors_to_measure(graph))
    memory = [] if encoder else memory_of(graph)  # export computes it in float always
    whole = Session(quantize_static(graph, ranges, keep=memory)).outputs(compared)
    layers = sweep(graph, ranges, compared, loss, progress_on(console), keep=memory)
    return {
        "model": model,
        "measure": "1 - mean cosine to float" if encoder else "mean PSNR to float in dB, negative",
        "all layers": loss(whole, Session(graph).outputs(compared)),
        "layers": [asdict(layer) for layer in layers],
    }


def print_layers(report: dict[str, Any]) -> None:
    """The report as a table."""
    table = Table("layer alone in int8", "operator", "weights, bytes", report["measure"])
    table.add_row("all", "", "", f"{report['all layers']:.5f}")
    for layer in report["layers"]:
        table.add_row(layer["node"], layer["operator"], f"{layer['bytes']:,}", f"{layer['loss']:.5f}")
    Console().print(table)
