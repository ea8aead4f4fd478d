// The bundle's two graphs on ONNX Runtime Web, on the CPU's SIMD and threads or on a GPU; `gpu-choice.js` says on which.

import { nodesForCpu } from './graph-nodes.js';

export const GRAPHS = Object.freeze(['encoder', 'generator']);

const MOST_THREADS = 4; // more gain nothing on graphs this small

/** How many threads a page may use: one where it is not isolated from other origins. */
export function threadCount(isolated, cores) {
  return isolated ? Math.min(MOST_THREADS, Math.ceil((cores || 1) / 2)) : 1;
}

/**
 * Opens a bundle's graphs.
 * ort: the onnxruntime-web module; provider: 'wasm' or 'webgpu'; names: which of GRAPHS.
 * Returns { encoder, generator }, those that were asked for: async functions of what SpeechToPicture gives them.
 */
export async function openGraphs(ort, bundle, provider, names = GRAPHS) {
  const on = (name) => {
    const left = provider === 'webgpu' ? nodesForCpu(bundle[name]) : [];
    return left.length > 0 ? { name: provider, forceCpuNodeNames: left } : provider; // which may not be an empty list
  };
  const { embedding_dim: width, latent_dim: latentWidth, styles } = bundle.manifest;

  const run = async (session, given) => {
    const known = Object.fromEntries(Object.entries(given).filter(([name]) => session.inputNames.includes(name)));
    const [name] = session.outputNames; // others are of no use here: a generator may give its picture as bytes too
    const { [name]: output } = await session.run(known, [name]);
    const data = await output.getData();
    output.dispose();
    return data;
  };
  const feeds = {
    encoder: ({ log_mel: values, bands, frames }) => ({
      log_mel: new ort.Tensor('float32', values, [1, bands, frames]),
      lengths: new ort.Tensor('int64', BigInt64Array.of(BigInt(frames)), [1]),
    }),
    generator: ({ embedding, latent, style, rows }) => ({
      embedding: new ort.Tensor('float32', embedding, [rows, width]),
      latent: new ort.Tensor('float32', latent, [rows, latentWidth]),
      style: new ort.Tensor('float32', style, [rows, styles.length]),
    }),
  };
  const graphs = {};
  for (const name of names) {
    const options = { executionProviders: [on(name)], graphOptimizationLevel: 'all', logSeverityLevel: 3 };
    const session = await ort.InferenceSession.create(bundle[name], options);
    graphs[name] = (input) => run(session, feeds[name](input));
  }
  return graphs;
}
