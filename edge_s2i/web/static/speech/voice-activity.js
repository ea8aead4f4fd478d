// Voice by energy above a noise floor, window by window: runtime/voice_activity.py's EnergyDetector.

export const WINDOW = 512; // samples at 16 kHz: 32 ms

const ABOVE_DB = 12; // over the floor where the probability is a half
const SLOPE_DB = 2;
const RISE_DB = (3 * WINDOW) / 16000; // a window
const QUIETEST_DB = -70; // below it a microphone's own noise would be speech

/** Takes any sound above the noise floor for a voice. */
export class EnergyDetector {
  constructor() {
    this.floor = null;
  }

  /** How likely there is a voice in the next WINDOW samples of the stream. */
  probability(window) {
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
