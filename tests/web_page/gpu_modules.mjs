// Runs the page's choice between CPU and GPU on computers that a test describes: a JSON object on standard input; the
// answer goes to standard output.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import path from 'node:path';

const request = JSON.parse(readFileSync(0, 'utf8'));
const page = (name) => import(pathToFileURL(path.join(request.static, name)).href);

const clock = { time: 0, now: () => clock.time };
const right = (name, { value }) => Float32Array.from({ length: 48 }, (_, index) => Math.sin(index * value + name.length));

/** A graph that takes `ms` and whose results are off by `off`, not numbers, or an error. */
function computer(name, { ms = 1, off = 0, broken = false, fails = false }) {
  return async (feeds) => {
    clock.time += ms;
    if (fails) throw new Error('the graph cannot run');
    return right(name, feeds).map((value, index) => (broken ? NaN : value + off * Math.cos(7 * index)));
  };
}

const both = (of) => ({ generator: of('generator'), encoder: of('encoder') });
const EXAMPLES = both(() => [{ value: 1 }, { value: 2 }, { value: 3 }]);

const answers = {
  /** chooseGpu with a GPU and a CPU as described; what it opened and ran comes back too. */
  async choose({ adapter, about, kept, gpu, cpu, now, missing }) {
    const { chooseGpu } = await page('speech/gpu-choice.js');
    const log = [];
    const fake = {
      failure: null,
      async open(name) {
        log.push(`open ${name}`);
        if (gpu.unopened) {
          fake.failure = new Error(gpu.unopened);
          throw fake.failure;
        }
        const run = computer(name, gpu[name] ?? {});
        fake[name] = (feeds) => (log.push(`run ${name}`), run(feeds));
      },
      start: (name, feeds) => fake[name](feeds),
      close: () => log.push('close'),
    };
    const load = async () => {
      log.push('load');
      if (missing) throw new Error('offline');
    };
    let turns = 0;
    const inTurn = async (work) => {
      turns += 1;
      return work();
    };
    const { verdict, gpu: taken } = await chooseGpu({
      adapter, about, kept, load, open: () => fake, inTurn, clock, now,
      cpu: both((name) => computer(name, cpu[name] ?? {})), examples: EXAMPLES,
    });
    return { verdict, taken: taken !== null, log, turns };
  },

  /** Computing, whose GPU fails at the second run as described. */
  async computing({ how, runs }) {
    const { Computing } = await page('speech/computing.js');
    const { GpuGraphs } = await page('speech/gpu-graphs.js');
    const worker = {
      ended: 0,
      asked: 0,
      postMessage({ id, type, name, feeds }) {
        const answer = (content) => setTimeout(() => worker.onmessage({ data: { id, ...content } }), 1);
        if (type === 'open') return answer({ result: undefined });
        worker.asked += 1;
        if (worker.asked < 2) return answer({ result: right(name, feeds) });
        if (how === 'lost') return setTimeout(() => worker.onmessage({ data: { lost: 'the driver was reset' } }), 1);
        if (how === 'error') return answer({ error: 'out of memory' });
        if (how === 'numbers') return answer({ result: new Float32Array(48).fill(NaN) });
        if (how === 'crash') return setTimeout(() => worker.onerror({ message: 'aborted' }), 1);
        return undefined; // it hangs
      },
      terminate: () => (worker.ended += 1),
    };
    const left = [];
    const drawn = [];
    const cpu = both((name) => async (feeds) => (drawn.push(name), right(name, feeds)));
    const computing = new Computing(cpu, (reason) => left.push(reason));
    const gpu = new GpuGraphs(worker, { encoder: 0, generator: 0, manifest: {} }, { run: 50 });
    await gpu.open('generator');
    computing.take(gpu, ['generator']);
    const results = [];
    for (let value = 1; value <= runs; value += 1) {
      const output = await computing.generator({ value });
      results.push(output.every((one, index) => one === right('generator', { value })[index]));
    }
    await computing.encoder({ value: 1 });
    return { results, drawn, left, ended: worker.ended, asked: worker.asked, names: computing.names };
  },

  async adapter({ gpu, switching }) {
    const { findAdapter } = await page('speech/adapter.js');
    const asked = [];
    const navigator = gpu === null ? {} : {
      gpu: {
        async requestAdapter(options) {
          asked.push(options);
          if (gpu === 'fails') throw new Error('no');
          return gpu === 'none' ? null : { info: gpu };
        },
      },
    };
    return { found: await findAdapter(navigator, switching ? { Suspending: class {} } : {}), asked };
  },

  async likeness({ one, other }) {
    const { cosine, decibels } = await page('speech/gpu-trial.js');
    const values = [cosine(one, other), decibels(one, other)];
    return values.map((value) => (Number.isNaN(value) ? 'no number' : value));
  },

  async facts({ computing }) {
    const { computingFacts, deviceFacts } = await page('app/computing-facts.js');
    return computing === 'device' ? deviceFacts({ host: 'talker.local:8321' }) : computingFacts(computing);
  },

  async nodes({ file }) {
    const { nodesForCpu } = await page('speech/graph-nodes.js');
    try {
      return nodesForCpu(Uint8Array.from(Buffer.from(file, 'base64')));
    } catch (error) {
      return error.message;
    }
  },

  /** Files that the page keeps for offline use: `here` are kept already, the server has `there`. */
  async keep({ paths, here, there }) {
    const { keepOffline } = await page('app/offline.js');
    const kept = new Set(here);
    const cache = {
      match: async (name) => (kept.has(name) ? {} : undefined),
      async add(name) {
        if (!there.includes(name)) throw new TypeError('Failed to fetch');
        kept.add(name);
      },
    };
    if (here !== null) globalThis.caches = { open: async () => cache };
    try {
      await keepOffline(paths);
      return [...kept];
    } catch (error) {
      return error.message;
    }
  },
};

process.stdout.write(JSON.stringify((await answers[request.ask](request)) ?? null));
