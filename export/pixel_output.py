"""A second output of the generator's graph: the picture as bytes, colours behind each other, as a screen takes them.

The first output stays as it is, (B, 3, H, W) floats, for readers that want those. Bytes leave the graph where the
picture is still small and in the engine's own layout: writing colours behind each other there costs a third of putting
blocks of channels side by side in planes and making pixels of those. A runtime that asks for the bytes alone, and for
no more than they need to be computed, is spared the planes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from edge_s2i.runtime.backends import OnnxBackend
from edge_s2i.runtime.pixels import PIXEL_BLOCKS, join_blocks, to_pixels
from export.graph_editing import GraphEditor
from export.onnx_graphs import ExportError


def with_pixel_blocks(model: onnx.ModelProto) -> onnx.ModelProto:
    """Adds the output PIXEL_BLOCKS, (B, H / 2, W / 2, 12) uint8: blocks of two rows of two pixels of three colours.

    `edge_s2i.runtime.pixels.join_blocks` makes of it what `to_pixels` makes of the first output.

    model: ends, after a convolution of constant weights and a Clip to [-1, 1], in putting blocks of channels (colour,
    row, column) side by side, as `faster_generator` leaves a generator. Any other comes back as it is.
    """
    editor = GraphEditor(model)
    picture = model.graph.output[0]
    sizes = [dim.dim_value for dim in picture.type.tensor_type.shape.dim]
    clip = editor.maker(picture.name)
    while clip is not None and clip.op_type in ("Reshape", "Transpose"):
        clip = editor.maker(clip.input[0])
    mix = None if clip is None or clip.op_type != "Clip" else editor.maker(clip.input[0])
    if clip is None or mix is None or mix.op_type != "Conv" or len(sizes) != 4:
        return model
    weights = [editor.value(name) for name in mix.input[1:]]  # and a bias, where that is not zero
    bounds = [editor.value(name) for name in clip.input[1:]]
    planes = editor.only_taker(clip.output[0])
    if any(value is None for value in weights) or planes is None or len(model.graph.output) != 1:
        return model
    if [None if value is None else float(value) for value in bounds] != [-1.0, 1.0]:
        return model
    colours, height, width = sizes[1:]
    channels = len(np.asarray(weights[0]))
    if colours != 3 or channels != colours * 4 or height % 2 or width % 2:
        return model

    # Channels as (row, column, colour), so that what lies side by side in a row of pixels does so here already.
    order = np.arange(channels).reshape(colours, 2, 2).transpose(1, 2, 0).reshape(-1)
    for place, value in enumerate(weights, 1):
        mix.input[place] = editor.constant(np.asarray(value)[order], "to_rgb")
    back = editor.constant(np.argsort(order), "planes")
    planes.input[0] = editor.add("Gather", [clip.output[0], back], axis=1)

    # In two steps and in this order, as NumPy, JavaScript and C do it: the same bytes.
    together = editor.add("Transpose", [clip.output[0]], perm=[0, 2, 3, 1])
    raised = editor.add("Add", [together, editor.constant(np.array(1.0, np.float32), "one")])
    scaled = editor.add("Mul", [raised, editor.constant(np.array(127.5, np.float32), "half_range")])
    editor.add("Cast", [editor.add("Round", [scaled])], PIXEL_BLOCKS, to=TensorProto.UINT8)
    batch = picture.type.tensor_type.shape.dim[0]
    shape = [batch.dim_param or batch.dim_value or None, height // 2, width // 2, channels]
    editor.give_out(helper.make_tensor_value_info(PIXEL_BLOCKS, TensorProto.UINT8, shape))
    return editor.finish()


def check_pixel_blocks(model: onnx.ModelProto, feeds: Sequence[Mapping[str, np.ndarray]]) -> None:
    """ExportError where a graph's two outputs are not the same pixels; a graph of one output has none to compare."""
    graph = OnnxBackend(model.SerializeToString(), 1)
    if PIXEL_BLOCKS not in graph.outputs:
        return
    for feed in feeds:
        given, wanted = join_blocks(graph.run(feed, PIXEL_BLOCKS)), to_pixels(graph.run(feed))
        if not np.array_equal(given, wanted):
            differ = int((given != wanted).sum())
            raise ExportError(f"{differ} bytes of the generator's {PIXEL_BLOCKS} are not its picture's")
