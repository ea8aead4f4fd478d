// The audio front end's constants. They are Python's (edge_s2i/audio/constants.py); `checkFrontEnd` refuses a bundle
// that was made with others, and a test compares the two files.

export const FRONT_END = Object.freeze({
  sample_rate: 16000, // Hz
  window_length: 400, // samples: 25 ms
  hop_length: 160, // samples: 10 ms
  fft_length: 512, // samples
  mel_bands: 64,
  mel_low_hz: 20,
  mel_high_hz: 7600,
  log_floor: 1e-6,
  normalize_epsilon: 1e-3,
  min_seconds: 0.2,
  max_seconds: 4,
});

export const SAMPLE_RATE = FRONT_END.sample_rate;
export const HOP_LENGTH = FRONT_END.hop_length;
export const MIN_SAMPLES = FRONT_END.min_seconds * SAMPLE_RATE;
export const MAX_SAMPLES = FRONT_END.max_seconds * SAMPLE_RATE;

/** Throws where a manifest's `audio` object differs from what this page computes. */
export function checkFrontEnd(audio) {
  for (const [name, value] of Object.entries(FRONT_END)) {
    if (audio?.[name] !== value) {
      throw new Error(`the bundle's audio.${name} is ${audio?.[name]}, and this page computes with ${value}`);
    }
  }
}
