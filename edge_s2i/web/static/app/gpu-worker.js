// Computes graphs on a GPU, beside the engine's worker. `speech/gpu-graphs.js` is its other side:
//   { id, type: 'open', name, bundle }, { id, type: 'run', name, feeds } in; { id, result } or { id, error } out, and
//   { lost } when the GPU is gone.

import { openGraphs } from '../speech/graphs.js';

const graphs = {};
let runtime = null;
let work = Promise.resolve(); // one thing after the other: the runtime bears no two runs at once

async function loadRuntime() {
  const ort = await import('../vendor/ort.jspi.min.mjs');
  ort.env.wasm.numThreads = 1; // what the GPU does not take is little
  ort.env.logLevel = 'error';
  return ort;
}

function watch(device) {
  device.lost.then(({ message, reason }) => self.postMessage({ lost: message || `it was lost (${reason})` }));
}

const actions = {
  async open({ name, bundle }) {
    const isFirst = runtime === null;
    runtime ??= await loadRuntime();
    Object.assign(graphs, await openGraphs(runtime, bundle, 'webgpu', [name]));
    if (isFirst) watch(runtime.env.webgpu.device);
  },
  run: ({ name, feeds }) => graphs[name](feeds),
};

async function answer({ id, type, ...request }) {
  try {
    self.postMessage({ id, result: await actions[type](request) });
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
}

self.onmessage = ({ data }) => {
  work = work.then(() => answer(data));
};
