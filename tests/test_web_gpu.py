"""The page on WebGPU in Chromium, of which SwiftShader's adapter, a GPU in software, will do; and without WebGPU."""

import json

import numpy as np
import pytest
import tiny_bundle as tiny
from browser import browser, counted, microphone_file, needs_chromium

import edge_s2i

pytest.importorskip("selenium")
pytestmark = [needs_chromium, pytest.mark.slow]

# Debian's Chromium has no WebGPU on Linux without being asked, and on a machine without a GPU only SwiftShader's.
FLAGS = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
)
PATIENCE = 120.0  # seconds: SwiftShader shades every pixel on a CPU, which others may be using
TRIES = 6
COMPUTING = "edgeS2i.events.find(({ type, left }) => type === 'computing' && !left)"
# The page leaves a GPU in software alone, so this tries it by the same modules. Nothing is timed: it is slow.
TRIAL = """
globalThis.answer = null;
globalThis.found = {};
(async () => {
  const page = (name) => import(`/speech/${name}.js`);
  const { findAdapter } = await page('adapter');
  const { tryGraph } = await page('gpu-trial');
  const { GpuGraphs } = await page('gpu-graphs');
  const { openGraphs } = await page('graphs');
  const { encoderExamples, generatorExamples } = await page('examples');
  const { readBundle } = await page('bundle');
  const adapter = await findAdapter(navigator, WebAssembly);
  if (!adapter) return { missing: true };
  const ort = await import('/vendor/ort.wasm.min.mjs');
  ort.env.wasm.numThreads = 1;
  const bundle = await readBundle(async (name) => (await fetch(`/bundle/${name}`)).arrayBuffer());
  const cpu = await openGraphs(ort, bundle, 'wasm');
  const worker = new Worker('/app/gpu-worker.js', { type: 'module' });
  const gpu = new GpuGraphs(worker, bundle, { open: PATIENCE, start: PATIENCE });
  const examples = { generator: generatorExamples(bundle)[0], encoder: encoderExamples()[1] };
  found.adapter = adapter;
  for (const [name, example] of Object.entries(examples)) {
    await gpu.open(name);
    const start = (feeds) => gpu.start(name, feeds);
    const trial = { cpu: cpu[name], start, examples: [example], inTurn: (work) => work() };
    found[name] = await tryGraph(name, { ...trial, measured: false });
  }
  return found;
})().then((result) => { answer = result; }, (error) => { answer = { error: String(error) }; });
""".replace("PATIENCE", f"{1000 * PATIENCE:.0f}")


def psnr(left: np.ndarray, right: np.ndarray) -> float:
    error = np.square(left.astype(np.float64) - right).mean()
    return 99.0 if error == 0 else float(10 * np.log10(255.0**2 / error))


def open_in_browser_mode(visitor, link: str) -> None:
    visitor.open(link)
    visitor.ask("localStorage.setItem('mode', 'browser')")
    visitor.driver.refresh()
    visitor.wait_until_ready("browser")


def speak(visitor, draw) -> float:
    """Says the word until it is understood; how like the picture is to Python's of the same sound, in dB."""
    for _ in range(TRIES):
        event = visitor.hold_to_talk()
        if event["understood"]:  # a machine with too much to do loses sound
            expected = draw((event["samples"], 16_000), seed=event["seed"])
            return psnr(event["pictures"][0], expected.arrays[0])
    raise AssertionError(event["reason"])


def test_a_browser_without_webgpu_asks_for_none_of_its_files(tiny_bundle, tmp_path):
    microphone = microphone_file(tmp_path / "microphone.wav", np.zeros(16_000, np.float32))
    with counted(tiny_bundle) as (link, paths), browser(microphone, tmp_path / "profile") as visitor:
        open_in_browser_mode(visitor, link)
        assert visitor.wait(COMPUTING, "what computes")["onGpu"] == []
        kept = "(async (done) => done((await (await caches.open('edge-s2i')).keys()).map(({ url }) => url)))"
        visitor.wait("navigator.serviceWorker.controller !== null", "the service worker")
        urls = visitor.driver.execute_async_script(f"{kept}(arguments[0])")
        assert any(url.endswith("/vendor/ort-wasm-simd-threaded.wasm") for url in urls)  # everything else is kept
        assert "/vendor/ort-wasm-simd-threaded.wasm" in paths
        assert [path for path in paths if "jspi" in path] == []
        visitor.click("open-about")
        assert "none that a page may compute on" in visitor.text("about-list")
        assert visitor.complaints() == []


def test_the_gpu_draws_what_python_draws_and_the_cpu_does_when_it_is_lost(tiny_bundle, tmp_path):
    draw = edge_s2i.load(tiny_bundle, threads=1)
    microphone = microphone_file(tmp_path / "microphone.wav", tiny.word(2))
    with counted(tiny_bundle) as (link, paths), browser(microphone, tmp_path / "profile", arguments=FLAGS) as visitor:
        open_in_browser_mode(visitor, link)
        found = visitor.wait(COMPUTING, "what computes", PATIENCE)
        if not found.get("verdict"):
            pytest.skip("this Chromium has no WebGPU adapter")
        assert found["onGpu"] == []  # software is left alone, before anything is loaded for it
        assert [path for path in paths if "jspi" in path] == []

        # Someone whose GPU was proved at an earlier start: the page takes it up after one more look.
        kept = json.loads(visitor.ask("localStorage.getItem('gpu')"))
        kept |= {
            "reason": "",
            "generator": {"chosen": True, "likeness": 93.0, "cpu": 9.0, "gpu": 2.0},
            "encoder": {"chosen": False, "likeness": 0.98, "cpu": None, "gpu": None},
        }
        visitor.ask("localStorage.setItem('gpu', arguments[0])", json.dumps(kept))
        visitor.driver.refresh()
        visitor.wait_until_ready("browser")
        found = visitor.wait(COMPUTING, "what computes", PATIENCE)
        assert found["onGpu"] == ["generator"], found["verdict"]["reason"]
        assert sum("jspi" in path for path in paths) >= 3
        likeness = speak(visitor, draw)
        left = visitor.ask("edgeS2i.page.computing.left ?? null")
        assert left is None
        print(f"drawn by the GPU: {likeness:.1f} dB from Python's")
        assert likeness >= 40.0

        visitor.driver.execute_cdp_cmd("Browser.crashGpuProcess", {})
        likeness = speak(visitor, draw)
        left = visitor.wait("edgeS2i.page.computing.left", "the loss")
        print(f"drawn after the GPU was lost ({left}): {likeness:.1f} dB")
        assert likeness >= 40.0
        assert visitor.ask("edgeS2i.page.computing.onGpu") == []
        visitor.click("open-about")
        assert "left for the CPU" in visitor.text("about-list")


def test_swiftshader_draws_the_shipped_pictures_and_hears_something_else(tmp_path):
    microphone = microphone_file(tmp_path / "microphone.wav", np.zeros(16_000, np.float32))
    with counted() as (link, _), browser(microphone, tmp_path / "profile", arguments=FLAGS) as visitor:
        visitor.driver.get(f"{link}icons/icon.svg")  # of the same origin, and does nothing itself
        visitor.driver.execute_script(TRIAL)
        for name in ("generator", "encoder"):
            try:
                visitor.wait(f"globalThis.answer || found.{name}", "a result", PATIENCE)
            except AssertionError:
                pytest.skip(f"SwiftShader did not compute the {name} in {PATIENCE:g} s: others use this machine")
            answer, found = visitor.ask("[globalThis.answer, found]")
            if (answer or {}).get("missing"):
                pytest.skip("this Chromium has no WebGPU adapter")
            assert "error" not in (answer or {}), answer["error"]
            print(name, found[name])
            if name == "generator":
                assert found["adapter"]["software"]
                assert found[name]["likeness"] >= 40.0
            # Should it hear rightly one day, only its time will be against it.
            assert found[name]["chosen"] == ((found[name]["likeness"] or 0.0) >= {"encoder": 0.9999}.get(name, 40.0))
