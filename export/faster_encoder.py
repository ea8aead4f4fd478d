"""The encoder's graph, rewritten so that ONNX Runtime's CPU kernels do less for the same embedding.

Each step takes a model and returns one that computes the same; a graph without what a step looks for comes back as it
is. Three things cost time in the graph as torch exports it, on a processor whose convolutions run in a blocked layout:
the trunk hears 38 frames of quiet on either side of every utterance through all its layers; a Clip behind a LeakyRelu
cannot be fused into the convolution and leaves the blocked layout, twice a layer; and activations are computed at four
times the pixels that max pooling keeps.
"""

from collections.abc import Callable
from itertools import count

import numpy as np
import onnx
from onnx import NodeProto

from export.graph_editing import GraphEditor, attribute

Step = Callable[[onnx.ModelProto], onnx.ModelProto]


def narrow_quiet_margins(model: onnx.ModelProto) -> onnx.ModelProto:
    """Hears as much quiet on either side as a stage needs, and repeats its last column for the next.

    Far enough from the speech every column of every layer is the same: what a layer makes of quiet. Only the columns
    that convolutions reach from the speech, and one beyond them, are computed; an edge-mode Pad behind each max
    pooling brings back the rest that the next stage needs.
    """
    editor = GraphEditor(model)
    for pad in [node for node in editor.nodes if node.op_type == "Pad"]:
        margin = _even_margin(editor, pad)
        segments = _segments(editor, pad)
        if margin and segments:
            _narrow(editor, pad, margin, segments)
    return editor.finish()


def pool_before_activation(model: onnx.ModelProto) -> onnx.ModelProto:
    """MaxPool(f(x)) as f(MaxPool(x)) for LeakyRelu and Clip, which never fall: the same maximum, at fewer pixels.

    A Relu stays where it is: it costs nothing in a convolution.
    """
    editor = GraphEditor(model)
    for pool in [node for node in editor.nodes if node.op_type == "MaxPool"]:
        if any(attribute(pool, "pads", None) or ()):
            continue  # padding is -infinity in a MaxPool, which Clip would turn into a number
        chain: list[NodeProto] = []
        node = editor.maker(pool.input[0])
        while node is not None and _rises(editor, node) and editor.only_taker(node.output[0]) is not None:
            chain.insert(0, node)
            node = editor.maker(node.input[0])
        if not chain:
            continue
        source, result = chain[0].input[0], pool.output[0]
        pooled = editor.name("pooled")
        pool.input[0], pool.output[0] = source, pooled
        chain[0].input[0] = pooled
        chain[-1].output[0] = result
    return editor.finish()


def clip_as_convolution(model: onnx.ModelProto) -> onnx.ModelProto:
    """Clip(LeakyRelu(x, a), min=m) behind a convolution as LeakyRelu(Relu(x + c) - c, a) with c = -m / a.

    LeakyRelu(x) >= m is x >= m / a, so the bound may be set first: c goes into the convolution's bias, Relu is fused
    into the convolution, and the - c is a depthwise 1x1 convolution that LeakyRelu is fused into. All of that runs in
    the blocked layout, which a Clip alone leaves.
    """
    editor = GraphEditor(model)
    for clip in [node for node in editor.nodes if node.op_type == "Clip"]:
        _replace_clip(editor, clip)
    return editor.finish()


def norm_into_product(model: onnx.ModelProto) -> onnx.ModelProto:
    """BatchNormalization in front of a Gemm as part of its weights and bias."""
    editor = GraphEditor(model)
    for norm in [node for node in editor.nodes if node.op_type == "BatchNormalization"]:
        gemm = editor.only_taker(norm.output[0])
        values = [editor.value(name) for name in norm.input[1:5]]
        if gemm is None or gemm.op_type != "Gemm" or len(gemm.input) != 3 or any(value is None for value in values):
            continue
        weight, bias = (editor.value(name) for name in gemm.input[1:])
        plain = attribute(gemm, "transB", 0) == 1 and attribute(gemm, "transA", 0) == 0
        ones = attribute(gemm, "alpha", 1.0) == 1.0 and attribute(gemm, "beta", 1.0) == 1.0
        if weight is None or bias is None or gemm.input[0] != norm.output[0] or not (plain and ones):
            continue
        scale, shift, mean, variance = (np.asarray(value, np.float64) for value in values)
        gain = scale / np.sqrt(variance + float(attribute(norm, "epsilon", 1e-5)))
        gemm.input[1] = editor.constant((weight * gain).astype(np.float32), "normed_weight")
        moved = bias + weight.astype(np.float64) @ (shift - mean * gain)
        gemm.input[2] = editor.constant(moved.astype(np.float32), "normed_bias")
        gemm.input[0] = norm.input[0]
        editor.remove(norm)
    return editor.finish()


ENCODER_STEPS: dict[str, Step] = {
    "quiet margins of a few frames": narrow_quiet_margins,
    "max pooling before activations": pool_before_activation,
    "Clip as a depthwise 1x1 convolution": clip_as_convolution,
    "BatchNormalization into the projection": norm_into_product,
}


def faster_encoder(model: onnx.ModelProto) -> onnx.ModelProto:
    """All of ENCODER_STEPS in turn."""
    for step in ENCODER_STEPS.values():
        model = step(model)
    return model


def _even_margin(editor: GraphEditor, pad: NodeProto) -> int:
    """Frames that a constant-mode Pad adds on either side of the last axis; 0 for any other Pad."""
    pads = editor.value(pad.input[1])
    if pads is None or attribute(pad, "mode", b"constant") != b"constant" or len(pad.input) > 3:
        return 0
    first, last = pads[: len(pads) // 2], pads[len(pads) // 2 :]
    return int(last[-1]) if first[-1] == last[-1] and not first[:-1].any() and not last[:-1].any() else 0


def _segments(editor: GraphEditor, pad: NodeProto) -> list[tuple[int, int, NodeProto]]:
    """(columns that convolutions take off, columns that pooling makes one, the pooling) of each stage behind `pad`.

    Only of stages whose every node treats each column alike, but for convolutions without padding of the last axis.
    """
    found = []
    taken, name = 0, pad.output[0]
    while (node := editor.only_taker(name)) is not None:
        if node.op_type == "Conv":
            weight = editor.value(node.input[1])
            strides, pads = attribute(node, "strides", [1, 1]), attribute(node, "pads", [0, 0, 0, 0])
            if weight is None or weight.ndim != 4 or strides[1] != 1 or pads[1] or pads[3]:
                break
            taken += weight.shape[3] - 1
        elif node.op_type == "MaxPool":
            kernel, strides = attribute(node, "kernel_shape"), attribute(node, "strides", [1, 1])
            if kernel[1] != strides[1] or any(attribute(node, "pads", None) or ()):
                break
            found.append((taken, int(kernel[1]), node))
            taken = 0
        elif node.op_type == "Transpose":
            order = attribute(node, "perm")
            if order is None or order[-1] != len(order) - 1:
                break
        elif node.op_type == "Unsqueeze":
            axes = editor.value(node.input[1])
            if axes is None or (axes < 0).any() or axes.max() > 2:
                break
        elif node.op_type not in ("LeakyRelu", "Clip", "Relu"):
            break
        name = node.output[0]
    return found


def _narrow(editor: GraphEditor, pad: NodeProto, margin: int, segments: list[tuple[int, int, NodeProto]]) -> None:
    left, kept = margin, 0  # columns of quiet left out on either side, and of quiet that are there
    place: NodeProto | None = None  # the pooling behind which the next columns are brought back
    for taken, merged, pooling in segments:
        # Convolutions reach `taken` columns into the quiet from either end, and pooling may drop the last column.
        needed = taken + 2 * merged - 1
        added = next((n for n in count(max(0, needed - kept)) if (left - n) % merged == 0), left)
        added = min(added, left)
        _bring_back(editor, pad, place, added)
        left, kept = left - added, kept + added
        if left == 0:
            return
        left, kept = left // merged, (kept - taken - (merged - 1)) // merged
        place = pooling
    _bring_back(editor, pad, place, left)


def _bring_back(editor: GraphEditor, pad: NodeProto, pooling: NodeProto | None, columns: int) -> None:
    if pooling is None:
        pads = editor.value(pad.input[1])
        assert pads is not None
        fewer = pads.copy()
        fewer[len(pads) // 2 - 1] = fewer[-1] = columns
        pad.input[1] = editor.constant(fewer, "margins")
    elif columns:
        result = pooling.output[0]
        pooling.output[0] = editor.name("narrow")
        sides = editor.constant(np.array([0, 0, 0, columns, 0, 0, 0, columns], np.int64), "margins")
        editor.add("Pad", [pooling.output[0], sides], result, mode="edge")


def _rises(editor: GraphEditor, node: NodeProto) -> bool:
    """Whether an element-wise node never falls as its input rises."""
    if node.op_type == "LeakyRelu":
        return float(attribute(node, "alpha", 0.01)) >= 0
    return node.op_type == "Clip" and all(not name or editor.value(name) is not None for name in node.input[1:])


def _replace_clip(editor: GraphEditor, clip: NodeProto) -> None:
    least = editor.value(clip.input[1]) if len(clip.input) > 1 and clip.input[1] else None
    if least is None or float(least) >= 0 or (len(clip.input) > 2 and clip.input[2]):
        return
    leaky = editor.maker(clip.input[0])
    if leaky is None or leaky.op_type != "LeakyRelu" or editor.only_taker(leaky.output[0]) is None:
        return
    slope = float(attribute(leaky, "alpha", 0.01))
    pool = editor.maker(leaky.input[0])
    source = pool if pool is not None and pool.op_type != "MaxPool" else editor.maker(pool.input[0]) if pool else None
    if pool is None or source is None or source.op_type != "Conv" or len(source.input) != 3 or slope <= 0:
        return
    bias = editor.value(source.input[2])
    alone = editor.only_taker(leaky.input[0]) is not None and editor.only_taker(source.output[0]) is not None
    if bias is None or not alone:
        return
    shift = np.float32(-float(least) / slope)
    source.input[2] = editor.constant(bias + shift, "shifted_bias")
    shifted = source.output[0]
    source.output[0] = editor.name("shifted")
    editor.add("Relu", [source.output[0]], shifted)  # a MaxPool behind it still takes `shifted`
    channels = len(bias)
    ones = editor.constant(np.ones((channels, 1, 1, 1), np.float32), "ones")
    back = editor.constant(np.full(channels, -shift, np.float32), "back")
    bounded = editor.add("Conv", [leaky.input[0], ones, back], group=channels, kernel_shape=[1, 1])
    editor.remove(leaky, clip)
    editor.add("LeakyRelu", [bounded], clip.output[0], alpha=slope)
