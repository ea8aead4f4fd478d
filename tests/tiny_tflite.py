"""The tiny bundle's networks and the probe graph as .tflite; `python tests/tiny_tflite.py` writes fixtures.

Needs ai-edge-litert and flatbuffers; the files are committed, so reading them needs an engine only.
"""

from pathlib import Path

import numpy as np
import tiny_bundle as tiny

from edge_s2i.audio.constants import FFT_LENGTH, HOP_LENGTH, MAX_SECONDS, MEL_BANDS, SAMPLE_RATE

FIXTURES = Path(__file__).parent / "fixtures"
FRAMES = 1 + (int(MAX_SECONDS * SAMPLE_RATE) - FFT_LENGTH) // HOP_LENGTH  # LiteRT graphs have one length


class GraphBuilder:
    """Collects tensors and operators of one subgraph with one signature, and packs them as a .tflite file."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated

        self.schema = schema_py_generated
        self.model = self.schema.ModelT()
        self.model.version = 3
        self.model.buffers = [self.schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = self.schema.SubGraphT()
        self.graph.name = b"main"
        self.graph.tensors = []
        self.graph.operators = []
        self.model.subgraphs = [self.graph]

    def tensor(self, name: str, shape: tuple[int, ...], kind: str = "FLOAT32", value=None) -> int:
        tensor = self.schema.TensorT()
        tensor.name = name.encode()
        tensor.shape = list(shape)
        tensor.type = getattr(self.schema.TensorType, kind)
        tensor.buffer = 0
        if value is not None:
            buffer = self.schema.BufferT()
            buffer.data = list(np.ascontiguousarray(value).tobytes())
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def floats(self, name: str, value: np.ndarray) -> int:
        return self.tensor(name, value.shape, "FLOAT32", value.astype(np.float32))

    def integers(self, name: str, values: list[int]) -> int:
        return self.tensor(name, (len(values),), "INT32", np.array(values, np.int32))

    def add(self, kind: str, inputs: list[int], output: int, options: str | None = None, **settings) -> int:
        code = self.schema.OperatorCodeT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        self.model.operatorCodes.append(code)
        operator = self.schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs = inputs
        operator.outputs = [output]
        if options is not None:
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(self.schema, f"{options}T")()
            for name, value in settings.items():
                setattr(operator.builtinOptions, name, value)
        self.graph.operators.append(operator)
        return output

    def build(self, inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
        import flatbuffers

        self.graph.inputs = list(inputs.values())
        self.graph.outputs = list(outputs.values())
        signature = self.schema.SignatureDefT()
        signature.signatureKey = b"serving_default"
        signature.subgraphIndex = 0
        signature.inputs = [self._named(name, index) for name, index in inputs.items()]
        signature.outputs = [self._named(name, index) for name, index in outputs.items()]
        self.model.signatureDefs = [signature]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _named(self, name: str, index: int):
        mapping = self.schema.TensorMapT()
        mapping.name = name.encode()
        mapping.tensorIndex = index
        return mapping


def double() -> bytes:
    """y = x + x, the probe graph."""
    builder = GraphBuilder()
    builder.model.description = b"double"
    x, y = builder.tensor("x", (2,)), builder.tensor("y", (2,))
    builder.add("ADD", [x, x], y, "AddOptions")
    return builder.build({"x": x}, {"y": y})


def encoder() -> bytes:
    """The tiny encoder for one utterance padded to FRAMES; its inputs are called args_0 and args_1."""
    builder = GraphBuilder()
    log_mel = builder.tensor("log_mel", (1, MEL_BANDS, FRAMES))
    lengths = builder.tensor("lengths", (1,), "INT64")
    summed = builder.add(
        "SUM",
        [log_mel, builder.integers("time", [2])],
        builder.tensor("summed", (1, MEL_BANDS)),
        "ReducerOptions",
        keepDims=False,
    )
    projected = builder.add(
        "FULLY_CONNECTED",
        [summed, builder.floats("projection", tiny.weights()[0].T), -1],
        builder.tensor("projected", (1, tiny.EMBEDDING)),
        "FullyConnectedOptions",
    )
    embedding = builder.add(
        "L2_NORMALIZATION", [projected], builder.tensor("embedding", (1, tiny.EMBEDDING)), "L2NormOptions"
    )
    return builder.build({"args_0": log_mel, "args_1": lengths}, {"output_0": embedding})


def generator() -> bytes:
    """The tiny generator for one picture at a time."""
    builder = GraphBuilder()
    sizes = {"embedding": tiny.EMBEDDING, "latent": tiny.LATENT, "style": len(tiny.STYLES)}
    inputs = {name: builder.tensor(name, (1, size)) for name, size in sizes.items()}
    coarse, size = tiny.COARSE, tiny.SIZE
    joined = builder.add(
        "CONCATENATION",
        list(inputs.values()),
        builder.tensor("joined", (1, sum(sizes.values()))),
        "ConcatenationOptions",
        axis=1,
    )
    flat = builder.add(
        "FULLY_CONNECTED",
        [joined, builder.floats("projection", tiny.weights()[1].T), -1],
        builder.tensor("flat", (1, coarse * coarse * 3)),
        "FullyConnectedOptions",
    )
    small = builder.add(
        "RESHAPE",
        [flat, builder.integers("shape", [1, coarse, coarse, 3])],
        builder.tensor("small", (1, coarse, coarse, 3)),
        "ReshapeOptions",
        newShape=[1, coarse, coarse, 3],
    )
    large = builder.add(
        "RESIZE_NEAREST_NEIGHBOR",
        [small, builder.integers("size", [size, size])],
        builder.tensor("large", (1, size, size, 3)),
        "ResizeNearestNeighborOptions",
    )
    planes = builder.add(
        "TRANSPOSE",
        [large, builder.integers("order", [0, 3, 1, 2])],
        builder.tensor("planes", (1, 3, size, size)),
        "TransposeOptions",
    )
    picture = builder.add("TANH", [planes], builder.tensor("picture", (1, 3, size, size)))
    return builder.build(inputs, {"picture": picture})


if __name__ == "__main__":
    FIXTURES.mkdir(exist_ok=True)
    (FIXTURES / "tiny_encoder.tflite").write_bytes(encoder())
    (FIXTURES / "tiny_generator.tflite").write_bytes(generator())
