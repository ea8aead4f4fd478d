"""The generator's graph, rewritten so that ONNX Runtime's CPU kernels do less for the same picture.

Each step takes a model and returns one that computes the same; a graph without what a step looks for comes back as it
is. What cost time in the graph as torch exports it: DepthToSpace, which ONNX Runtime does pixel by pixel; a Clip behind
it that no convolution can take in; eleven small products of one vector, each read alone; factors that could be in the
weights.
"""

import numpy as np
import onnx
from onnx import NodeProto

from export.faster_encoder import Step
from export.graph_editing import GraphEditor, attribute


def clip_before_depth_to_space(model: onnx.ModelProto) -> onnx.ModelProto:
    """Clip behind DepthToSpace as Clip in front of it, where it becomes a part of the convolution."""
    editor = GraphEditor(model)
    for clip in [node for node in editor.nodes if node.op_type == "Clip"]:
        shuffle = editor.maker(clip.input[0])
        if shuffle is None or shuffle.op_type != "DepthToSpace" or editor.only_taker(shuffle.output[0]) is None:
            continue
        source, result = shuffle.input[0], clip.output[0]
        clipped = editor.name("clipped")
        clip.input[0], clip.output[0] = source, clipped
        shuffle.input[0], shuffle.output[0] = clipped, result
    return editor.finish()


def depth_to_space_as_transposes(model: onnx.ModelProto) -> onnx.ModelProto:
    """DepthToSpace (mode CRD) as two Transposes of one axis each, for which there are quick kernels.

    (B, C r r, H, W) is seen as (B C r, r, H W): moving its second axis behind the third interleaves the columns. Then
    (B C, r, H, W r) with its second and third axes swapped interleaves the rows, whole rows at a time.
    """
    editor = GraphEditor(model)
    shapes = _static_shapes(model)
    for shuffle in [node for node in editor.nodes if node.op_type == "DepthToSpace"]:
        shape = shapes.get(shuffle.input[0])
        if shape is None or attribute(shuffle, "mode", b"DCR") != b"CRD":
            continue
        side = int(attribute(shuffle, "blocksize"))
        channels, height, width = shape[1] // side**2, shape[2], shape[3]

        def reshaped(name: str, *sizes: int) -> str:
            return editor.add("Reshape", [name, editor.constant(np.array(sizes, np.int64), "shape")])

        planes = reshaped(shuffle.input[0], -1, side, height * width)
        columns = editor.add("Transpose", [planes], perm=[0, 2, 1])
        rows = reshaped(columns, -1, side, height, width * side)
        swapped = editor.add("Transpose", [rows], perm=[0, 2, 1, 3])
        target = editor.constant(np.array([-1, channels, height * side, width * side], np.int64), "shape")
        editor.remove(shuffle)
        editor.add("Reshape", [swapped, target], shuffle.output[0])
    return editor.finish()


def one_style_product(model: onnx.ModelProto) -> onnx.ModelProto:
    """All Gemms of one input that end in the same Unsqueeze as one Gemm, one Unsqueeze and a Split."""
    editor = GraphEditor(model)
    groups: dict[tuple[str, bytes], list[tuple[NodeProto, NodeProto]]] = {}
    for gemm in [node for node in editor.nodes if _is_plain_gemm(editor, node, bias=True)]:
        taker = editor.only_taker(gemm.output[0])
        if taker is None or taker.op_type != "Unsqueeze":
            continue
        axes = editor.value(taker.input[1])
        if axes is not None:
            groups.setdefault((gemm.input[0], axes.tobytes()), []).append((gemm, taker))
    for (source, held), pairs in groups.items():
        if len(pairs) < 2:
            continue
        weight, bias = (
            np.concatenate([np.asarray(editor.value(gemm.input[at])) for gemm, _ in pairs]) for at in (1, 2)
        )
        product = editor.add(
            "Gemm", [source, editor.constant(weight, "styles.weight"), editor.constant(bias, "styles.bias")], transB=1
        )
        column = editor.add("Unsqueeze", [product, editor.constant(np.frombuffer(held, np.int64), "axes")])
        sizes = [len(np.asarray(editor.value(gemm.input[2]))) for gemm, _ in pairs]
        lengths = editor.constant(np.array(sizes, np.int64), "sizes")
        outputs = [taker.output[0] for _, taker in pairs]
        editor.remove(*(node for pair in pairs for node in pair))
        editor.nodes.append(onnx.helper.make_node("Split", [column, lengths], outputs, name="styles.split", axis=1))
    return editor.finish()


def factors_into_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Multiplications by a constant behind or before a Gemm, and constants added to what it gives, as its weights."""
    editor = GraphEditor(model)
    changed = True
    while changed:
        changed = any(
            _absorb_factor_behind(editor, node) or _absorb_factor_before(editor, node) or _absorb_added(editor, node)
            for node in list(editor.nodes)
        )
    return editor.finish()


def sums_into_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """Add(x, Gemm(y)) as a Gemm that starts from x."""
    editor = GraphEditor(model)
    for addition in [node for node in editor.nodes if node.op_type == "Add"]:
        for at in (1, 0):
            gemm = editor.maker(addition.input[at])
            other = addition.input[1 - at]
            if (
                gemm is None
                or not _is_plain_gemm(editor, gemm, bias=False)
                or editor.only_taker(gemm.output[0]) is not addition
                or not _has_width_of(editor, other, gemm)
            ):
                continue
            gemm.input.append(other)
            gemm.output[0] = addition.output[0]
            editor.remove(addition)
            break
    return editor.finish()


GENERATOR_STEPS: dict[str, Step] = {
    "Clip before DepthToSpace": clip_before_depth_to_space,
    "DepthToSpace as two Transposes": depth_to_space_as_transposes,
    "one product for all styles": one_style_product,
    "factors in the weights": factors_into_weights,
    "sums in the products": sums_into_products,
}


def faster_generator(model: onnx.ModelProto) -> onnx.ModelProto:
    """All of GENERATOR_STEPS in turn."""
    for step in GENERATOR_STEPS.values():
        model = step(model)
    return model


def _static_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of tensors of rank 4 that are known but for the batch."""
    inferred = onnx.shape_inference.infer_shapes(model)
    shapes = {}
    for value in inferred.graph.value_info:
        dims = [item.dim_value for item in value.type.tensor_type.shape.dim]
        if len(dims) == 4 and all(dims[1:]):
            shapes[value.name] = tuple(dims)
    return shapes


def _is_plain_gemm(editor: GraphEditor, node: NodeProto, *, bias: bool) -> bool:
    """Whether it is x @ W.T, plus a constant vector if `bias` says so, of constant weights."""
    if node.op_type != "Gemm" or len(node.input) != (3 if bias else 2):
        return False
    constant = all(editor.value(name) is not None for name in node.input[1:])
    turned = attribute(node, "transA", 0) == 0 and attribute(node, "transB", 0) == 1
    return constant and turned and attribute(node, "alpha", 1.0) == 1.0 and attribute(node, "beta", 1.0) == 1.0


def _scalar(editor: GraphEditor, node: NodeProto) -> tuple[float, str] | None:
    """The factor and the other input of a Mul by one constant number."""
    if node.op_type != "Mul":
        return None
    for at in (0, 1):
        value = editor.value(node.input[at])
        if value is not None and value.size == 1:
            return float(value.reshape(())), node.input[1 - at]
    return None


def _absorb_factor_behind(editor: GraphEditor, node: NodeProto) -> bool:
    found = _scalar(editor, node)
    if found is None:
        return False
    factor, source = found
    gemm = editor.maker(source)
    if gemm is None or not _is_plain_gemm(editor, gemm, bias=False) or editor.only_taker(source) is not node:
        return False
    gemm.input[1] = editor.constant(np.asarray(editor.value(gemm.input[1])) * np.float32(factor), "scaled")
    gemm.output[0] = node.output[0]
    editor.remove(node)
    return True


def _absorb_factor_before(editor: GraphEditor, node: NodeProto) -> bool:
    found = _scalar(editor, node)
    gemm = editor.only_taker(node.output[0])
    if found is None or gemm is None or gemm.input[0] != node.output[0]:
        return False
    if not (_is_plain_gemm(editor, gemm, bias=False) or _is_plain_gemm(editor, gemm, bias=True)):
        return False
    factor, source = found
    gemm.input[1] = editor.constant(np.asarray(editor.value(gemm.input[1])) * np.float32(factor), "scaled")
    gemm.input[0] = source
    editor.remove(node)
    return True


def _absorb_added(editor: GraphEditor, node: NodeProto) -> bool:
    """Add(Reshape(Gemm(x)), constant of one picture's shape)."""
    if node.op_type != "Add":
        return False
    for at in (0, 1):
        value, reshape = editor.value(node.input[1 - at]), editor.maker(node.input[at])
        if value is None or reshape is None or reshape.op_type != "Reshape" or value.shape[:1] != (1,):
            continue
        gemm = editor.maker(reshape.input[0])
        if gemm is None or not _is_plain_gemm(editor, gemm, bias=True):
            continue
        alone = editor.only_taker(gemm.output[0]) is reshape and editor.only_taker(reshape.output[0]) is node
        bias = np.asarray(editor.value(gemm.input[2]))
        target = editor.value(reshape.input[1])
        if not alone or target is None or tuple(target[1:]) != value.shape[1:] or bias.size != value.size:
            continue
        gemm.input[2] = editor.constant(bias + value.reshape(-1), "started")
        reshape.output[0] = node.output[0]
        editor.remove(node)
        return True
    return False


def _has_width_of(editor: GraphEditor, name: str, gemm: NodeProto) -> bool:
    """Whether a tensor is known to have the shape of a Gemm's output: an input of the graph or another Gemm's."""
    width = len(np.asarray(editor.value(gemm.input[1])))
    maker = editor.maker(name)
    if maker is not None and maker.op_type == "Gemm":
        weight = editor.value(maker.input[1])
        return weight is not None and attribute(maker, "transB", 0) == 1 and len(weight) == width
    return maker is None and editor.input_width(name) == width
