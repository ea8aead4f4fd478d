// Listening in the browser: samples in, events out. It starts and ends utterances as runtime/speech_session.py does;
// hearing and drawing are asynchronous here. What happens is heard in its order; a partial picture that comes due while
// another is drawn is left out and counted.

import { HOP_LENGTH, MAX_SAMPLES, SAMPLE_RATE } from './audio-constants.js';
import { loudSince } from './utterance.js';
import { EnergyDetector, WINDOW } from './voice-activity.js';
import { VoiceGate } from './voice-gate.js';

// The defaults are those of runtime/listen_settings.py, which a test compares.
export const SETTINGS = Object.freeze({
  preRoll: 0.5, // s kept from before the voice was noticed
  trailingSilence: 0.3, // s without voice that end an utterance
  refractory: 0.2, // s after an utterance in which none can start
  minVoice: 2, // windows of likely voice that start an utterance, one of them sure
  partialEvery: 0.16, // s of speech between partial pictures
  partialStrength: 0, // partial pictures fainter than this are kept back
  voiceThreshold: 0.6, // probability at which a voice is sure
  readings: 4, // pictures of an utterance
  handsFree: false, // a voice starts an utterance; otherwise only `press` does
  seed: 0,
  style: null,
});

const FAINTEST = 0.05; // strength of a partial picture: what shows no more than this cannot be seen
const SURER = 2; // how much surer another guess must be than the one shown, short of being understood, to replace it
const PAUSE_WINDOWS = 3; // without voice before which speech that was cut at its greatest length is not taken up again
const MOST_UNHEARD = 4 * SAMPLE_RATE; // samples that may wait for a slow detector; what does not fit is lost
const MOST_WAITING = 2; // final pictures that may wait for a slow model; no utterance starts meanwhile

const inSamples = (seconds) => Math.round(seconds * SAMPLE_RATE);

/** Listens to one stream of 16 kHz speech. */
export class SpeechSession {
  /**
   * draw: a SpeechToPicture; emit: called with each event:
   *   { type: 'started', utterance, at }: at in seconds of the stream
   *   { type: 'partial', utterance, strength, confidence, size, picture }
   *   { type: 'final', utterance, understood, reason, confidence, concept, seed, style, size, pictures, samples,
   *     embedding, ending, at, timings }
   *   { type: 'dropped', samples, partials }: since the session began
   */
  constructor(draw, emit, settings = {}) {
    this.draw = draw;
    this.emit = emit;
    this.settings = { ...SETTINGS, ...settings };
    this.detector = new EnergyDetector(); // `listenWith` gives it another
    this.gate = new VoiceGate(this.settings.voiceThreshold, this.settings.minVoice);
    this.recent = new Float32Array(0); // what the pre-roll is taken from
    this.waiting = new Float32Array(0); // less than a window
    this.speech = new Float32Array(MAX_SAMPLES);
    this.position = 0; // samples of the stream so far
    this.length = 0; // samples of the utterance that goes on
    this.utterance = null;
    this.count = 0;
    this.voiceEnd = 0; // sample after the last window with voice
    this.resting = 0; // samples until an utterance may start
    this.afterCut = false;
    this.pressed = false;
    this.drawing = false; // a partial picture is being drawn
    this.finals = 0; // being drawn or waiting
    this.work = Promise.resolve(); // drawing
    this.hearing = Promise.resolve(); // what was fed and pressed, in its order
    this.unheard = 0; // samples that wait to be heard
    this.lost = 0; // samples that did not fit since the last that did
    this.samplesDropped = 0;
    this.partialsDropped = 0;
  }

  /** Hears Float32Array samples at 16 kHz. */
  feed(samples) {
    if (this.unheard + samples.length > MOST_UNHEARD) {
      this.lost += samples.length;
      return;
    }
    this.unheard += samples.length;
    this.tellLost();
    this.next(() => this.hear(samples));
  }

  /** The button goes down: an utterance starts, with the pre-roll before it. */
  press() {
    this.next(() => {
      this.pressed = true;
      if (this.utterance) {
        this.utterance.held = true;
      } else {
        this.takeWaiting();
        this.begin(true, 0);
      }
    });
  }

  /** The button comes up: the utterance ends. */
  release() {
    this.next(() => {
      this.pressed = false;
      if (this.utterance?.held) {
        this.takeWaiting();
        this.end('release');
      }
    });
  }

  /** The microphone was closed: an utterance that goes on ends. Resolves when all pictures are drawn. */
  async finish() {
    this.tellLost();
    this.next(() => {
      this.takeWaiting();
      if (this.utterance) this.end('end');
      this.forget();
      this.pressed = this.afterCut = false;
      this.resting = 0;
    });
    await this.hearing;
    await this.work;
  }

  /** Hears with another detector from here on. */
  listenWith(detector) {
    this.next(() => {
      this.detector = detector;
      this.gate.reset();
    });
  }

  async hear(samples) {
    const all = new Float32Array(this.waiting.length + samples.length);
    all.set(this.waiting);
    all.set(samples, this.waiting.length);
    const whole = all.length - (all.length % WINDOW);
    this.waiting = all.slice(whole);
    try {
      for (let start = 0; start < whole; start += WINDOW) await this.hearWindow(all.subarray(start, start + WINDOW));
    } finally {
      this.unheard -= samples.length;
    }
  }

  /** Says what did not fit, and has the session hear that it is missing. */
  tellLost() {
    const { lost } = this;
    if (lost === 0) return;
    this.lost = 0;
    this.samplesDropped += lost;
    this.tellDropped();
    this.next(() => this.skip(lost));
  }

  /** `samples` of the stream were lost here: an utterance in which they are missing ends before them. */
  skip(samples) {
    this.takeWaiting();
    if (this.utterance) this.end('gap');
    this.position += samples;
    this.resting = Math.max(0, this.resting - samples);
    this.forget();
  }

  async hearWindow(window) {
    this.gate.hear(await this.detector.probability(window));
    this.position += WINDOW;
    if (this.utterance) {
      this.append(window);
      this.goOn();
      return;
    }
    this.resting = Math.max(0, this.resting - WINDOW);
    this.remember(window);
    if (this.afterCut && this.gate.quiet >= PAUSE_WINDOWS) this.afterCut = false;
    const free = this.settings.handsFree && !this.pressed && !this.afterCut && this.resting === 0;
    if (free && this.finals < MOST_WAITING && this.gate.open) {
      this.begin(false, this.settings.minVoice * WINDOW);
      this.drawSoFar(0);
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
    this.voiceEnd = this.position;
    this.gate.begin();
    this.count += 1;
    const heard = Math.min(onset - first, loudSince(this.speech.subarray(0, this.length)));
    const due = heard + inSamples(this.settings.partialEvery);
    this.utterance = { number: this.count, held, due, shown: null, strength: 0 };
    this.emit({ type: 'started', utterance: this.count, at: this.position / SAMPLE_RATE });
  }

  goOn() {
    const { utterance, settings } = this;
    if (this.gate.quiet === 0) this.voiceEnd = this.position;
    const silence = this.position - this.voiceEnd;
    if (this.length === this.speech.length) {
      this.afterCut = !utterance.held;
      this.end('length');
    } else if (!utterance.held && silence >= inSamples(settings.trailingSilence)) {
      this.end('pause');
    } else {
      this.drawSoFar(silence);
    }
  }

  drawSoFar(silence) {
    const { utterance, settings } = this;
    if (this.length < utterance.due || silence >= inSamples(settings.trailingSilence)) return;
    utterance.due = this.length + inSamples(settings.partialEvery);
    if (this.drawing || this.finals > 0) {
      this.partialsDropped += 1;
      this.tellDropped();
      return;
    }
    this.drawing = true;
    const samples = this.speech.slice(0, this.length);
    this.then(() => this.drawPartial(utterance, samples));
  }

  async drawPartial(utterance, samples) {
    try {
      const hearing = await this.draw.hear(samples);
      const strength = Math.min(1, hearing.confidence / Math.max(this.draw.manifest.confidence.threshold, 1e-6));
      if (!hearing.embedding || strength < this.settings.partialStrength || this.utterance !== utterance) return;
      if (hearing.concept !== utterance.shown && strength < Math.min(1, SURER * utterance.strength)) return;
      Object.assign(utterance, { shown: hearing.concept, strength });
      const { size, pictures } = await this.draw.paint(hearing.embedding, this.choice(1));
      if (this.utterance !== utterance) return; // the final picture is on its way
      const about = { utterance: utterance.number, strength: Math.max(FAINTEST, strength), confidence: hearing.confidence };
      this.emit({ type: 'partial', ...about, size, picture: pictures[0] });
    } finally {
      this.drawing = false;
    }
  }

  end(ending) {
    const { number } = this.utterance;
    const samples = this.speech.slice(0, this.length);
    const at = this.position / SAMPLE_RATE;
    this.utterance = null;
    this.length = 0;
    this.gate.end();
    this.resting = inSamples(this.settings.refractory);
    this.finals += 1;
    this.then(() => this.drawFinal(number, samples, { ending, at }));
  }

  async drawFinal(utterance, samples, when) {
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
      this.emit({ type: 'final', ...about, ...hearing, size, pictures, samples, ...when, timings });
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
    this.work = this.work.then(work).catch((error) => this.fail(error));
  }

  /** Hears one thing after the other. */
  next(action) {
    this.hearing = this.hearing.then(action).catch((error) => this.fail(error));
  }

  fail(error) {
    this.emit({ type: 'failed', reason: String(error) });
  }

  tellDropped() {
    this.emit({ type: 'dropped', samples: this.samplesDropped, partials: this.partialsDropped });
  }

  forget() {
    this.detector.reset();
    this.gate.reset();
    this.recent = new Float32Array(0);
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
