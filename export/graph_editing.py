"""Editing an ONNX graph: who makes and takes a tensor, constants by value, and a whole, checked graph at the end."""

from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from export.onnx_graphs import ExportError


class GraphEditor:
    """A copy of a model whose nodes may be replaced. Nodes are put in order again by `finish`."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = onnx.ModelProto.FromString(model.SerializeToString())
        graph = self._model.graph
        self.nodes: list[NodeProto] = list(graph.node)
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._outputs = {value.name for value in graph.output}
        self._taken = {*self.constants, *(name for node in self.nodes for name in (*node.output, node.name))}
        self._fresh = 0

    def maker(self, name: str) -> NodeProto | None:
        """The node that makes a tensor; None for an input or constant."""
        return next((node for node in self.nodes if name in node.output), None)

    def takers(self, name: str) -> list[NodeProto]:
        """The nodes that take a tensor."""
        return [node for node in self.nodes if name in node.input]

    def only_taker(self, name: str) -> NodeProto | None:
        """The one node that takes a tensor, once; None where there are others or the graph gives it out."""
        takers = self.takers(name)
        if len(takers) != 1 or name in self._outputs or list(takers[0].input).count(name) != 1:
            return None
        return takers[0]

    def add(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        """Adds a node of one output and returns the output's name."""
        output = output or self.name(operator)
        self.nodes.append(helper.make_node(operator, inputs, [output], name=self.name(f"node_{output}"), **attributes))
        return output

    def remove(self, *nodes: NodeProto) -> None:
        """Takes nodes out; whoever took their outputs must be given others."""
        gone = {id(node) for node in nodes}
        self.nodes = [node for node in self.nodes if id(node) not in gone]

    def bypass(self, node: NodeProto, name: str) -> None:
        """Gives whoever takes a node's one output the tensor `name` instead; ExportError if the graph gives it out."""
        if node.output[0] in self._outputs:
            raise ExportError(f"{node.output[0]} is an output of the graph and cannot be left out")
        for taker in self.takers(node.output[0]):
            for place, taken in enumerate(taker.input):
                if taken == node.output[0]:
                    taker.input[place] = name
        self.remove(node)

    def give_out(self, info: onnx.ValueInfoProto) -> None:
        """Makes a tensor the graph's last output; info: its name, type and shape."""
        self._outputs.add(info.name)
        self._model.graph.output.append(info)

    def fix_first_size(self, size: int) -> None:
        """Sets the first axis of every input and output."""
        for value in (*self._model.graph.input, *self._model.graph.output):
            value.type.tensor_type.shape.dim[0].Clear()
            value.type.tensor_type.shape.dim[0].dim_value = size

    def constant(self, value: np.ndarray, hint: str) -> str:
        """Adds a constant and returns its name."""
        name = self.name(hint)
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def value(self, name: str) -> np.ndarray | None:
        """A constant's value; None for what is no constant."""
        return self.constants.get(name)

    def input_width(self, name: str) -> int | None:
        """Length of the last axis of one of the graph's inputs; None where it is no input or of any length."""
        for value in self._model.graph.input:
            if value.name == name:
                return value.type.tensor_type.shape.dim[-1].dim_value or None
        return None

    def name(self, hint: str) -> str:
        """A tensor name that is not taken."""
        while True:
            self._fresh += 1
            name = f"{hint}.{self._fresh}.rewritten"
            if name not in self._taken:
                return name

    def finish(self) -> onnx.ModelProto:
        """The model with nodes in order and without what nothing needs; ExportError for a cycle."""
        graph = self._model.graph
        needed, kept = set(self._outputs), []
        makers = {name: node for node in self.nodes for name in node.output}
        waiting = [makers[name] for name in self._outputs if name in makers]
        seen = set()
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            needed.update(node.input)
            waiting.extend(makers[name] for name in node.input if name in makers)
        known = {value.name for value in graph.input} | set(self.constants) | {""}
        rest = [node for node in self.nodes if id(node) in seen]
        while rest:
            ready = [node for node in rest if all(name in known for name in node.input)]
            if not ready:
                raise ExportError(f"the rewritten graph has a cycle at {rest[0].output[0]}")
            kept.extend(ready)
            known.update(name for node in ready for name in node.output)
            done = {id(node) for node in ready}
            rest = [node for node in rest if id(node) not in done]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(kept)
        graph.initializer.extend(
            numpy_helper.from_array(value, name) for name, value in self.constants.items() if name in needed
        )
        onnx.checker.check_model(self._model)
        return self._model


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """An attribute's value, `default` where the node has none of that name."""
    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default


def fold_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights that `compress_weights` stored in fewer bits as the float32 constants that they stand for."""
    editor = GraphEditor(model)
    for node in list(editor.nodes):
        if node.op_type in ("Cast", "Mul") and all(name in editor.constants for name in node.input):
            values = [editor.constants[name] for name in node.input]
            folded = values[0].astype(np.float32) if node.op_type == "Cast" else values[0] * values[1]
            editor.constants[node.output[0]] = folded
            editor.remove(node)
    return editor.finish()
