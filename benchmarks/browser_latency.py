"""How long the encoder and the generator take in headless Chromium, by ONNX Runtime Web on the CPU.

    python -m benchmarks.browser_latency          # wants Debian's chromium and chromium-driver, and the dev extra

Opens the page that `edge-s2i web` serves and times the graphs inside it, beside everything that a page does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from edge_s2i.errors import EdgeS2IError, RequestError

_WARM_UP = 20  # rounds, in which Chromium compiles

# 1.5 s of speech: 147 frames of 10 ms.
_SCRIPT = """
const [threads, rounds, frames, done] = arguments;
const open = async () => {
  const ort = await import('/vendor/ort.wasm.min.mjs');
  const { readBundle } = await import('/speech/bundle.js');
  const { openGraphs } = await import('/speech/graphs.js');
  const { drawLatents } = await import('/speech/latents.js');
  ort.env.wasm.numThreads = threads;
  const start = performance.now();
  const bundle = await readBundle(async (name) => (await fetch(`/bundle/${name}`)).arrayBuffer());
  const { encoder, generator } = await openGraphs(ort, bundle, 'wasm');
  const load = performance.now() - start;
  const { manifest } = bundle;
  const values = drawLatents(1, 64, frames);
  const style = Float32Array.from(manifest.styles, (_, index) => Number(index === 0));
  const run = async () => {
    const begin = performance.now();
    const embedding = await encoder({ log_mel: values.slice(), bands: 64, frames });
    const middle = performance.now();
    await generator({ embedding, latent: drawLatents(0, 1, manifest.latent_dim), style, rows: 1 });
    return [middle - begin, performance.now() - middle];
  };
  return { load, run };
};
(async () => {
  globalThis.opened ??= await open();
  const times = [];
  for (let round = 0; round < rounds; round += 1) times.push(await opened.run());
  return { load: opened.load, times };
})().then((result) => done(JSON.stringify(result)), (error) => done(JSON.stringify({ error: String(error) })));
"""


@dataclass(frozen=True)
class Latency:
    """What was measured with one number of threads; milliseconds."""

    encoder: tuple[float, ...]  # of each round
    generator: tuple[float, ...]
    processor: float  # time on processors that one round took, all threads; less than the clock's on a busy machine
    load: float  # reading, checking and opening the bundle and the runtime


def measure(threads: int, rounds: int, frames: int = 147) -> Latency:
    """Times both graphs in a page; RequestError where Chromium is missing or the page cannot draw."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        raise RequestError("chromium and chromedriver are needed (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    command = [sys.executable, "-m", "edge_s2i.cli.main", "web", "--port", "0", "--threads", "1"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    try:
        assert server.stdout is not None
        link = server.stdout.readline().split()[-1]
        service = Service(chromedriver)
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.set_script_timeout(300)
            driver.get(f"{link}icons/icon.svg")  # of the same origin, and does nothing itself
            _run(driver, threads, _WARM_UP, frames)
            before = _processor_seconds(service.process.pid)
            result = _run(driver, threads, rounds, frames)
            processor = (_processor_seconds(service.process.pid) - before) * 1000 / rounds
        finally:
            driver.quit()
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
    encoder, generator = zip(*result["times"], strict=True)
    return Latency(encoder, generator, processor, result["load"])


def _run(driver: Any, threads: int, rounds: int, frames: int) -> dict[str, Any]:
    result = json.loads(driver.execute_async_script(_SCRIPT, threads, rounds, frames))
    if "error" in result:
        raise RequestError(f"the page could not draw: {result['error']}")
    return result


def _processor_seconds(ancestor: int) -> float:
    """What the processes below one have used of processors, by Linux's /proc."""
    parents, used = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents[int(folder.name)] = int(fields[1])
        used[int(folder.name)] = int(fields[11]) + int(fields[12])
    family = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(used.get(pid, 0) for pid in family) / os.sysconf("SC_CLK_TCK")


def main(arguments: list[str] | None = None) -> int:
    """Prints minima, medians and processor time in ms."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser_latency", description="Latency in Chromium.")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="of WebAssembly")
    parser.add_argument("--rounds", type=int, default=60)
    chosen = parser.parse_args(arguments)
    try:
        for threads in chosen.threads:
            latency = measure(threads, chosen.rounds)
            both = [sum(pair) for pair in zip(latency.encoder, latency.generator, strict=True)]
            parts = {"encoder": latency.encoder, "generator": latency.generator, "both": both}
            shown = ", ".join(f"{name} {min(times):.0f} / {median(times):.0f}" for name, times in parts.items())
            print(
                f"{threads} thread{'s' if threads > 1 else ''}, 1.5 s of speech, ms, minimum / median of {len(both)}: "
                f"{shown}; of processors {latency.processor:.0f} a round; load {latency.load:.0f}"
            )
    except EdgeS2IError as error:
        print(f"edge-s2i: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
