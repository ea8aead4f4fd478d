// Any rate to 16 kHz, chunk by chunk: a polyphase low-pass, Kaiser-windowed.

import { SAMPLE_RATE } from './audio-constants.js';

const ZERO_CROSSINGS = 32; // on each side of the kernel: 2 ms at 16 kHz
const KAISER_BETA = 9; // about 90 dB of stop band
const PASS = 0.93; // of the lower Nyquist frequency; above it the kernel rolls off

const gcd = (a, b) => (b === 0 ? a : gcd(b, a % b));

function bessel0(x) {
  let term = 1;
  let sum = 1;
  for (let order = 1; term > 1e-12 * sum; order += 1) {
    term *= (x / 2 / order) ** 2;
    sum += term;
  }
  return sum;
}

/** Resamples a stream of float samples; what it gives for a stream does not depend on how it was cut into chunks. */
export class Resampler {
  constructor(rate) {
    if (!(rate >= 1000 && rate <= 768000)) throw new RangeError(`a rate of ${rate} Hz cannot be resampled`);
    const whole = Math.round(rate);
    const shared = gcd(SAMPLE_RATE, whole);
    this.up = SAMPLE_RATE / shared;
    this.down = whole / shared;
    const cutoff = PASS * Math.min(1, SAMPLE_RATE / whole); // of the input's Nyquist frequency
    this.reach = Math.ceil(ZERO_CROSSINGS / cutoff); // input samples on each side
    this.taps = 2 * this.reach;
    this.kernels = new Map(); // by phase, made when first met
    this.cutoff = cutoff;
    this.history = new Float32Array(this.taps);
    this.phase = 0; // where the next output lies, in 1/up of an input sample after history[reach - 1]
  }

  kernel(phase) {
    let kernel = this.kernels.get(phase);
    if (!kernel) {
      kernel = new Float64Array(this.taps);
      let sum = 0;
      for (let tap = 0; tap < this.taps; tap += 1) {
        const distance = tap - (this.reach - 1) - phase / this.up;
        const x = Math.PI * this.cutoff * distance;
        const place = distance / this.reach;
        const window = Math.abs(place) < 1 ? bessel0(KAISER_BETA * Math.sqrt(1 - place * place)) : 0;
        kernel[tap] = (x === 0 ? 1 : Math.sin(x) / x) * window;
        sum += kernel[tap];
      }
      for (let tap = 0; tap < this.taps; tap += 1) kernel[tap] /= sum;
      this.kernels.set(phase, kernel);
    }
    return kernel;
  }

  /** Takes a chunk of input and returns the output that is complete by now, a delay of 2 ms at 16 kHz included. */
  process(chunk) {
    if (this.up === 1 && this.down === 1) return Float32Array.from(chunk);
    const input = new Float32Array(this.history.length + chunk.length);
    input.set(this.history);
    input.set(chunk, this.history.length);
    const output = [];
    let start = 0;
    while (start + this.taps <= input.length) {
      const kernel = this.kernel(this.phase);
      let sum = 0;
      for (let tap = 0; tap < this.taps; tap += 1) sum += kernel[tap] * input[start + tap];
      output.push(sum);
      this.phase += this.down;
      start += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    this.history = input.slice(start);
    return Float32Array.from(output);
  }
}
