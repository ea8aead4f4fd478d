// Level, trimming and length of an utterance, as edge_s2i/audio/level.py, trimming.py and reading.py have them.

import { HOP_LENGTH, MAX_SAMPLES, MIN_SAMPLES, SAMPLE_RATE } from './audio-constants.js';

const UTTERANCE_PEAK = 0.8; // of full scale
const LOUD_FRAMES = 8; // 80 ms
const QUIETEST_DB = -120;
const RANGE_DB = 35; // frames this far below the loud part are silence
const CLICK_DB = 30; // below the loudest frame the loud part is not sought
const ONSET_RANGE_DB = 25; // a soft first consonant is this far below the vowel after it
const BREAK_FRAMES = 6; // 60 ms: a stop consonant's silence is no longer
const MARGIN_FRAMES = 8; // 80 ms kept on each side

/** What was said cannot be used as an utterance: too short, or too long. */
export class UtteranceError extends Error {}

/** Mean square of each whole 10 ms frame of 16 kHz `samples`. */
export function frameEnergy(samples) {
  const energy = new Float32Array(Math.floor(samples.length / HOP_LENGTH));
  for (let frame = 0; frame < energy.length; frame += 1) {
    let sum = 0;
    for (let index = frame * HOP_LENGTH; index < (frame + 1) * HOP_LENGTH; index += 1) sum += samples[index] ** 2;
    energy[frame] = sum / HOP_LENGTH;
  }
  return energy;
}

/** Energy that the loudest 80 ms of a recording reach, however much silence is around them. */
export function loudEnergy(energy) {
  return energy.slice().sort()[Math.max(0, energy.length - LOUD_FRAMES)];
}

/** Level in dB below full scale of the loud part of `samples`. */
export function levelDb(samples) {
  const energy = frameEnergy(samples);
  if (energy.length === 0) return QUIETEST_DB;
  return Math.max(QUIETEST_DB, 10 * Math.log10(loudEnergy(energy) + 1e-12));
}

/** `samples` scaled to the peak at which utterances are heard; digital silence comes back as it is. */
export function setPeak(samples) {
  const peak = samples.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 0);
  if (peak === 0) return samples;
  const gain = Math.fround(UTTERANCE_PEAK / peak);
  return samples.map((value) => value * gain);
}

/** The part of `samples` from the first to the last loud frame, and 80 ms around it. */
export function trimSilence(samples) {
  const energy = frameEnergy(samples);
  if (energy.length < 2 * MARGIN_FRAMES) return samples;
  const loudest = energy.reduce((greatest, value) => Math.max(greatest, value), 0);
  const reference = Math.max(loudEnergy(energy), loudest * 10 ** (-CLICK_DB / 10));
  const threshold = reference * 10 ** (-RANGE_DB / 10);
  const firstLoud = energy.findIndex((value) => value > threshold);
  if (reference <= 0 || firstLoud < 0) return samples;
  const lastLoud = energy.findLastIndex((value) => value > threshold);
  const first = Math.max(0, firstLoud - MARGIN_FRAMES);
  const last = Math.min(energy.length, lastLoud + 1 + MARGIN_FRAMES);
  return samples.subarray(first * HOP_LENGTH, last === energy.length ? samples.length : last * HOP_LENGTH);
}

/** First sample of the sound that goes on at the end of `samples`: loud frames with less than 60 ms between them. */
export function loudSince(samples) {
  const energy = frameEnergy(samples);
  const bar = energy.reduce((greatest, value) => Math.max(greatest, value), 0) * 10 ** (-ONSET_RANGE_DB / 10);
  let since = energy.length;
  for (let frame = energy.length - 1; frame >= 0 && since - frame <= BREAK_FRAMES; frame -= 1) {
    if (energy[frame] > bar) since = frame;
  }
  return since * HOP_LENGTH;
}

/** The utterance in `samples`, trimmed; UtteranceError where it is not 0.2 to 4 s long. */
export function checkUtterance(samples) {
  if (samples.length < MIN_SAMPLES) {
    throw new UtteranceError(`the audio is ${(samples.length / SAMPLE_RATE).toFixed(2)} s long`);
  }
  const utterance = trimSilence(samples);
  if (utterance.length > MAX_SAMPLES) {
    throw new UtteranceError(`the audio holds ${(utterance.length / SAMPLE_RATE).toFixed(1)} s of sound`);
  }
  if (utterance.length >= MIN_SAMPLES) return utterance;
  // A single loud moment: what an utterance needs at least, around its peak.
  let peak = 0;
  for (let index = 1; index < samples.length; index += 1) {
    if (Math.abs(samples[index]) > Math.abs(samples[peak])) peak = index;
  }
  const start = Math.min(Math.max(peak - MIN_SAMPLES / 2, 0), samples.length - MIN_SAMPLES);
  return samples.subarray(start, start + MIN_SAMPLES);
}
