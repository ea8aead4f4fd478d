// The microphone's frames, mixed to mono, at 16 kHz and 16 bits: what every engine hears.

import { Resampler } from '../speech/resampler.js';

const CHUNK = 320; // samples: 20 ms at 16 kHz

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate);
    this.chunk = new Int16Array(CHUNK);
    this.filled = 0;
  }

  process([channels]) {
    if (channels.length === 0) return true;
    const mono = Float32Array.from(channels[0]);
    for (const channel of channels.slice(1)) channel.forEach((value, index) => (mono[index] += value));
    for (const value of this.resampler.process(mono)) {
      const level = Math.round((value / channels.length) * 32768);
      this.chunk[this.filled] = Math.max(-32768, Math.min(32767, level));
      this.filled += 1;
      if (this.filled === CHUNK) {
        this.port.postMessage(this.chunk.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor('capture', Capture);
