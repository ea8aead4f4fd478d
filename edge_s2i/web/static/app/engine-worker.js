// Hears and draws in this browser, beside the page's own thread. Messages in and out are those of `local-engine.js`.

import { findAdapter } from '../speech/adapter.js';
import { readBundle } from '../speech/bundle.js';
import { Computing } from '../speech/computing.js';
import { encoderExamples, generatorExamples } from '../speech/examples.js';
import { chooseGpu } from '../speech/gpu-choice.js';
import { GpuGraphs } from '../speech/gpu-graphs.js';
import { openGraphs, threadCount } from '../speech/graphs.js';
import { SpeechSession } from '../speech/session.js';
import { SpeechToPicture } from '../speech/speech-to-picture.js';
import { SileroDetector } from '../speech/voice-activity.js';
import { keepOffline } from './offline.js';

const WARM_UP_SECONDS = 1.5;

let draw = null;
let session = null;
let latest = null; // { utterance, embedding } of the last final picture that was understood
let chosen = {}; // settings that came while the bundle was loaded
let keepSamples = false;
let openDetector = async () => null; // the voice detector's network, loaded when a voice is first to be noticed

async function loadDetector(ort, url) {
  return SileroDetector.open(ort, new Uint8Array(await fetched(url)));
}

/** `make`, which is asked once. */
function once(make) {
  let made = null;
  return () => (made ??= make());
}

/** Settings for what is said from now on. Before it listens by itself, the session gets the better detector. */
async function choose({ settings }) {
  chosen = { ...chosen, ...settings };
  if (!session) return;
  if (chosen.handsFree && session.detector.name !== 'silero') {
    try {
      const detector = await openDetector();
      if (detector) session.listenWith(detector);
    } catch (error) {
      console.warn(`a voice is told by its loudness alone: ${error}`);
    }
  }
  session.settings = { ...session.settings, ...chosen };
  await session.hearing;
  if (chosen.handsFree) self.postMessage({ type: 'listening', detector: session.detector.name });
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} cannot be loaded (${response.status})`);
  return response.arrayBuffer();
}

async function open({ settings, gpu, detector, debug }) {
  keepSamples = debug;
  const report = (done, total) => self.postMessage({ type: 'progress', done, total });
  const bundle = await readBundle((name) => fetched(new URL(`../bundle/${name}`, import.meta.url)), report);
  const ort = await import('../vendor/ort.wasm.min.mjs');
  const threads = threadCount(globalThis.crossOriginIsolated, navigator.hardwareConcurrency);
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  const cpu = await openGraphs(ort, bundle, 'wasm');
  const computing = new Computing(cpu, (reason) => tellComputing(computing, { threads, left: reason }));
  draw = new SpeechToPicture(bundle, computing);
  await warmUp();
  if (detector) openDetector = once(async () => loadDetector(ort, detector));
  const wanted = { ...settings, ...chosen };
  session = new SpeechSession(draw, emit, { ...wanted, handsFree: false });
  await choose({ settings: wanted });
  const { styles, default_style: usual, image_size: size } = bundle.manifest;
  self.postMessage({ type: 'ready', styles, usual, size });
  await drawStyles(null, exampleEmbedding(bundle));
  await findGpu(computing, { bundle, cpu, threads, gpu });
}

/** Takes a GPU where there is one that is right and fast; meanwhile the CPU hears and draws. */
async function findGpu(computing, { bundle, cpu, threads, gpu }) {
  const adapter = gpu.files.length > 0 ? await findAdapter(navigator, WebAssembly) : null;
  let verdict = null;
  if (adapter) {
    const { gpu: graphs, ...found } = await chooseGpu({
      adapter,
      about: `${gpu.version} | ${navigator.userAgent}`,
      kept: gpu.verdict,
      load: () => keepOffline(gpu.files),
      open: () => new GpuGraphs(new Worker(new URL('./gpu-worker.js', import.meta.url), { type: 'module' }), bundle),
      cpu,
      examples: { generator: generatorExamples(bundle), encoder: encoderExamples() },
      inTurn,
      clock: performance,
      now: Date.now(),
    });
    verdict = found.verdict;
    if (graphs) computing.take(graphs, Object.keys(cpu).filter((name) => verdict[name].chosen));
  }
  tellComputing(computing, { threads, verdict });
}

/** Which graphs the GPU computes, and why: `verdict` is that of chooseGpu, `left` why a GPU that computed is left. */
function tellComputing({ names }, about) {
  self.postMessage({ type: 'computing', onGpu: names, ...about });
}

/** Runs something while no picture is drawn for anybody. */
function inTurn(work) {
  return new Promise((resolve, reject) => {
    session.then(() => work().then(resolve, reject));
  });
}

// The first runs of a graph allocate and compile; nobody should wait for them after having spoken.
async function warmUp() {
  const samples = Float32Array.from({ length: 16000 * WARM_UP_SECONDS }, (_, index) =>
    Math.sin(index / 9) * Math.sin(index / 900) ** 2);
  for (let round = 0; round < 3; round += 1) {
    const { embedding } = await draw.hear(samples);
    if (embedding) await draw.paint(embedding);
  }
}

function exampleEmbedding({ manifest, prototypes }) {
  if (prototypes.rows === 0) return null;
  const example = ['butterfly', 'dog', 'apple'].find((concept) => manifest.concepts.includes(concept));
  const row = Math.max(0, manifest.concepts.indexOf(example));
  return prototypes.values.slice(row * prototypes.columns, (row + 1) * prototypes.columns);
}

function emit(event) {
  const { embedding, samples, concept, ...rest } = event;
  if (event.type === 'final') {
    rest.name = concept === null ? '' : (draw.manifest.captions[concept] ?? concept.replaceAll('-', ' '));
    if (keepSamples) rest.samples = samples;
    if (event.understood) {
      latest = { utterance: event.utterance, embedding };
      session.then(() => drawStyles(event.utterance, embedding));
    }
  }
  self.postMessage(rest);
}

/** The same utterance in every style, one small picture each, for the style chooser. */
async function drawStyles(utterance, embedding) {
  if (!embedding) return;
  for (const style of draw.manifest.styles) {
    if (utterance !== null && latest?.utterance !== utterance) return; // something newer was said
    const { size, pictures } = await draw.paint(embedding, { n: 1, seed: session.settings.seed, style });
    self.postMessage({ type: 'style', utterance, style, size, picture: pictures[0] });
  }
}

/** The last utterance once more, with another seed or style. */
async function redraw({ seed, style }) {
  if (!latest) return;
  const { utterance, embedding } = latest;
  const { readings } = session.settings;
  for (let first = 0; first < readings; first += 1) {
    if (latest.utterance !== utterance) return;
    const { size, pictures } = await draw.paint(embedding, { n: 1, first, seed, style });
    self.postMessage({ type: 'reading', utterance, index: first, seed, style, size, picture: pictures[0] });
  }
}

const actions = {
  open,
  feed: ({ samples }) => session?.feed(Float32Array.from(samples, (sample) => sample / 32768)),
  press: () => session?.press(),
  release: () => session?.release(),
  finish: () => session?.finish(),
  choose,
  redraw: ({ how }) => session?.then(() => redraw(how)),
};

self.onmessage = async ({ data }) => {
  try {
    await actions[data.type](data);
  } catch (error) {
    self.postMessage({ type: 'failed', reason: String(error?.message ?? error) });
  }
};
