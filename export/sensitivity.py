"""Which layers cannot bear int8: each alone quantized, measured, and the worst left in float until the budget holds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from export.calibration import Range
from export.onnx_graphs import ExportError
from export.onnx_quantization import quantizable, quantize_static
from export.parity import Session

Feed = Mapping[str, np.ndarray]
Loss = Callable[[np.ndarray, np.ndarray], float]  # of what the graph gives, against what it should
Progress = Callable[[Iterable, str, int], Iterable]


@dataclass(frozen=True)
class LayerSensitivity:
    """What quantizing one layer alone costs."""

    node: str
    operator: str
    bytes: int  # of its weights in float32
    loss: float


@dataclass(frozen=True)
class MixedPrecision:
    """A graph that meets its budget with as few layers in float as the order of their sensitivity allows."""

    graph: onnx.ModelProto
    kept: tuple[str, ...]  # nodes in float32
    loss: float


def sweep(
    graph: onnx.ModelProto,
    ranges: Mapping[str, Range],
    feeds: Sequence[Feed],
    loss: Loss,
    track: Progress = lambda items, _description, _total: items,
    keep: Sequence[str] = (),
) -> list[LayerSensitivity]:
    """Quantizes every layer but those to `keep` alone and returns what each cost on `feeds`, the most sensitive
    first."""
    reference = Session(graph).outputs(feeds)
    names = [name for name in quantizable(graph) if name not in set(keep)]
    nodes = {node.name: node for node in graph.graph.node}
    weights = {tensor.name: 4 * int(np.prod(tensor.dims)) for tensor in graph.graph.initializer}
    found = []
    for name in track(names, "layers", len(names)):
        outputs = Session(quantize_static(graph, ranges, only=[name])).outputs(feeds)
        found.append(
            LayerSensitivity(name, nodes[name].op_type, weights[nodes[name].input[1]], loss(outputs, reference))
        )
    return sorted(found, key=lambda layer: -layer.loss)


def mixed_precision(
    graph: onnx.ModelProto,
    ranges: Mapping[str, Range],
    feeds: Sequence[Feed],
    loss: Loss,
    budget: float,
    order: Sequence[LayerSensitivity],
    keep: Sequence[str] = (),
) -> MixedPrecision:
    """Leaves the most sensitive layers of `order` in float until `loss` is at most `budget`; those to `keep` always.

    The number of layers is found by halving, as if each layer more lost less. ExportError where even with every layer
    in float the budget does not hold.
    """
    reference = Session(graph).outputs(feeds)
    names = [layer.node for layer in order]

    def keeping(count: int) -> MixedPrecision:
        kept = (*keep, *names[:count])
        mixed = quantize_static(graph, ranges, keep=kept) if count < len(names) else graph
        return MixedPrecision(mixed, kept, loss(Session(mixed).outputs(feeds), reference))

    least, most, best = 0, len(names), keeping(0)
    if best.loss <= budget:
        return best
    best = keeping(most)
    if best.loss > budget:
        raise ExportError(f"no mixture of int8 and float32 meets the budget of {budget:.4g}")
    while most - least > 1:
        middle = (least + most) // 2
        tried = keeping(middle)
        if tried.loss <= budget:
            most, best = middle, tried
        else:
            least = middle
    return best


def cosine_loss(outputs: np.ndarray, reference: np.ndarray) -> float:
    """1 - mean cosine of embeddings (N, D)."""
    lengths = np.linalg.norm(outputs, axis=1) * np.linalg.norm(reference, axis=1)
    return float(1.0 - ((outputs * reference).sum(1) / np.maximum(lengths, 1e-12)).mean())


def picture_loss(outputs: np.ndarray, reference: np.ndarray) -> float:
    """Mean negative PSNR in dB of pictures (N, ...), each over its own range of values."""
    from export.parity import psnr

    return -float(psnr(outputs, reference).mean())
