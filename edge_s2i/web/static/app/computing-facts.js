// What computes, in words: for the window about the page and for the console.

import { BOUNDS } from '../speech/gpu-trial.js';

const UNITS = { generator: (likeness) => `${likeness.toFixed(1)} dB`, encoder: (likeness) => `cosine ${likeness.toFixed(5)}` };
const NAMES = { generator: 'pictures', encoder: 'hearing' };

/** Where the device hears and draws. place: the page's location. */
export function deviceFacts({ host }) {
  return [
    ['Hears and draws', `the device, ${host}`],
    ['Sound', 'goes to that device, and no further'],
  ];
}

/**
 * Where this browser hears and draws. computing: { threads, onGpu, verdict, left } as the engine's worker says, or null
 * while that is not known.
 */
export function computingFacts(computing) {
  if (computing === null) return [['Hears and draws', 'this browser'], ['GPU', 'not known yet']];
  const { threads, onGpu, verdict, left } = computing;
  const by = (name) => (onGpu.includes(name) ? 'the GPU (WebGPU)' : `the CPU (WebAssembly, ${threads} thread${threads > 1 ? 's' : ''})`);
  return [
    ['Hears', by('encoder')],
    ['Draws', by('generator')],
    ['GPU', gpuFact(verdict, left)],
    ['Sound', 'does not leave this page'],
  ];
}

function gpuFact(verdict, left) {
  if (!verdict) return 'none that a page may compute on';
  const { adapter, reason } = verdict;
  if (left) return `${adapter}: left for the CPU, because ${left}`;
  if (reason) return `${adapter}: not used, because ${reason}`;
  return `${adapter}: ${['generator', 'encoder'].map((name) => graphFact(name, verdict[name])).join('; ')}`;
}

function graphFact(name, { chosen, likeness, cpu, gpu }) {
  if (likeness === null) return `${NAMES[name]} not to be had from it`;
  const alike = `${NAMES[name]} like the CPU's to ${UNITS[name](likeness)}`;
  if (!chosen && !(likeness >= BOUNDS[name].least)) return `${alike}, of ${UNITS[name](BOUNDS[name].least)} that are needed`;
  return `${alike} in ${gpu.toFixed(1)} ms, on the CPU in ${cpu.toFixed(1)}: ${chosen ? 'taken' : 'left'}`;
}
