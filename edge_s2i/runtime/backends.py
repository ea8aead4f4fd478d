"""Inference engines behind one two-method interface: what a graph wants, and running it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from edge_s2i.errors import BackendError

Shape = tuple[int | None, ...]  # None where any size is accepted


class Backend(Protocol):
    """One graph, loaded and ready."""

    def inputs(self) -> dict[str, Shape]:
        """Shape of each input by name, None where the graph takes any size."""
        ...

    def run(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Runs the graph on arrays by name and returns its first output; other names are ignored."""
        ...


class OnnxBackend:
    """An ONNX graph on ONNX Runtime's CPU provider."""

    name = "onnx"

    def __init__(self, model: bytes, threads: int | None = None) -> None:
        """model: the bytes of an .onnx file; threads: CPU threads, None for the engine's choice."""
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only: hints about thread affinity in containers are no use to a reader
        options.inter_op_num_threads = 1
        if threads is not None:
            options.intra_op_num_threads = _checked(threads)
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            raise BackendError(f"ONNX Runtime cannot load the graph: {_first_line(error)}") from error
        self.outputs = tuple(item.name for item in self._session.get_outputs())
        # Of a graph with several outputs nothing is computed that the one asked for does not need.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.only_execute_path_to_fetches = True
        self._types = {item.name: _ONNX_TYPES.get(item.type) for item in self._session.get_inputs()}

    def inputs(self) -> dict[str, Shape]:
        """Shape of each input by name, None where the graph takes any size."""
        return {
            item.name: tuple(size if isinstance(size, int) else None for size in item.shape)
            for item in self._session.get_inputs()
        }

    def run(self, inputs: Mapping[str, np.ndarray], output: str | None = None) -> np.ndarray:
        """Runs the graph on arrays by name, others are ignored, and returns one of `outputs`, the first if None."""
        feed = {name: np.ascontiguousarray(_required(inputs, name), dtype=kind) for name, kind in self._types.items()}
        try:
            return self._session.run([output or self.outputs[0]], feed, self._run_options)[0]
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            raise BackendError(f"ONNX Runtime cannot run the graph: {_first_line(error)}") from error


class LiteRtBackend:
    """A .tflite graph on LiteRT, or on tflite-runtime, its predecessor."""

    name = "litert"

    def __init__(self, model: bytes, names: Sequence[str], threads: int | None = None) -> None:
        """model: the bytes of a .tflite file; names: what its inputs are called, in order.

        Converters that know no names call the inputs args_0, args_1, ...: these are taken in the order of
        `names`.
        threads: CPU threads, None for the engine's choice.
        """
        interpreter_class = import_litert()
        try:
            self._interpreter = interpreter_class(
                model_content=model, num_threads=None if threads is None else _checked(threads)
            )
            signatures = self._interpreter.get_signature_list()
            if len(signatures) != 1:
                raise BackendError(f"the .tflite graph has {len(signatures)} signatures; export it with one")
            self._runner = self._interpreter.get_signature_runner(next(iter(signatures)))
            self._details = self._runner.get_input_details()
            self._output = next(iter(self._runner.get_output_details().items()))
        except (ValueError, RuntimeError, TypeError, AttributeError) as error:
            # tflite-runtime 2.14 imports beside NumPy 2 and fails only here.
            raise BackendError(f"LiteRT cannot load the graph: {_first_line(error)}") from error
        self._graph_names = _match_names(list(self._details), list(names))

    def inputs(self) -> dict[str, Shape]:
        """Shape of each input by name, None where the graph takes any size."""
        shapes: dict[str, Shape] = {}
        for name, graph_name in self._graph_names.items():
            detail = self._details[graph_name]
            signature = detail.get("shape_signature")
            sizes = detail["shape"] if signature is None or len(signature) == 0 else signature
            shapes[name] = tuple(int(size) if size >= 0 else None for size in sizes)
        return shapes

    def run(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Runs the graph on arrays by name and returns its first output; other names are ignored."""
        feed = {
            graph_name: _quantized(_required(inputs, name), self._details[graph_name])
            for name, graph_name in self._graph_names.items()
        }
        try:
            output = self._runner(**feed)[self._output[0]]
        except (ValueError, RuntimeError) as error:
            raise BackendError(f"LiteRT cannot run the graph: {_first_line(error)}") from error
        return _dequantized(output, self._output[1])


def import_onnxruntime() -> Any:
    """The onnxruntime module; BackendError says what to do where it is absent or does not load."""
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(
            f"onnxruntime cannot be imported ({_first_line(error)}); pip install onnxruntime, "
            "or use a bundle with .tflite graphs and pip install ai-edge-litert"
        ) from error
    return onnxruntime


def import_litert() -> Any:
    """The Interpreter class of LiteRT, else of tflite-runtime; BackendError says what to install."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as litert_error:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError:
            raise BackendError(
                f"neither ai_edge_litert nor tflite_runtime can be imported ({_first_line(litert_error)}); "
                "pip install ai-edge-litert"
            ) from litert_error
    return Interpreter


_ONNX_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


def _required(inputs: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in inputs:
        raise BackendError(f"the graph wants an input {name!r}; this version gives {sorted(inputs)}")
    return inputs[name]


def _match_names(graph_names: list[str], names: list[str]) -> dict[str, str]:
    if all(name in names for name in graph_names):
        return {name: name for name in graph_names}
    numbered = [(re.fullmatch(r"args_(\d+)", name), name) for name in graph_names]
    if all(match for match, _ in numbered):
        places = {int(match.group(1)): name for match, name in numbered if match}
        if max(places) < len(names):
            return {names[place]: name for place, name in sorted(places.items())}
    raise BackendError(f"the .tflite graph has inputs {graph_names}; it needs {names}, or args_0, args_1, ...")


def _quantized(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    kind = np.dtype(detail["dtype"])
    scale, zero_point = detail["quantization"]
    if kind.itemsize == 1 and scale > 0:
        limits = np.iinfo(kind)
        return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(kind)
    return np.ascontiguousarray(values, dtype=kind)


def _dequantized(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    scale, zero_point = detail["quantization"]
    if values.dtype.itemsize == 1 and scale > 0:
        return (values.astype(np.float32) - zero_point) * np.float32(scale)
    return values


def _checked(threads: int) -> int:
    if threads < 1:
        raise BackendError(f"threads is {threads}; give 1 or more, or leave it out")
    return threads


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
