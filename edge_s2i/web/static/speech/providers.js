// What computes the graphs in this browser: the CPU, by WebAssembly's SIMD and threads, or the GPU where there is one
// and it is both right and faster. Small graphs are not always faster on a GPU, so that is measured.

import { drawLatents } from './latents.js';
import { MEL_BANDS } from './log-mel.js';
import { openGraphs, threadCount } from './graphs.js';

const FRAMES = 148; // 1.5 s of speech
const ROUNDS = 4; // the first compiles
const PATIENCE_MILLISECONDS = 10000; // for a GPU to be opened and tried
const LIKE = 0.999; // cosine between what both make of the same input

/**
 * Loads ONNX Runtime Web and opens a bundle's graphs. embedding: any that the generator may draw; null for none.
 * gpu: whether the runtime with WebGPU is served.
 * Returns { graphs, provider, threads, milliseconds }: provider 'wasm' or 'webgpu', milliseconds of both graphs.
 */
export async function chooseGraphs(bundle, embedding, gpu) {
  const threads = threadCount(globalThis.crossOriginIsolated, navigator.hardwareConcurrency);
  if (gpu && (await hasGpu())) {
    try {
      return await compare(bundle, embedding, threads);
    } catch (error) {
      console.warn(`the GPU is left alone: ${error}`);
    }
  }
  const ort = await import('../vendor/ort.wasm.min.mjs');
  return { graphs: await openGraphs(prepare(ort, threads), bundle, 'wasm'), provider: 'wasm', threads };
}

/** Whether there is a GPU, and stack switching, which the runtime with WebGPU is built on. */
async function hasGpu() {
  if (!('Suspending' in WebAssembly) || !navigator.gpu) return false;
  try {
    const adapter = await navigator.gpu.requestAdapter();
    return adapter !== null && !adapter.info?.isFallbackAdapter; // which is the CPU in disguise
  } catch {
    return false;
  }
}

function prepare(ort, threads) {
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  return ort;
}

async function compare(bundle, embedding, threads) {
  const ort = prepare(await import('../vendor/ort.jspi.min.mjs'), threads);
  const cpu = await tried(await openGraphs(ort, bundle, 'wasm'), bundle.manifest, embedding);
  // A GPU that fails or dawdles may keep this runtime busy: then the other runtime is loaded, by `chooseGraphs`.
  const trial = openGraphs(ort, bundle, 'webgpu').then((graphs) => tried(graphs, bundle.manifest, embedding));
  const gpu = await Promise.race([trial, late()]);
  const alike = cosine(cpu.heard, gpu.heard) > LIKE && cosine(cpu.drawn, gpu.drawn) > LIKE;
  const [better, other] = alike && gpu.milliseconds < cpu.milliseconds ? [gpu, cpu] : [cpu, gpu];
  await other.graphs.release();
  const { graphs, milliseconds } = better;
  return { graphs, provider: better === gpu ? 'webgpu' : 'wasm', threads, milliseconds };
}

function late() {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`it took more than ${PATIENCE_MILLISECONDS} ms`)), PATIENCE_MILLISECONDS);
  });
}

/** Runs both graphs on the same input as every other provider; the least time that they took together. */
async function tried(graphs, manifest, embedding) {
  const values = drawLatents(1, MEL_BANDS, FRAMES);
  const latent = drawLatents(1, 1, manifest.latent_dim);
  const example = embedding ?? new Float32Array(manifest.embedding_dim).fill(manifest.embedding_dim ** -0.5);
  const style = Float32Array.from(manifest.styles, (name) => Number(name === manifest.default_style));
  let milliseconds = Infinity;
  let heard;
  let drawn;
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    heard = await graphs.runEncoder({ log_mel: values.slice(), bands: MEL_BANDS, frames: FRAMES });
    drawn = await graphs.runGenerator({ embedding: example, latent, style, rows: 1 });
    milliseconds = Math.min(milliseconds, performance.now() - start);
  }
  return { graphs, milliseconds, heard, drawn };
}

function cosine(one, other) {
  let product = 0;
  let left = 0;
  let right = 0;
  for (let index = 0; index < one.length; index += 1) {
    product += one[index] * other[index];
    left += one[index] ** 2;
    right += other[index] ** 2;
  }
  return product / Math.sqrt(left * right); // not a number, and so not alike, where anything is not finite
}
