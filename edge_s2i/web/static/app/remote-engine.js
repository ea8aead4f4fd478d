// Hearing and drawing on the device that served the page. The same interface as LocalEngine.

import { unpack } from './wire.js';

/** Why the server closed, by its close code. */
const REASONS = { 4400: 'unreadable', 4401: 'token', 4408: 'idle', 4429: 'fast', 4503: 'full', 1009: 'large' };
const RETRY_MILLISECONDS = [500, 1000, 2000, 4000, 8000];
const MOST_BEHIND = 128000; // bytes that wait to be sent, from which audio is left out: 4 s

export class RemoteEngine {
  /** onEvent: called with every event of the session, and 'ready', 'away' and 'failed'. */
  constructor(onEvent, { settings, debug }) {
    this.onEvent = onEvent;
    this.settings = settings;
    this.debug = debug;
    this.closed = false;
    this.failures = 0;
    this.timer = 0;
    this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    const address = new URL('/speech', location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    const socket = new WebSocket(address);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.control('start', { debug: this.debug });
    socket.onmessage = ({ data }) => {
      const event = typeof data === 'string' ? JSON.parse(data) : unpack(data);
      if (event.type === 'ready') this.failures = 0;
      this.onEvent(event);
    };
    socket.onclose = ({ code }) => {
      if (this.closed || this.socket !== socket) return;
      const reason = REASONS[code] ?? 'away';
      this.onEvent({ type: 'away', reason });
      // What the server will not have again is not tried again; an idle page connects when it is used.
      if (reason === 'away' || reason === 'full' || reason === 'fast') {
        const wait = RETRY_MILLISECONDS[Math.min(this.failures, RETRY_MILLISECONDS.length - 1)];
        this.failures += 1;
        this.timer = setTimeout(() => this.connect(), wait);
      }
    };
    this.socket = socket;
  }

  control(type, content = {}) {
    if (this.socket.readyState === WebSocket.OPEN) {
      const { handsFree, seed, style } = this.settings;
      const chosen = type === 'start' || type === 'choose' ? { hands_free: handsFree, seed, style } : {};
      this.socket.send(JSON.stringify({ type, ...chosen, ...content }));
    } else if (this.socket.readyState === WebSocket.CLOSED && type === 'press') {
      this.connect();
    }
  }

  feed(samples) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > MOST_BEHIND) this.onEvent({ type: 'dropped', samples: samples.length, partials: 0 });
    else this.socket.send(samples);
  }

  press() {
    this.control('press');
  }

  release() {
    this.control('release');
  }

  /** The microphone was closed. */
  finish() {
    this.control('finish');
  }

  /** settings: any of handsFree, seed, style; for what is said from now on. */
  choose(settings) {
    this.settings = { ...this.settings, ...settings };
    this.control('choose');
  }

  /** The last utterance once more. how: { seed, style }. */
  redraw(how) {
    this.control('redraw', how);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket.close(1000);
  }
}
