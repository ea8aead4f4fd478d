"""`python -m benchmarks.path_stages`: the whole path stage by stage, by turns with a DF-GAN-like generator."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from statistics import median
from time import perf_counter

import edge_s2i
from benchmarks.errors import run_command
from benchmarks.machine import describe
from benchmarks.peers.comparison import peers
from benchmarks.sessions import make_session
from benchmarks.speech import utterance
from edge_s2i.audio.constants import SAMPLE_RATE

ROUNDS = 60
REFERENCE, TOTAL, REST = "DF-GAN-like generator alone", "total", "the rest: Python between the stages"


def rounds(count: int) -> list[Mapping[str, float]]:
    """Milliseconds by the clock of each stage, of the whole path and of the reference, `count` times by turns.

    Of one thread, on the default bundle. What a stage finds in the caches is what the one before left there.
    """
    draw = edge_s2i.load(threads=1)
    sound = (utterance(), SAMPLE_RATE)
    reference = next(entry for entry in peers(draw.manifest.image_size) if entry.name.startswith("DF"))
    session, feed = make_session(reference.model), dict(reference.feed)
    found = []
    for _ in range(count + 2):
        start = perf_counter()
        session.run(None, feed)
        taken = (perf_counter() - start) * 1000.0
        draw(sound, draw_anyway=True)  # once for nothing: nobody draws a GAN's picture in between
        found.append({REFERENCE: taken, **draw(sound, draw_anyway=True).timings})
    return found[2:]


def table(found: Sequence[Mapping[str, float]]) -> str:
    """Markdown of each stage: least, median, its median share of the path, and how the reference compares."""
    stages = [name for name in found[0] if name not in (REFERENCE, TOTAL)]
    timed = {name: [item[name] for item in found] for name in (*stages, TOTAL, REFERENCE)}
    timed[REST] = [item[TOTAL] - sum(item[name] for name in stages) for item in found]
    whole = median(timed[TOTAL])
    lines = ["| stage | least, ms | median, ms | of the path |", "|---|---|---|---|"]
    for name in (*stages, REST, TOTAL):
        lines.append(
            f"| {name} | {min(timed[name]):.2f} | {median(timed[name]):.2f} | {median(timed[name]) / whole:.0%} |"
        )
    lines.append(f"| {REFERENCE} | {min(timed[REFERENCE]):.2f} | {median(timed[REFERENCE]):.2f} | |")
    least = min(timed[REFERENCE]) / min(timed[TOTAL])
    middle = median(item[REFERENCE] / item[TOTAL] for item in found)
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
