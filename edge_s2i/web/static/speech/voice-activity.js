// Is there a voice in these 32 ms? Silero's network, or energy above a noise floor: runtime/voice_activity.py's detectors.

export const WINDOW = 512; // samples at 16 kHz: 32 ms

const CONTEXT = 64; // samples of the window before that Silero's network wants in front
const STATE = [2, 1, 128];

const ABOVE_DB = 12; // over the floor where the probability is a half
const SLOPE_DB = 2;
const RISE_DB = (3 * WINDOW) / 16000; // a window
const QUIETEST_DB = -70; // below it a microphone's own noise would be speech

/** Takes any sound above the noise floor for a voice. */
export class EnergyDetector {
  name = 'energy';
  floor = null;

  /** How likely there is a voice in the next WINDOW samples of the stream. */
  async probability(window) {
    let energy = 0;
    for (const sample of window) energy += sample * sample;
    const level = 10 * Math.log10(energy / window.length + 1e-12);
    this.floor ??= Math.min(level, -45); // speech may be the first thing that is heard
    this.floor = Math.max(QUIETEST_DB, Math.min(level, this.floor + RISE_DB));
    return 1 / (1 + Math.exp(-(level - this.floor - ABOVE_DB) / SLOPE_DB));
  }

  reset() {
    this.floor = null;
  }
}

/** Silero VAD 6 (MIT licence), 16 kHz, on ONNX Runtime Web's CPU. */
export class SileroDetector {
  name = 'silero';

  /** ort: the onnxruntime-web module that the page's graphs run on; model: the network's file, a Uint8Array. */
  static async open(ort, model) {
    const options = { executionProviders: ['wasm'], logSeverityLevel: 3 };
    return new SileroDetector(ort, await ort.InferenceSession.create(model, options));
  }

  constructor(ort, session) {
    this.ort = ort;
    this.session = session;
    this.reset();
  }

  /** How likely there is a voice in the next WINDOW samples of the stream. */
  async probability(window) {
    const { Tensor } = this.ort;
    this.input.copyWithin(0, WINDOW);
    this.input.set(window, CONTEXT);
    const { output, stateN } = await this.session.run({
      input: new Tensor('float32', this.input, [1, CONTEXT + WINDOW]),
      state: new Tensor('float32', this.state, STATE),
    });
    this.state = stateN.data;
    return output.data[0];
  }

  reset() {
    this.input = new Float32Array(CONTEXT + WINDOW);
    this.state = new Float32Array(STATE.reduce((product, size) => product * size));
  }
}
