// Which graphs a GPU computes: those that it computes as the CPU does, and at least as fast. What was found is kept by
// the page for the next start.

import { tryGraph } from './gpu-trial.js';

const REFUSED_FOR = 7 * 24 * 3600 * 1000; // ms after which a refusal is tried again: the machine may have been busy

/**
 * Tries the GPU, or takes up what was found before on the same adapter, with the same browser and files.
 * adapter: { name, software } of `findAdapter`; about: what else decides, as text; kept: the verdict of an earlier
 * start, or null; load: async, makes the GPU's files be there; open: makes a GpuGraphs; cpu: { encoder, generator };
 * examples: feeds of each; inTurn, clock: of `tryGraph`; now: ms since 1970.
 * Resolves to { verdict, gpu }: gpu is null where none is taken, and verdict is
 * { key, adapter, at, encoder, generator, reason }, where each graph has what `tryGraph` says, or null, and the reason
 * is why nothing was tried; key is null for what another start should not rely on.
 */
export async function chooseGpu({ adapter, about, kept, load, open, cpu, examples, inTurn, clock, now }) {
  const key = `${adapter.name} | ${about}`;
  const known = kept?.key === key ? kept : null;
  const proved = Object.keys(examples).filter((name) => known?.[name]?.chosen);
  if (proved.length > 0) return takeUp(known, proved, { load, open, cpu, examples, inTurn, clock });
  if (known && now - known.at < REFUSED_FOR) return { verdict: known, gpu: null };
  const verdict = { key, adapter: adapter.name, at: now, encoder: null, generator: null, reason: '' };
  if (adapter.software) return { verdict: { ...verdict, reason: 'it is the CPU in disguise' }, gpu: null };
  return prove(verdict, { load, open, cpu, examples, inTurn, clock });
}

async function prove(verdict, { load, open, cpu, examples, inTurn, clock }) {
  try {
    await load();
  } catch (error) {
    return { verdict: { ...verdict, key: null, reason: `its files are not here: ${error.message}` }, gpu: null };
  }
  const gpu = open();
  const found = { ...verdict };
  for (const [name, some] of Object.entries(examples)) {
    try {
      await gpu.open(name);
      const start = (feeds) => gpu.start(name, feeds);
      const trial = { cpu: cpu[name], start, gpu: gpu[name], examples: some, inTurn, clock };
      found[name] = await tryGraph(name, { ...trial, measured: true });
    } catch (error) {
      if (gpu.failure) return { verdict: { ...verdict, reason: error.message }, gpu: null };
      found[name] = { chosen: false, likeness: null, cpu: null, gpu: null }; // it cannot compute this graph
    }
  }
  if (Object.keys(examples).some((name) => found[name].chosen)) return { verdict: found, gpu };
  gpu.close();
  return { verdict: found, gpu: null };
}

/** What was proved before is looked at once more, by a single run: a driver may have changed. */
async function takeUp(known, names, { load, open, cpu, examples, inTurn, clock }) {
  let gpu = null;
  try {
    await load();
    gpu = open();
    for (const name of names) {
      await gpu.open(name);
      const start = (feeds) => gpu.start(name, feeds);
      const trial = { cpu: cpu[name], start, gpu: gpu[name], examples: examples[name].slice(0, 1), inTurn, clock };
      const { chosen } = await tryGraph(name, { ...trial, measured: false });
      if (!chosen) throw new Error(`its ${name} computes otherwise than at an earlier start`);
    }
    return { verdict: known, gpu };
  } catch (error) {
    gpu?.close();
    return { verdict: { ...known, key: null, encoder: null, generator: null, reason: error.message }, gpu: null };
  }
}
