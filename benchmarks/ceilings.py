"""What this processor can reach: multiply-accumulates of a matrix product, bytes of a copy, on one thread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.sessions import make_session
from benchmarks.timing import Call, interleave

SQUARES = (128, 256, 384, 512)
COPIES = tuple(2**power for power in range(14, 26))  # bytes moved, read and written: 16 kB to 32 MB
_ROUNDS = 25


@dataclass(frozen=True)
class Ceilings:
    """GMAC/s of the fastest matrix product by each engine, and GB/s of a copy by how much it reads and writes."""

    gemm: dict[str, float]  # GMAC/s by engine
    copies: dict[int, float]  # bytes read and written -> GB/s

    @property
    def macs_per_ms(self) -> float:
        """Of the fastest engine."""
        return max(self.gemm.values()) * 1e6

    def bytes_per_ms(self, moved: int) -> float:
        """The fastest copy of so many bytes or the next more: what fits the caches is quicker."""
        size = next((size for size in sorted(self.copies) if size >= moved), max(self.copies))
        return self.copies[size] * 1e6

    def bound_ms(self, macs: int, moved: int) -> float:
        """No operator of so much arithmetic on so many bytes can be quicker (Williams et al. 2009, roofline)."""
        return max(macs / self.macs_per_ms, moved / self.bytes_per_ms(moved))


def measure_ceilings() -> Ceilings:
    """Minima of interleaved runs on one thread; a few seconds."""
    gemm: dict[str, float] = {}
    for size in SQUARES:
        first = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
        calls: dict[str, Call] = {"onnxruntime": _onnx_product(size, first)}
        if torch_call := _torch_product(first):
            calls["torch"] = torch_call
        for name, times in interleave(calls, _ROUNDS).items():
            gemm[name] = max(gemm.get(name, 0.0), size**3 / min(times) / 1e9)
    sources = {size: np.ones(size // 8, np.float32) for size in COPIES}
    targets = {size: np.empty_like(source) for size, source in sources.items()}
    copies = {}
    for size, source in sources.items():
        target = targets[size]
        repeats = max(1, 2**20 // size)  # so that the clock's own cost does not count

        def copy(source: np.ndarray = source, target: np.ndarray = target, repeats: int = repeats) -> None:
            for _ in range(repeats):
                np.copyto(target, source)

        times = interleave({"copy": copy}, _ROUNDS)["copy"]
        copies[size] = size * repeats / min(times) / 1e9
    return Ceilings(gemm, copies)


def _onnx_product(size: int, values: np.ndarray) -> Call:
    """A product with constant weights, which the engine lays out beforehand as it does those of a layer."""
    from onnx import TensorProto, helper, numpy_helper

    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [size, size]) for name in ("x", "y")]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        info[:1],
        info[1:],
        [numpy_helper.from_array(values, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = make_session(model.SerializeToString())
    return lambda: session.run(None, {"x": values})


def _torch_product(values: np.ndarray) -> Call | None:
    try:
        import torch
    except ImportError:
        return None
    tensor = torch.from_numpy(values)
    out = torch.empty_like(tensor)

    def product() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            torch.matmul(tensor, tensor, out=out)
        finally:
            torch.set_num_threads(before)

    return product
