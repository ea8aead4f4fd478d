"""`python -m benchmarks.rewriting`: what each rewriting of a graph gains, step by step, at equal outputs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import cache
from statistics import median

import numpy as np

from benchmarks import graphs
from benchmarks.errors import BenchmarkError, run_command
from benchmarks.machine import describe
from benchmarks.sessions import Feed, make_session, profile_layers
from benchmarks.timing import CPU_CLOCK, interleave

ROUNDS, REPEATS = 60, 3
TOLERANCE = 1e-4  # largest absolute difference that a step may make

# Session options that are said to help; each on the last step's graph.
OPTIONS = {
    "option: denormals as zero": {"session.set_denormal_as_zero": "1"},
    "option: no spinning": {"session.intra_op.allow_spinning": "0"},
}


def steps_of(name: str) -> dict[str, bytes]:
    """Graph after each step, cumulative, in the order that they are taken: of the shipped network's shape, with random
    weights, because what ships is rewritten already."""
    import onnx

    plain = graphs.as_torch_exports(name)
    model = onnx.load_from_string(plain)
    found = {"as torch exports it": plain}
    for title, step in _steps(name).items():
        model = step(model)
        found[title] = model.SerializeToString()
    return found


def _steps(name: str) -> dict:
    from export.faster_encoder import ENCODER_STEPS
    from export.faster_generator import GENERATOR_STEPS
    from export.whole_utterance import whole_utterances

    return {"one utterance, no masks": whole_utterances, **ENCODER_STEPS} if name == "encoder" else GENERATOR_STEPS


@cache
def rewritten(name: str) -> bytes:
    """The shipped graph after all steps, its weights in float32; the same where it was exported with them."""
    for package in ("onnx", "torch"):
        graphs.require(package)
    import onnx

    from export.graph_editing import fold_weights

    model = fold_weights(onnx.load_from_string(graphs.shipped(name)))
    for step in _steps(name).values():
        model = step(model)
    return model.SerializeToString()


def differences(steps: Mapping[str, bytes], feeds: list[Feed]) -> dict[str, float]:
    """Largest absolute difference of each step's output from the first graph's; BenchmarkError above TOLERANCE."""
    outputs = {
        title: [make_session(model).run(None, dict(feed))[0] for feed in feeds] for title, model in steps.items()
    }
    first = next(iter(outputs.values()))
    found = {}
    for title, values in outputs.items():
        found[title] = max(float(np.abs(value - wanted).max()) for value, wanted in zip(values, first, strict=True))
        if not found[title] <= TOLERANCE:
            raise BenchmarkError(f"{title} changes an output by {found[title]:.1e}; at most {TOLERANCE:.0e} passes")
    return found


def table(name: str, rounds: int = ROUNDS) -> str:
    """Markdown of one graph's steps: processor time, interleaved, on one thread."""
    steps = steps_of(name)
    encoder = name == "encoder"
    feeds: list[Feed] = [graphs.encoder_feed(frames) for frames in (40, 97, 150, 301)] if encoder else []
    feeds += [] if encoder else [graphs.bundle_generator_feed(batch) for batch in (1, 5)]
    changed = differences(steps, feeds)
    feed = dict(graphs.encoder_feed() if encoder else graphs.bundle_generator_feed())
    last = list(steps.values())[-1]
    sessions = {title: make_session(model) for title, model in steps.items()}
    sessions |= {title: make_session(last, **entries) for title, entries in OPTIONS.items()}  # type: ignore[arg-type]
    calls = {title: (lambda session=session: session.run(None, feed)) for title, session in sessions.items()}
    times = interleave(calls, rounds, REPEATS, CPU_CLOCK)
    least = {title: min(values) * 1000.0 for title, values in times.items()}
    middle = {title: median(values) * 1000.0 for title, values in times.items()}
    lines = [
        f"### {name}: processor time on one thread, {rounds} interleaved rounds",
        "",
        "| step, on top of those above | MMAC | least ms | median ms | median to first | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    for title, value in least.items():
        macs = ""
        if title in steps:
            macs = f"{sum(layer.macs for layer in profile_layers(steps[title], feed, 1, optimized=False)) / 1e6:.1f}"
        lines.append(
            f"| {title} | {macs} | {value:.3f} | {middle[title]:.3f} "
            f"| {middle[title] / middle['as torch exports it']:.2f} | {_difference(changed.get(title))} |"
        )
    return "\n".join(lines) + "\n"


def _difference(value: float | None) -> str:
    return "" if value is None else f"{value:.0e}" if value else "0"


def main(arguments: list[str] | None = None) -> int:
    """Prints both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rewriting", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args(arguments)
    print(f"{describe().label}\n")
    for name in ("encoder", "generator"):
        print(table(name, given.rounds))
    return 0


if __name__ == "__main__":
    run_command("benchmarks.rewriting", main)
