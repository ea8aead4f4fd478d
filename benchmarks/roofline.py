"""`python -m benchmarks.roofline`: what each graph reaches of what this processor can, layer by layer.

A layer's bound is the longer of its arithmetic at the rate of a matrix product and its bytes at the rate of a copy of
that size; the share reached is the sum of bounds over the sum of times.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import graphs
from benchmarks.ceilings import Ceilings, measure_ceilings
from benchmarks.errors import run_command
from benchmarks.machine import describe
from benchmarks.rewriting import rewritten
from benchmarks.sessions import Feed, Layer, profile_layers

RUNS = 150
WORST = 3


@dataclass(frozen=True)
class Roofline:
    """One graph against its ceilings."""

    name: str
    layers: tuple[Layer, ...]
    ceilings: Ceilings
    useful_macs: int  # of the graph as written: a blocked layout adds channels

    @property
    def milliseconds(self) -> float:
        """Sum of the layers' least times."""
        return sum(layer.least_ms for layer in self.layers)

    @property
    def bound_ms(self) -> float:
        """Sum of the layers' bounds."""
        return sum(self.bound_of(layer) for layer in self.layers)

    @property
    def share(self) -> float:
        """Of what its operators can reach."""
        return self.bound_ms / self.milliseconds

    def bound_of(self, layer: Layer) -> float:
        """Milliseconds that a layer cannot be quicker than."""
        return self.ceilings.bound_ms(layer.macs, layer.bytes)

    def worst(self, count: int = WORST) -> list[Layer]:
        """The layers that lose most to their bounds, most first."""
        return sorted(self.layers, key=lambda layer: self.bound_of(layer) - layer.least_ms)[:count]


def measure(name: str, model: bytes, feed: Feed, ceilings: Ceilings, runs: int = RUNS) -> Roofline:
    """Profiles one graph on one thread."""
    useful = sum(layer.macs for layer in profile_layers(model, feed, 1, optimized=False))
    return Roofline(name, tuple(profile_layers(model, feed, runs)), ceilings, useful)


def show(found: Roofline, *, every_layer: bool) -> str:
    """Markdown of one graph."""
    macs, moved = sum(layer.macs for layer in found.layers), sum(layer.bytes for layer in found.layers)
    time = found.milliseconds
    lines = [
        f"### {found.name}",
        "",
        f"{time:.3f} ms in {len(found.layers)} layers, bound {found.bound_ms:.3f} ms: **{found.share:.0%} of what its "
        f"operators can reach**. {macs / time / 1e6:.1f} GMAC/s ({found.useful_macs / time / 1e6:.1f} without the "
        f"channels that the blocked layout adds, {macs / max(1, found.useful_macs) - 1:.0%}), "
        f"{moved / time / 1e6:.1f} GB/s.",
        "",
        "| | ms | bound | reached | GMAC/s | GB/s | shapes |",
        "|---|---|---|---|---|---|---|",
    ]
    worst = found.worst()
    lines += [_row(f"worst {place}: {layer.operator}", layer, found) for place, layer in enumerate(worst, 1)]
    kinds: dict[str, list[Layer]] = defaultdict(list)
    for layer in found.layers:
        kinds[kind_of(layer)].append(layer)
    for kind, layers in sorted(kinds.items(), key=lambda item: -sum(layer.least_ms for layer in item[1])):
        spent, bound = sum(item.least_ms for item in layers), sum(found.bound_of(item) for item in layers)
        rates = sum(item.macs for item in layers) / spent / 1e6, sum(item.bytes for item in layers) / spent / 1e6
        lines.append(
            f"| all {len(layers)} {kind} | {spent:.3f} | {bound:.3f} | {bound / spent:.0%} | {rates[0]:.1f} "
            f"| {rates[1]:.1f} | |"
        )
    if every_layer:
        lines += [_row(f"{layer.operator} {layer.name}", layer, found) for layer in found.layers]
    return "\n".join(lines) + "\n"


def kind_of(layer: Layer) -> str:
    """The operator, and of a convolution which sort."""
    if not layer.operator.endswith("Conv") or len(layer.inputs) < 2:
        return layer.operator
    kernel = layer.inputs[1]
    if len(kernel) == 4 and kernel[1] == 1 and layer.inputs[0][1] > 1:
        return "depthwise Conv"
    return "1x1 Conv" if kernel[2:] == (1, 1) else "Conv"


def _row(name: str, layer: Layer, found: Roofline) -> str:
    bound = found.bound_of(layer)
    time = max(layer.least_ms, 1e-4)
    shapes = f"{_shape(layer.inputs[0]) if layer.inputs else ''} → {_shape(layer.outputs[0]) if layer.outputs else ''}"
    return (
        f"| {name} | {layer.least_ms:.3f} | {bound:.3f} | {bound / time:.0%} | {layer.macs / time / 1e6:.1f} "
        f"| {layer.bytes / time / 1e6:.1f} | {shapes} |"
    )


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "-"


def main(arguments: list[str] | None = None) -> int:
    """Prints the ceilings, and each graph as shipped and as export can rewrite it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="profiled runs; the least time of each layer counts")
    parser.add_argument("--layers", action="store_true", help="every layer, not the three worst alone")
    given = parser.parse_args(arguments)
    ceilings = measure_ceilings()
    print(f"{describe().label}\n")
    engines = ", ".join(f"{name} {rate:.1f}" for name, rate in ceilings.gemm.items())
    copies = ", ".join(f"{size // 1024} kB {rate:.0f}" for size, rate in ceilings.copies.items())
    print(f"Ceilings on one thread. Matrix product, GMAC/s: {engines}. Copy, GB/s read and written: {copies}.\n")
    feeds = {"encoder": graphs.encoder_feed(), "generator": graphs.bundle_generator_feed()}
    for name, feed in feeds.items():
        for title, model in ((f"{name}, as shipped", graphs.shipped(name)), (f"{name}, rewritten", rewritten(name))):
            print(show(measure(title, model, feed, ceilings, given.runs), every_layer=given.layers))
    return 0


if __name__ == "__main__":
    run_command("benchmarks.roofline", main)
