"""`python -m benchmarks.targets`: each target with what was measured here, and whether it is met."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import edge_s2i
from benchmarks import graphs
from benchmarks.ceilings import measure_ceilings
from benchmarks.errors import run_command
from benchmarks.estimates import DEVICES, estimate_ms, shipped_work
from benchmarks.machine import describe
from benchmarks.peers.comparison import compare, peers
from benchmarks.processes import cold_starts
from benchmarks.rewriting import rewritten
from benchmarks.roofline import measure
from benchmarks.speech import utterance
from benchmarks.timing import interleave
from edge_s2i.audio.constants import SAMPLE_RATE

RECORDING = Path(edge_s2i.__file__).parent / "examples" / "en-dog.ogg"
# Of Cortex-A72 and A76 boards the targets are set for; others are estimated without a target.
PI_TARGETS = {"Raspberry Pi 4": 30.0, "Raspberry Pi 5": 10.0}


@dataclass(frozen=True)
class Target:
    """`least` says whether more is better."""

    name: str
    wanted: float
    measured: float
    unit: str
    least: bool = False
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the measurement is on the right side."""
        return self.measured >= self.wanted if self.least else self.measured <= self.wanted


def all_targets() -> Iterator[Target]:
    """Measures one after another; about two minutes on a quiet machine."""
    draw = edge_s2i.load(threads=1)
    samples = utterance()
    wall = interleave({"path": lambda: draw((samples, SAMPLE_RATE), draw_anyway=True)}, 60)["path"]
    df_gan = next(entry for entry in peers(graphs.measured_bundle().manifest.image_size) if entry.name.startswith("DF"))
    rows, processor = compare([df_gan])
    yield Target("whole path, processor time of one thread", 15.0, processor, "ms")
    yield Target(
        "whole path, by the clock, least of 60", 15.0, min(wall) * 1000, "ms", note=f"median {median(wall) * 1000:.1f}"
    )
    yield Target(
        "times as fast as a DF-GAN-like generator alone",
        10.0,
        rows[0].milliseconds / processor,
        "x",
        least=True,
        note=f"{rows[0].milliseconds:.1f} ms",
    )
    cold = cold_starts(str(RECORDING))
    yield Target("first picture from a cold process", 1000.0, cold.process_ms, "ms", note="median of 7, by the clock")
    yield Target("first picture from a cold process, processor time", 1000.0, cold.cpu_ms or 0.0, "ms")
    yield Target("resident memory", 120.0, cold.peak_rss_mb, "MB", note="peak")
    ceilings = measure_ceilings()
    feed = graphs.bundle_generator_feed()
    for title, model in (("as shipped", graphs.shipped("generator")), ("rewritten", rewritten("generator"))):
        share = measure(title, model, feed, ceilings).share
        yield Target(f"generator, {title}: of what its operators can reach", 0.5, share, "", least=True)
    works = shipped_work()
    for device in DEVICES:
        for precision in device.gmacs:
            if device.name in PI_TARGETS:
                value = estimate_ms(device, precision, works)
                note = f"estimate, right within a factor of {device.uncertainty:g}"
                yield Target(
                    f"estimate for {device.name}, {precision}", PI_TARGETS[device.name], value, "ms", note=note
                )


def main(arguments: list[str] | None = None) -> int:
    """Prints the table; exit code 0 whatever is met."""
    argparse.ArgumentParser(prog="python -m benchmarks.targets", description=main.__doc__).parse_args(arguments)
    print(f"{describe().label}\n")
    print("| target | wanted | here | |\n|---|---|---|---|")
    for target in all_targets():
        sign = "≥" if target.least else "≤"
        verdict = "met" if target.met else "**missed**"
        note = f"; {target.note}" if target.note else ""
        print(
            f"| {target.name} | {sign} {target.wanted:g} {target.unit} | {target.measured:.3g} {target.unit} "
            f"| {verdict}{note} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    run_command("benchmarks.targets", main)
