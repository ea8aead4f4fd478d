// Log-mel spectrogram: what edge_s2i/audio/log_mel.py computes, to 1e-3 nats (tested on recordings).

import { FRONT_END, HOP_LENGTH, SAMPLE_RATE } from './audio-constants.js';
import { PowerSpectrum } from './fourier.js';

const FFT_LENGTH = FRONT_END.fft_length;
export const MEL_BANDS = FRONT_END.mel_bands;

const hzToMel = (hz) => 2595 * Math.log10(1 + hz / 700);
const melToHz = (mel) => 700 * (10 ** (mel / 2595) - 1);

// Triangular HTK-mel filters of peak 1: for each band its first bin and its weights.
const FILTERS = (() => {
  const low = hzToMel(FRONT_END.mel_low_hz);
  const step = (hzToMel(FRONT_END.mel_high_hz) - low) / (MEL_BANDS + 1);
  const edges = Array.from({ length: MEL_BANDS + 2 }, (_, index) => melToHz(low + index * step));
  return Array.from({ length: MEL_BANDS }, (_, band) => {
    const [left, middle, right] = edges.slice(band, band + 3);
    const weights = [];
    let first = 0;
    for (let bin = 0; bin <= FFT_LENGTH / 2; bin += 1) {
      const hz = (bin * SAMPLE_RATE) / FFT_LENGTH;
      const weight = Math.min((hz - left) / (middle - left), (right - hz) / (right - middle));
      if (weight > 0) {
        if (weights.length === 0) first = bin;
        weights.push(weight);
      }
    }
    return { first, weights: Float32Array.from(weights) };
  });
})();

// Periodic Hann window, centred in the transform's length and rounded to float32 as NumPy's is.
const WINDOW = (() => {
  const window = new Float32Array(FFT_LENGTH);
  const left = (FFT_LENGTH - FRONT_END.window_length) / 2;
  for (let index = 0; index < FRONT_END.window_length; index += 1) {
    window[left + index] = 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / FRONT_END.window_length);
  }
  return window;
})();

/** How many frames `samples` samples at 16 kHz give; not centred. */
export function frameCount(samples) {
  return Math.max(0, 1 + Math.floor((samples - FFT_LENGTH) / HOP_LENGTH));
}

/**
 * Natural-log mel power of 16 kHz `samples` (Float32Array).
 * Returns { values, frames }: values is Float32Array, band after band: values[band * frames + frame], in nats.
 */
export function logMel(samples) {
  const frames = frameCount(samples.length);
  const values = new Float32Array(MEL_BANDS * frames);
  const spectrum = new PowerSpectrum(FFT_LENGTH);
  const windowed = new Float64Array(FFT_LENGTH);
  for (let frame = 0; frame < frames; frame += 1) {
    const start = frame * HOP_LENGTH;
    for (let index = 0; index < FFT_LENGTH; index += 1) windowed[index] = samples[start + index] * WINDOW[index];
    const power = spectrum.of(windowed);
    FILTERS.forEach(({ first, weights }, band) => {
      let sum = 0;
      for (let index = 0; index < weights.length; index += 1) sum += power[first + index] * weights[index];
      values[band * frames + frame] = Math.log(sum + FRONT_END.log_floor);
    });
  }
  return { values, frames };
}

/** Zero mean and unit variance over a whole utterance, one of each for all bands; a new Float32Array. */
export function normalizeLogMel(values) {
  let mean = 0;
  for (const value of values) mean += value;
  mean /= values.length;
  let variance = 0;
  for (const value of values) variance += (value - mean) ** 2;
  const scale = Math.sqrt(variance / values.length) + FRONT_END.normalize_epsilon;
  return values.map((value) => (value - mean) / scale);
}

/** Deviation over time of the mean over bands, in nats: how much the sound goes up and down, as syllables do. */
export function modulation({ values, frames }) {
  const means = new Float64Array(frames);
  for (let band = 0; band < MEL_BANDS; band += 1) {
    for (let frame = 0; frame < frames; frame += 1) means[frame] += values[band * frames + frame] / MEL_BANDS;
  }
  const mean = means.reduce((sum, value) => sum + value, 0) / frames;
  return Math.sqrt(means.reduce((sum, value) => sum + (value - mean) ** 2, 0) / frames);
}
