"""What the page's graphs draw on WebGPU, against WebAssembly, where Chromium has an adapter: SwiftShader's will do."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from browser import browser, microphone_file, needs_chromium, served

from edge_s2i.web import vendored

pytest.importorskip("selenium")
pytestmark = [needs_chromium, pytest.mark.slow]

# Debian's Chromium has no WebGPU on Linux without being asked, and on a machine without a GPU only SwiftShader's.
FLAGS = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
)
PATIENCE = 300.0  # seconds: SwiftShader translates every shader for the CPU before it runs
SCRIPT = """
globalThis.answer = null;
(async () => {
  if (!('Suspending' in WebAssembly)) return { missing: 'stack switching' };
  if (!(await navigator.gpu?.requestAdapter())) return { missing: 'a WebGPU adapter' };
  const ort = await import('/vendor/ort.jspi.min.mjs');
  const { readBundle } = await import('/speech/bundle.js');
  const { openGraphs } = await import('/speech/graphs.js');
  const { SpeechToPicture } = await import('/speech/speech-to-picture.js');
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  const bundle = await readBundle(async (name) => (await fetch(`/bundle/${name}`)).arrayBuffer());
  const samples = Float32Array.from({ length: 16000 }, (_, index) =>
    Math.sin(index / 9 + Math.sin(index / 2000)) * Math.sin(index / 900) ** 2);
  const results = [];
  for (const provider of ['wasm', 'webgpu']) {
    const graphs = await openGraphs(ort, bundle, provider);
    const draw = new SpeechToPicture(bundle, graphs.runEncoder, graphs.runGenerator);
    const { embedding } = await draw.hear(samples);
    const { columns, values } = bundle.prototypes;
    const { pictures } = await draw.paint(results[0]?.embedding ?? embedding, { n: 1, seed: 3 });
    const known = await draw.paint(values.slice(0, columns), { n: 1, seed: 3 });
    results.push({ embedding, pictures: [pictures[0], known.pictures[0]] });
    await graphs.release();
  }
  return results.map(({ embedding, pictures }) => ({
    embedding: Array.from(embedding), pictures: pictures.map((picture) => Array.from(picture)),
  }));
})().then((result) => { answer = JSON.stringify(result); }, (error) => { answer = `{"error": "${error}"}`; });
"""


@pytest.mark.skipif(
    any(item.optional and not (vendored.VENDOR_FOLDER / item.stored).exists() for item in vendored.read_lock().files),
    reason="the runtime with WebGPU is not here (python -m edge_s2i.web.vendored --fetch --webgpu)",
)
def test_pictures_of_the_gpu_are_those_of_webassembly(tmp_path: Path):
    microphone = microphone_file(tmp_path / "microphone.wav", np.zeros(16_000, np.float32))
    with served() as (link, _), browser(microphone, tmp_path / "profile", arguments=FLAGS) as visitor:
        visitor.driver.get(f"{link}icons/icon.svg")  # of the same origin, and does nothing itself
        visitor.driver.execute_script(SCRIPT)
        end = time.monotonic() + PATIENCE
        while (text := visitor.driver.execute_script("return globalThis.answer")) is None:
            assert time.monotonic() < end, f"no pictures in {PATIENCE:g} s"
            time.sleep(1.0)
        answer = json.loads(text)
    if isinstance(answer, dict):
        assert "error" not in answer, answer["error"]
        pytest.skip(f"this Chromium has not {answer['missing']}")
    cpu, gpu = answer
    cosine = float(np.dot(cpu["embedding"], gpu["embedding"]))
    likenesses = []
    for left, right in zip(cpu["pictures"], gpu["pictures"], strict=True):
        assert np.std(left) > 10  # something was drawn
        error = np.square(np.subtract(left, right, dtype=np.float64)).mean()
        likenesses.append(99.0 if error == 0 else float(10 * np.log10(255**2 / error)))
    print(f"embeddings {cosine:.5f}, pictures {likenesses} dB")
    assert cosine > 0.999
    assert min(likenesses) >= 40.0
