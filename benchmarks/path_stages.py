"""`python -m benchmarks.path_stages`: the whole path stage by stage, by turns with a DF-GAN-like generator."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from statistics import median

import edge_s2i
from benchmarks.errors import run_command
from benchmarks.machine import describe
from benchmarks.peers.comparison import peers
from benchmarks.sessions import make_session
from benchmarks.speech import utterance
from benchmarks.timing import CPU_CLOCK, timed
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.runtime.drawing import Drawing

ROUNDS = 60
REFERENCE, WHOLE = "DF-GAN-like generator alone, processor time", "whole path, processor time"
TOTAL, REST = "total", "the rest: Python between the stages"


def rounds(count: int) -> list[Mapping[str, float]]:
    """Milliseconds of each stage by the clock, of the whole path and the reference in processor time, by turns.

    Of one thread, on the default bundle. What a stage finds in the caches is what the one before left there.
    """
    draw = edge_s2i.load(threads=1)
    sound = (utterance(), SAMPLE_RATE)
    reference = next(entry for entry in peers(draw.manifest.image_size) if entry.name.startswith("DF"))
    session, feed = make_session(reference.model), dict(reference.feed)
    found: list[Mapping[str, float]] = []
    for _ in range(count + 2):
        taken = {REFERENCE: timed(lambda: session.run(None, feed), CPU_CLOCK) * 1000.0}
        draw(sound, draw_anyway=True)  # once for nothing: nobody draws a GAN's picture in between
        drawings: list[Drawing] = []
        taken[WHOLE] = timed(lambda: drawings.append(draw(sound, draw_anyway=True)), CPU_CLOCK) * 1000.0  # noqa: B023
        found.append({**taken, **drawings[0].timings})
    return found[2:]


def table(found: Sequence[Mapping[str, float]]) -> str:
    """Markdown of each stage: least, median, its share of the sum of the least, and how the reference compares."""
    stages = [name for name in found[0] if name not in (REFERENCE, WHOLE, TOTAL)]
    timed_ms = {name: [item[name] for item in found] for name in (*stages, WHOLE, REFERENCE)}
    timed_ms[REST] = [item[TOTAL] - sum(item[name] for name in stages) for item in found]
    parts = (*stages, REST)
    whole = sum(min(timed_ms[name]) for name in parts)
    lines = ["| stage | least, ms | median, ms | of the path |", "|---|---|---|---|"]
    for name in (*parts, WHOLE, REFERENCE):
        share = f"{min(timed_ms[name]) / whole:.0%}" if name in parts else ""
        lines.append(f"| {name} | {min(timed_ms[name]):.2f} | {median(timed_ms[name]):.2f} | {share} |")
    least = min(timed_ms[REFERENCE]) / min(timed_ms[WHOLE])
    middle = median(item[REFERENCE] / item[WHOLE] for item in found)
    lines += ["", f"{least:.1f} times as fast as it, least by least; {middle:.1f}, median of neighbours."]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Prints the table for the bundle that EDGE_S2I_BUNDLE names, else the one that ships."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.path_stages", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is timed")
    given = parser.parse_args(arguments)
    print(f"{describe().label}\n")
    print(table(rounds(max(1, given.rounds))))
    return 0


if __name__ == "__main__":
    run_command("benchmarks.path_stages", main)
