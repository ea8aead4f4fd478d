// What a GPU is tried with: sounds like a voice, and embeddings and latents that the generator may be given.

import { SAMPLE_RATE } from './audio-constants.js';
import { drawLatents } from './latents.js';
import { MEL_BANDS, logMel, normalizeLogMel } from './log-mel.js';
import { setPeak } from './utterance.js';

const SECONDS = [1.5, 0.7, 2.9];
const CONCEPTS = ['butterfly', 'dog', 'apple'];
const SYLLABLE = 0.22; // s
const OVERTONES = 16;

/** Feeds of the encoder, of several lengths, the first of them usual. */
export function encoderExamples() {
  return SECONDS.map((seconds) => {
    const { values, frames } = logMel(setPeak(babble(seconds)));
    return { log_mel: normalizeLogMel(values), bands: MEL_BANDS, frames };
  });
}

/** Feeds of a bundle's generator: one picture of each of several concepts. */
export function generatorExamples({ manifest, prototypes }) {
  const { concepts, latent_dim: latentSize, embedding_dim: width, styles, default_style: usual } = manifest;
  const style = Float32Array.from(styles, (name) => Number(name === usual));
  return CONCEPTS.map((concept, seed) => {
    const row = concepts.includes(concept) ? concepts.indexOf(concept) : seed % Math.max(1, prototypes.rows);
    const embedding = prototypes.rows
      ? prototypes.values.slice(row * prototypes.columns, (row + 1) * prototypes.columns)
      : unit(drawLatents(seed, 1, width));
    return { embedding, latent: drawLatents(seed, 1, latentSize), style, rows: 1 };
  });
}

function unit(values) {
  const norm = Math.hypot(...values);
  return values.map((value) => value / norm);
}

/** A gliding voice whose overtones come and go: 16 kHz samples. */
function babble(seconds) {
  let phase = 0;
  return Float32Array.from({ length: Math.round(seconds * SAMPLE_RATE) }, (_, index) => {
    const time = index / SAMPLE_RATE;
    phase += (2 * Math.PI * (140 + 40 * Math.sin(5 * time))) / SAMPLE_RATE;
    const formant = 5 + 4 * Math.sin(9 * time);
    let value = 0;
    for (let overtone = 1; overtone <= OVERTONES; overtone += 1) {
      value += Math.sin(overtone * phase) / (1 + Math.abs(overtone - formant));
    }
    return value * Math.sin((Math.PI * time) / SYLLABLE) ** 2;
  });
}
