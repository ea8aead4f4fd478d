"""How long graphs take, one beside the other: rounds in turn, the minimum of each, for machines that are never idle."""

from collections.abc import Sequence
from time import perf_counter

from edge_s2i.runtime.backends import Backend, LiteRtBackend, OnnxBackend
from export.artefact import Artefact

_ROUNDS = 15


def measure_latency(artefacts: Sequence[Artefact], rounds: int = _ROUNDS) -> None:
    """Notes each artefact's milliseconds on one thread, on the middle one of its real inputs of batch 1."""
    runs = []
    for item in artefacts:
        onnx = item.engine == "onnx"
        graph: Backend = OnnxBackend(item.content, 1) if onnx else LiteRtBackend(item.content, item.inputs, 1)
        single = [feed for feed in item.reference.feeds if next(iter(feed.values())).shape[0] == 1]
        runs.append((item, graph, single[len(single) // 2]))
    for _ in range(rounds):
        for item, graph, feed in runs:
            start = perf_counter()
            graph.run(feed)
            took = 1000.0 * (perf_counter() - start)
            item.milliseconds = took if item.milliseconds is None else min(item.milliseconds, took)
