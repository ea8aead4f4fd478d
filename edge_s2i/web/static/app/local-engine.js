// Hearing and drawing in this browser. The same interface as RemoteEngine: `send` what happens, `onEvent` what comes.

export class LocalEngine {
  /** onEvent: called with every event of the session, and 'progress', 'ready', 'failed'. */
  constructor(onEvent, { settings, gpu, detector, debug }) {
    this.worker = new Worker(new URL('./engine-worker.js', import.meta.url), { type: 'module' });
    this.worker.onmessage = ({ data }) => onEvent(data);
    this.worker.onerror = (error) => onEvent({ type: 'failed', reason: error.message || 'the worker did not start' });
    this.worker.postMessage({ type: 'open', settings, gpu, detector, debug });
  }

  feed(samples) {
    this.worker.postMessage({ type: 'feed', samples });
  }

  press() {
    this.worker.postMessage({ type: 'press' });
  }

  release() {
    this.worker.postMessage({ type: 'release' });
  }

  /** The microphone was closed. */
  finish() {
    this.worker.postMessage({ type: 'finish' });
  }

  /** settings: any of handsFree, seed, style; for what is said from now on. */
  choose(settings) {
    this.worker.postMessage({ type: 'choose', settings });
  }

  /** The last utterance once more. how: { seed, style }. */
  redraw(how) {
    this.worker.postMessage({ type: 'redraw', how });
  }

  close() {
    this.worker.terminate();
  }
}
