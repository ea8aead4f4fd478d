"""A graph without what nobody reads: long names of what lies between its nodes, attributes that are the default.

Names of weights, inputs and outputs stay: the way back from a bundle finds weights by them. It is a hundredth of the
encoder's bytes.
"""

from itertools import count

import onnx
from onnx.helper import get_attribute_value

_DEFAULTS = {"auto_pad": b"NOTSET", "dilations": [1, 1], "strides": [1, 1], "group": 1}  # of a Conv of two dimensions


def lean(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a copy of `model` that computes the same; a graph with subgraphs, which see its names, comes back as it
    is."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    if any(item.type == onnx.AttributeProto.GRAPH for node in graph.node for item in node.attribute):
        return model
    del graph.value_info[:]
    kept = {item.name for item in (*graph.initializer, *graph.input, *graph.output)}
    constant = {item.name for item in graph.initializer}
    for node in graph.node:  # weights of fewer bits become whole ones, under the name that the network knows them by
        if constant.issuperset(node.input):
            constant.update(node.output)
        else:
            kept.update(constant.intersection(node.input))
    fresh = (name for name in (f"{number:x}" for number in count()) if name not in kept)
    renamed: dict[str, str] = {}
    for number, node in enumerate(graph.node):
        node.name = f"{number:x}"
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
        for place, name in enumerate(node.output):
            if name and name not in kept:
                node.output[place] = renamed.setdefault(name, next(fresh))
        if node.op_type == "Conv":
            said = [item for item in node.attribute if _DEFAULTS.get(item.name) != get_attribute_value(item)]
            del node.attribute[:]
            node.attribute.extend(said)
    return model
