"""How long the encoder and the generator take in headless Chromium, by ONNX Runtime Web on the CPU.

    python -m benchmarks.browser_latency          # wants Debian's chromium and chromium-driver, and the dev extra

Opens the page that `edge-s2i web` serves and times the graphs inside it, beside everything that a page does.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
from typing import Any

from edge_s2i.errors import EdgeS2IError, RequestError

# 1.5 s of speech: 147 frames of 10 ms.
_SCRIPT = """
const [threads, rounds, frames, done] = arguments;
(async () => {
  const ort = await import('/vendor/ort.wasm.min.mjs');
  const { readBundle } = await import('/speech/bundle.js');
  const { openGraphs } = await import('/speech/graphs.js');
  const { drawLatents } = await import('/speech/latents.js');
  ort.env.wasm.numThreads = threads;
  const start = performance.now();
  const bundle = await readBundle(async (name) => (await fetch(`/bundle/${name}`)).arrayBuffer());
  const { runEncoder, runGenerator } = await openGraphs(ort, bundle, 'wasm');
  const load = performance.now() - start;
  const { manifest } = bundle;
  const values = drawLatents(1, 64, frames);
  const style = Float32Array.from(manifest.styles, (_, index) => Number(index === 0));
  const encoder = [];
  const generator = [];
  for (let round = 0; round < rounds; round += 1) {
    const begin = performance.now();
    const embedding = await runEncoder({ log_mel: values, bands: 64, frames });
    const middle = performance.now();
    await runGenerator({ embedding, latent: drawLatents(0, 1, manifest.latent_dim), style, rows: 1 });
    encoder.push(middle - begin);
    generator.push(performance.now() - middle);
  }
  return { load, encoder, generator, isolated: crossOriginIsolated, agent: navigator.userAgent };
})().then((result) => done(JSON.stringify(result)), (error) => done(JSON.stringify({ error: String(error) })));
"""


def measure(threads: int, rounds: int, frames: int = 147) -> dict[str, Any]:
    """Times in ms of each round, as {"load", "encoder", "generator", ...}; RequestError where Chromium is missing."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        raise RequestError("chromium and chromedriver are needed (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    command = [sys.executable, "-m", "edge_s2i.cli.main", "web", "--port", "0", "--threads", "1"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    try:
        assert server.stdout is not None
        link = server.stdout.readline().split()[-1]
        driver = webdriver.Chrome(options=options, service=Service(programs[1]))
        try:
            driver.set_script_timeout(300)
            driver.get(f"{link}icons/icon.svg")  # of the same origin, and does nothing itself
            result = json.loads(driver.execute_async_script(_SCRIPT, threads, rounds, frames))
        finally:
            driver.quit()
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
    if "error" in result:
        raise RequestError(f"the page could not draw: {result['error']}")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Prints minima and medians in ms."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser_latency", description="Latency in Chromium.")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="of WebAssembly")
    parser.add_argument("--rounds", type=int, default=60)
    chosen = parser.parse_args(arguments)
    try:
        for threads in chosen.threads:
            result = measure(threads, chosen.rounds)
            encoder, generator = sorted(result["encoder"]), sorted(result["generator"])
            both = sorted(map(sum, zip(result["encoder"], result["generator"], strict=True)))
            middle = len(both) // 2
            print(
                f"{threads} thread{'s' if threads > 1 else ''}, 1.5 s of speech, ms, minimum / median of {len(both)}: "
                f"encoder {encoder[0]:.0f} / {encoder[middle]:.0f}, "
                f"generator {generator[0]:.0f} / {generator[middle]:.0f}, "
                f"both {both[0]:.0f} / {both[middle]:.0f}; load {result['load']:.0f}"
            )
    except EdgeS2IError as error:
        print(f"edge-s2i: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
