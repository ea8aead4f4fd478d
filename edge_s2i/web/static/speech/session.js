// Listening in the browser: samples in, events out. It starts and ends utterances as runtime/speech_session.py does;
// drawing is asynchronous here, so a partial picture that comes due while another is drawn is left out and counted.

import { HOP_LENGTH, MAX_SAMPLES, SAMPLE_RATE } from './audio-constants.js';
import { EnergyDetector, WINDOW } from './voice-activity.js';

// The defaults are those of runtime/listen_settings.py, which a test compares.
export const SETTINGS = Object.freeze({
  preRoll: 0.5, // s kept from before the voice was noticed
  trailingSilence: 0.3, // s without voice that end an utterance
  refractory: 0.2, // s after an utterance in which none can start
  minVoice: 2, // windows of voice that start an utterance
  partialEvery: 0.16, // s of speech between partial pictures
  partialStrength: 0.05, // partial pictures fainter than this are kept back
  voiceThreshold: 0.5,
  readings: 4, // pictures of an utterance
  handsFree: false, // a voice starts an utterance; otherwise only `press` does
  seed: 0,
  style: null,
});

const END_BELOW = 0.15; // a voice ends where its probability is this much below the one at which it starts
const MOST_WAITING = 2; // final pictures that may wait for a slow model; no utterance starts meanwhile

const inSamples = (seconds) => Math.round(seconds * SAMPLE_RATE);

/** Listens to one stream of 16 kHz speech. */
export class SpeechSession {
  /**
   * draw: a SpeechToPicture; emit: called with each event:
   *   { type: 'started', utterance }
   *   { type: 'partial', utterance, strength, confidence, size, picture }
   *   { type: 'final', utterance, understood, reason, confidence, concept, seed, style, size, pictures, samples,
   *     embedding, ending, timings }
   *   { type: 'dropped', partials }
   */
  constructor(draw, emit, settings = {}) {
    this.draw = draw;
    this.emit = emit;
    this.settings = { ...SETTINGS, ...settings };
    this.detector = new EnergyDetector();
    this.recent = new Float32Array(0); // what the pre-roll is taken from
    this.waiting = new Float32Array(0); // less than a window
    this.speech = new Float32Array(MAX_SAMPLES);
    this.position = 0; // samples of the stream so far
    this.length = 0; // samples of the utterance that goes on
    this.utterance = null;
    this.count = 0;
    this.voiced = 0;
    this.quiet = 0;
    this.resting = 0; // samples until an utterance may start
    this.afterCut = false;
    this.pressed = false;
    this.drawing = false; // a partial picture is being drawn
    this.finals = 0; // being drawn or waiting
    this.work = Promise.resolve();
    this.partialsDropped = 0;
  }

  /** Hears Float32Array samples at 16 kHz. */
  feed(samples) {
    const all = new Float32Array(this.waiting.length + samples.length);
    all.set(this.waiting);
    all.set(samples, this.waiting.length);
    let start = 0;
    for (; start + WINDOW <= all.length; start += WINDOW) this.hearWindow(all.subarray(start, start + WINDOW));
    this.waiting = all.slice(start);
  }

  /** The button goes down: an utterance starts, with the pre-roll before it. */
  press() {
    this.pressed = true;
    if (this.utterance) {
      this.utterance.held = true;
    } else {
      this.takeWaiting();
      this.begin(true, 0);
    }
  }

  /** The button comes up: the utterance ends. */
  release() {
    this.pressed = false;
    if (this.utterance?.held) {
      this.takeWaiting();
      this.end('release');
    }
  }

  /** The microphone was closed: an utterance that goes on ends. Resolves when all pictures are drawn. */
  finish() {
    this.takeWaiting();
    if (this.utterance) this.end('end');
    this.detector.reset();
    this.recent = new Float32Array(0);
    this.pressed = this.afterCut = false;
    this.voiced = this.quiet = this.resting = 0;
    return this.work;
  }

  hearWindow(window) {
    const bar = this.settings.voiceThreshold - (this.utterance ? END_BELOW : 0);
    if (this.detector.probability(window) >= bar) {
      this.voiced += 1;
      this.quiet = 0;
    } else {
      this.voiced = 0;
      this.quiet += 1;
    }
    this.position += WINDOW;
    if (this.utterance) {
      this.append(window);
      this.goOn();
      return;
    }
    this.resting = Math.max(0, this.resting - WINDOW);
    this.remember(window);
    if (this.afterCut && this.quiet >= 3) this.afterCut = false;
    const free = this.settings.handsFree && !this.pressed && !this.afterCut && this.resting === 0;
    if (free && this.finals < MOST_WAITING && this.voiced >= this.settings.minVoice) {
      this.begin(false, this.settings.minVoice * WINDOW);
    }
  }

  begin(held, voiced) {
    const oldest = this.position - this.recent.length;
    const onset = this.position - voiced;
    const wanted = Math.max(onset - inSamples(this.settings.preRoll), oldest);
    const onGrid = wanted - (wanted % HOP_LENGTH); // frames of a file that is heard from its start begin there
    const first = onGrid >= oldest ? onGrid : wanted;
    this.length = 0;
    this.append(this.recent.subarray(first - oldest));
    this.recent = new Float32Array(0);
    this.count += 1;
    this.utterance = { number: this.count, held, due: onset - first + inSamples(this.settings.partialEvery) };
    this.emit({ type: 'started', utterance: this.count });
  }

  goOn() {
    const { utterance, settings } = this;
    if (this.length === this.speech.length) {
      this.afterCut = !utterance.held;
      this.end('length');
    } else if (!utterance.held && this.quiet * WINDOW >= inSamples(settings.trailingSilence)) {
      this.end('pause');
    } else if (this.length >= utterance.due && this.quiet * WINDOW < inSamples(settings.trailingSilence)) {
      utterance.due = this.length + inSamples(settings.partialEvery);
      if (this.drawing || this.finals > 0) {
        this.partialsDropped += 1;
        this.emit({ type: 'dropped', partials: this.partialsDropped });
      } else {
        this.drawing = true;
        this.then(() => this.drawPartial(utterance, this.speech.slice(0, this.length)));
      }
    }
  }

  async drawPartial(utterance, samples) {
    try {
      const hearing = await this.draw.hear(samples);
      const strength = Math.min(1, hearing.confidence / Math.max(this.draw.manifest.confidence.threshold, 1e-6));
      if (!hearing.embedding || strength < this.settings.partialStrength || this.utterance !== utterance) return;
      const { size, pictures } = await this.draw.paint(hearing.embedding, this.choice(1));
      if (this.utterance !== utterance) return; // the final picture is on its way
      const { confidence } = hearing;
      this.emit({ type: 'partial', utterance: utterance.number, strength, confidence, size, picture: pictures[0] });
    } finally {
      this.drawing = false;
    }
  }

  end(ending) {
    const { number } = this.utterance;
    const samples = this.speech.slice(0, this.length);
    this.utterance = null;
    this.length = 0;
    this.voiced = 0;
    this.resting = inSamples(this.settings.refractory);
    this.finals += 1;
    this.then(() => this.drawFinal(number, samples, ending));
  }

  async drawFinal(utterance, samples, ending) {
    const { seed, style, readings } = this.settings;
    const start = performance.now();
    try {
      const hearing = await this.draw.hear(samples);
      const painting = performance.now();
      const { size, pictures } = hearing.understood
        ? await this.draw.paint(hearing.embedding, this.choice(1))
        : { size: this.draw.manifest.image_size, pictures: [] };
      const timings = { ...hearing.timings, generator: performance.now() - painting, total: performance.now() - start };
      const about = { utterance, seed, style };
      this.emit({ type: 'final', ...about, ...hearing, size, pictures, samples, ending, timings });
      if (!hearing.understood) return;
      for (let first = 1; first < readings; first += 1) {
        // One by one: the first picture is shown before the others are drawn.
        const more = await this.draw.paint(hearing.embedding, { ...this.choice(1), first });
        this.emit({ type: 'reading', ...about, index: first, size, picture: more.pictures[0] });
      }
    } finally {
      this.finals -= 1;
    }
  }

  /** Runs one drawing after the other; a failed one is reported and the next goes on. */
  then(work) {
    this.work = this.work.then(work).catch((error) => this.emit({ type: 'failed', reason: String(error) }));
  }

  choice(n) {
    return { n, seed: this.settings.seed, style: this.settings.style };
  }

  append(samples) {
    const room = Math.min(samples.length, this.speech.length - this.length);
    this.speech.set(samples.subarray(0, room), this.length);
    this.length += room;
  }

  takeWaiting() {
    if (this.utterance) this.append(this.waiting);
    else this.remember(this.waiting);
    this.position += this.waiting.length;
    this.waiting = new Float32Array(0);
  }

  remember(samples) {
    const most = inSamples(this.settings.preRoll) + this.settings.minVoice * WINDOW + HOP_LENGTH + WINDOW;
    const all = new Float32Array(this.recent.length + samples.length);
    all.set(this.recent);
    all.set(samples, this.recent.length);
    this.recent = all.slice(Math.max(0, all.length - most));
  }
}
