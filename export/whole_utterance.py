"""An encoder's graph for one utterance at a time: without the masks that keep a batch's padding apart.

A mask multiplied in behind every convolution is a number of ones for one whole utterance, and costs far more than
that: no activation and no sum can be fused into a convolution across it, and a blocked layout is left and entered
again at each. In a SeparableTrunk, whose convolutions are small, that is two fifths of the time.

What a mask is for an utterance without padding is not read off the graph but computed, at every remainder of length
that strides can see; only what came out as ones, zeros or a count is taken away. The graph cuts its input to the
length that it is told, so that one padded utterance gives what the bare one gives; of more than one it takes none.
"""

import numpy as np
import onnx
from onnx import NodeProto

from edge_s2i.audio.constants import MEL_BANDS
from export.graph_editing import GraphEditor, attribute
from export.parity import Session

_LENGTHS = (*range(40, 57), 127, 300)  # frames; 17 in a row are every remainder of four strides of 2
_SHAPES = ("Shape", "Size")

Seen = dict[str, list[np.ndarray]]


def whole_utterances(model: onnx.ModelProto) -> onnx.ModelProto:
    """The encoder of log_mel (1, MEL_BANDS, T), lengths (1,) that computes what `model` computes of one utterance."""
    editor = GraphEditor(model)
    counted = _known_from_lengths(editor)
    boundary = [node for node in editor.nodes if not set(node.output) <= counted and set(node.input) & counted]
    wanted = {name for node in boundary for name in node.input if name in counted} - set(editor.constants)
    summed = {name for node in boundary if _is_summed(editor, node) for name in node.input}
    values = _values(model, sorted((wanted | summed) - {"lengths"}))
    for division in [node for node in boundary if node.op_type == "Div"]:
        _mean_as_pooling(editor, division, values)
    for node in boundary:
        _simplify(editor, node, values)
    _cut_to_length(editor)
    editor.fix_first_size(1)
    return editor.finish()


def _known_from_lengths(editor: GraphEditor) -> set[str]:
    """Tensors made of the lengths, of sizes and of constants alone."""
    known = {"lengths", *editor.constants}
    for node in editor.nodes:  # in order, as torch exports them
        if node.op_type in _SHAPES or all(name in known for name in node.input if name):
            known.update(node.output)
    return known


def _values(model: onnx.ModelProto, names: list[str]) -> Seen:
    """What the named tensors hold for an utterance of each of `_LENGTHS`."""
    shown = onnx.ModelProto.FromString(model.SerializeToString())
    there = {value.name for value in shown.graph.output}
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in there)
    session = Session(shown)
    places = [value.name for value in shown.graph.output]
    seen: Seen = {name: [] for name in names}
    random = np.random.default_rng(0)
    for frames in _LENGTHS:
        log_mel = random.standard_normal((1, MEL_BANDS, frames)).astype(np.float32)
        outputs = session.run({"log_mel": log_mel, "lengths": np.array([frames], np.int64)})
        for name, value in zip(places, outputs, strict=True):
            if name in seen:
                seen[name].append(value)
    return seen


def _simplify(editor: GraphEditor, node: NodeProto, values: Seen) -> None:
    """Takes a node away that changes nothing for one whole utterance."""
    if node.op_type in ("Mul", "Add"):
        nothing = 1.0 if node.op_type == "Mul" else 0.0
        for mask, other in (node.input, node.input[::-1]):
            if _always(values, mask, nothing):
                editor.bypass(node, other)
                return
    elif node.op_type == "Where" and _always(values, node.input[0], 1.0):
        editor.bypass(node, node.input[1])
    elif node.op_type == "Where":
        _fill_as_pad(editor, node, values)


def _always(values: Seen, name: str, number: float) -> bool:
    return name in values and all((value == number).all() for value in values[name])


def _fill_as_pad(editor: GraphEditor, where: NodeProto, values: Seen) -> None:
    """Where(inside, Pad(log_mel), c) as a Pad of c, if `inside` is where the Pad added nothing."""
    pad, fill = editor.maker(where.input[1]), editor.value(where.input[2])
    masks = values.get(where.input[0])
    if pad is None or pad.op_type != "Pad" or pad.input[0] != "log_mel" or fill is None or fill.size != 1:
        return
    if masks is None or attribute(pad, "mode", b"constant") != b"constant" or len(pad.input) > 3:
        return
    if editor.only_taker(pad.output[0]) is not where:
        return
    for frames, mask in zip(_LENGTHS, masks, strict=True):
        if mask.size != mask.shape[-1] or not np.array_equal(mask.reshape(-1), np.arange(mask.size) < frames):
            return
    value = editor.constant(fill.reshape(()), "quiet")
    padded = editor.add("Pad", [pad.input[0], pad.input[1], value])
    editor.bypass(where, padded)


def _is_summed(editor: GraphEditor, node: NodeProto) -> bool:
    taker = editor.only_taker(node.output[0])
    return node.op_type == "Mul" and taker is not None and taker.op_type == "ReduceSum"


def _mean_as_pooling(editor: GraphEditor, division: NodeProto, values: Seen) -> None:
    """ReduceSum(x * ones, frames) / frames of x (B, C, 1, T) as GlobalAveragePool, which keeps a blocked layout."""
    total, counts = editor.maker(division.input[0]), values.get(division.input[1])
    masked = None if total is None or total.op_type != "ReduceSum" else editor.maker(total.input[0])
    if counts is None or total is None or masked is None or not _is_summed(editor, masked):
        return
    axes = editor.value(total.input[1])
    if axes is None or axes.tolist() not in ([3], [-1]) or attribute(total, "keepdims", 1) != 1:
        return
    name, ones = masked.input[:2] if _always(values, masked.input[1], 1.0) else masked.input[1::-1]
    if not _always(values, ones, 1.0):
        return
    for value, count in zip(values[name], counts, strict=True):
        if value.ndim != 4 or value.shape[2] != 1 or count.size != 1 or float(count.reshape(())) != value.shape[3]:
            return
    editor.bypass(division, editor.add("GlobalAveragePool", [name]))


def _cut_to_length(editor: GraphEditor) -> None:
    start, axis = (editor.constant(np.array([number], np.int64), hint) for number, hint in ((0, "start"), (2, "axis")))
    takers = editor.takers("log_mel")
    heard = editor.add("Slice", ["log_mel", start, "lengths", axis])
    for node in takers:
        for place, name in enumerate(node.input):
            if name == "log_mel":
                node.input[place] = heard
