"""`python -m benchmarks.estimates`: what devices that are not here may take. Estimates, until someone measures.

Latency is multiply-accumulates over a published throughput, operator class by operator class. Nothing of a device's
memory, heat or drivers is in it: the published figures alone scatter by two. `make bench-device` on the board itself
replaces an estimate with a reading.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import graphs, vela
from benchmarks.errors import AbsentError, BenchmarkError, run_command
from benchmarks.results import Result, all_results
from benchmarks.rewriting import rewritten
from benchmarks.sessions import Feed, Layer, profile_layers

CLASSES = ("convolution", "depthwise", "fully connected")
# Depthwise layers move as much memory for a ninth to a hundredth of the arithmetic; of what a device does per second
# on whole MobileNets they reach about a third (the published figures hold 7% depthwise arithmetic).
DEPTHWISE_SHARE = 1 / 3
SOUND_AND_REST_MACS = 6e6  # log-mel, confidence and picture bytes: about as long as so many multiply-accumulates


@dataclass(frozen=True)
class Device:
    """Published throughput in GMAC/s by precision, and where from. Memory bandwidth bounds fully connected layers."""

    name: str
    gmacs: Mapping[str, float]
    gigabytes: float  # a second, of memory
    uncertainty: float  # a factor either way
    source: str
    overhead_ms: float = 0.0  # of handing one graph to an accelerator
    names: tuple[str, ...] = field(default=())  # how the board calls itself, for finding a reading


_XNNPACK = "XNNPACK's table of MobileNetV2 (0.30 GMAC), all cores"
DEVICES = (
    Device(
        "Raspberry Pi Zero 2 W", {"fp32": 2.7}, 1.5, 2.0, f"{_XNNPACK}, Pi 3+ by clock, 1.0 of 1.4 GHz", 0, ("Zero 2",)
    ),
    Device("Raspberry Pi 3+", {"fp32": 3.8}, 2.0, 2.0, f"{_XNNPACK}, 79 ms", 0, ("Raspberry Pi 3",)),
    Device("Raspberry Pi 4", {"fp32": 6.5, "int8": 17.7}, 4.0, 2.0, _XNNPACK, 0, ("Raspberry Pi 4",)),
    Device("Raspberry Pi 5", {"fp32": 28.0, "int8": 75.0}, 9.0, 2.0, _XNNPACK, 0, ("Raspberry Pi 5",)),
    Device(
        "Jetson Nano (GPU)",
        {"fp32": 91.0, "fp16": 132.0},
        20.0,
        3.0,
        "ResNet-18 by TensorRT; graphs this small fill a GPU badly",
        0.5,
        ("Jetson Nano",),
    ),
    Device(
        "Jetson Orin Nano (GPU)",
        {"int8": 1250.0},
        60.0,
        4.0,
        "YOLOv8n at 640 px (4.35 GMAC) by TensorRT int8, 3.5 ms at full power; graphs this small fill a GPU badly",
        0.5,
        ("Orin Nano",),
    ),
    Device(
        "phone NPU",
        {"int8": 1000.0},
        20.0,
        4.0,
        "0.7 to 1.4 TMAC/s where every operator delegates",
        0.5,
    ),
)


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates by operator class, and bytes of fully connected weights in float32."""

    macs: Mapping[str, int]
    weight_bytes: int


def work_of(model: bytes, feed: Feed) -> Work:
    """Of one graph, as it is written."""
    macs = dict.fromkeys(CLASSES, 0)
    for layer in profile_layers(model, feed, 1, optimized=False):
        if layer.macs:
            macs[class_of(layer)] += layer.macs
    return Work(macs, 4 * macs["fully connected"])  # batch 1: each weight is used once


def class_of(layer: Layer) -> str:
    """Which of CLASSES a layer with arithmetic is of."""
    if not layer.operator.endswith("Conv"):
        return "fully connected"
    alone = len(layer.inputs) > 1 and len(layer.inputs[1]) > 1 and layer.inputs[1][1] == 1
    return "depthwise" if alone and layer.inputs[0][1] > 1 else "convolution"


def estimate_ms(device: Device, precision: str, works: list[Work]) -> float:
    """Estimated milliseconds of all graphs in turn, with the sound's and the picture's handling."""
    rate = device.gmacs[precision] * 1e6  # per ms
    width = {"fp32": 4, "fp16": 2, "int8": 1}[precision]
    total = SOUND_AND_REST_MACS / rate if device.overhead_ms == 0 else 2.0  # an accelerator leaves that to its CPU
    for work in works:
        dense = work.macs["fully connected"] / rate
        memory = work.weight_bytes / 4 * width / (device.gigabytes * 1e6)
        total += work.macs["convolution"] / rate + work.macs["depthwise"] / (rate * DEPTHWISE_SHARE)
        total += max(dense, memory) + device.overhead_ms
    return total


def shipped_work() -> list[Work]:
    """Encoder of 1.5 s and generator, as shipped."""
    return [
        work_of(graphs.shipped("encoder"), graphs.encoder_feed()),
        work_of(graphs.shipped("generator"), graphs.bundle_generator_feed()),
    ]


def table(works: list[Work], results: Mapping[str, Result]) -> str:
    """Markdown: the estimate, its range, and a reading where someone contributed one."""
    total = sum(sum(work.macs.values()) for work in works)
    shares = ", ".join(f"{name} {sum(work.macs[name] for work in works) / 1e6:.1f}" for name in CLASSES)
    lines = [
        f"1.5 s of speech to one picture, {total / 1e6:.0f} MMAC ({shares}). All but the readings are estimates.",
        "",
        "| device | precision | estimate, ms | between | reading, ms | estimated from |",
        "|---|---|---|---|---|---|",
    ]
    for device in DEVICES:
        for precision in device.gmacs:
            value = estimate_ms(device, precision, works)
            low, high = value / device.uncertainty, value * device.uncertainty
            lines.append(
                f"| {device.name} | {precision} | estimate {value:.1f} | {low:.1f} to {high:.1f} "
                f"| {reading_of(device, results)} | {device.source} |"
            )
    lines += ["", "Readings of other machines:", ""]
    for name, result in results.items():
        found = result.find("whole path, warm")
        if found is not None:
            cpu = "" if found.cpu_ms is None else f", {found.cpu_ms:.1f} of processor time"
            lines.append(f"* {name}: {result.machine.cpu}: {found.milliseconds.p50:.1f} ms{cpu} ({result.taken})")
    return "\n".join(lines) + "\n"


def reading_of(device: Device, results: Mapping[str, Result]) -> str:
    """The contributed median of the whole path on that device; "none yet" where nobody has."""
    for result in results.values():
        if any(name in result.machine.cpu for name in device.names):
            found = result.find("whole path, warm")
            if found is not None:
                return f"{found.milliseconds.p50:.1f} ({result.taken})"
    return "none yet"


def bundle_graph(name: str) -> Callable[[], tuple[str, bytes]]:
    """Reads the bundle's int8 .tflite graph of "encoder" or "generator", or the largest part of it."""
    return lambda: graphs.integer_tflite(name)


def tflite_file(path: Path) -> Callable[[], tuple[str, bytes]]:
    """Reads a .tflite file."""

    def read() -> tuple[str, bytes]:
        try:
            return path.name, path.read_bytes()
        except OSError as error:
            raise BenchmarkError(f"{path} cannot be read: {error.strerror or error}") from error

    return read


def vela_table(sources: Mapping[str, Callable[[], tuple[str, bytes]]]) -> str:
    """Markdown of Vela's cycles for Ethos-U by graph; says why where there are none.

    sources: name to what reads a graph: its role and its bytes.
    """
    lines = ["| graph | NPU | cycles, estimate | ms, estimate | on the NPU |", "|---|---|---|---|---|"]
    for name, read in sources.items():
        try:
            role, model = read()
            found = [vela.estimate(model, accelerator) for accelerator in vela.ACCELERATORS]
        except AbsentError as error:
            lines.append(f"| {name} | absent: {error} | | | |")
            continue
        lines += [
            f"| {role} | {item.accelerator} | {item.cycles:,.0f} | {item.milliseconds:.2f} | {item.on_npu} |"
            for item in found
        ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Prints estimates for devices, readings where there are some, and Vela's cycles."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimates", description=main.__doc__)
    parser.add_argument("--tflite", type=Path, nargs="*", default=[], help="int8 graphs for Vela, not the bundle's")
    parser.add_argument("--rewritten", action="store_true", help="of the graphs that export can rewrite")
    given = parser.parse_args(arguments)
    works = shipped_work()
    if given.rewritten:
        works = [
            work_of(rewritten("encoder"), graphs.encoder_feed()),
            work_of(rewritten("generator"), graphs.bundle_generator_feed()),
        ]
    print(table(works, all_results()))
    files = {str(path): tflite_file(path) for path in given.tflite}
    print(vela_table(files or {name: bundle_graph(name) for name in ("encoder", "generator")}))
    return 0


if __name__ == "__main__":
    run_command("benchmarks.estimates", main)
