// A bundle's graphs on a GPU, in a worker of their own: what hangs, breaks or is lost there is ended with the worker.

const TO_OPEN = 60000; // ms for the runtime to be loaded and a graph to be opened: nobody waits for it
const TO_START = 60000; // ms for a run on some shape for the first time, which translates shaders: nor for that
const TO_RUN = 5000; // ms for any other: somebody may wait

export class GpuGraphs {
  /** worker: a Worker of app/gpu-worker.js; bundle: of `readBundle`; patience: { open, start, run } in ms. */
  constructor(worker, bundle, patience = {}) {
    this.worker = worker;
    this.bundle = bundle;
    this.patience = { open: TO_OPEN, start: TO_START, run: TO_RUN, ...patience };
    this.waiting = new Map(); // answers, by number
    this.count = 0;
    this.failure = null; // why there is no GPU any more
    this.onLost = () => {};
    worker.onmessage = ({ data }) => this.take(data);
    worker.onerror = (error) => this.close(error.message || 'its worker failed');
  }

  /** Opens one of GRAPHS, which is a method from here on: an async function of feeds. */
  async open(name) {
    const { manifest, [name]: graph } = this.bundle;
    await this.ask('open', { name, bundle: { manifest, [name]: graph } }, this.patience.open);
    this[name] = (feeds) => this.ask('run', { name, feeds }, this.patience.run);
  }

  /** Runs an opened graph, with time for the first run on some shape. */
  start(name, feeds) {
    return this.ask('run', { name, feeds }, this.patience.start);
  }

  /** Ends the worker; what waits for it fails. */
  close(reason = 'it is closed') {
    if (this.failure) return;
    this.failure = new Error(reason);
    this.worker.terminate();
    for (const { reject } of this.waiting.values()) reject(this.failure);
    this.waiting.clear();
    this.onLost(reason);
  }

  ask(type, content, patience) {
    if (this.failure) return Promise.reject(this.failure);
    this.count += 1;
    const id = this.count;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.close(`it did not answer in ${patience} ms`), patience);
      const settled = (settle) => (value) => {
        clearTimeout(timer);
        settle(value);
      };
      this.waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.worker.postMessage({ id, type, ...content });
    });
  }

  take({ id, result, error, lost }) {
    if (lost !== undefined) {
      this.close(lost);
      return;
    }
    const asked = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) asked?.resolve(result);
    else asked?.reject(new Error(error));
  }
}
