"""What a graph is, without running it: which operators it needs and how many numbers it stores."""

import numpy as np
import onnx


def live_operators(model: bytes) -> dict[str, int]:
    """How many nodes of each operator depend on the graph's inputs; those of constants alone run once, at load."""
    graph = onnx.ModelProto.FromString(model).graph
    live = {value.name for value in graph.input}
    counts: dict[str, int] = {}
    for node in graph.node:
        if any(name in live for name in node.input):
            live.update(node.output)
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
    return dict(sorted(counts.items()))


def stored_numbers(model: bytes) -> int:
    """Numbers held by the graph's initializers of more than one element."""
    graph = onnx.ModelProto.FromString(model).graph
    return sum(size for tensor in graph.initializer if (size := int(np.prod(tensor.dims))) > 1)
