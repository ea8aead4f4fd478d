// The whole path: 16 kHz samples in, pictures out; edge_s2i/runtime/speech_to_picture.py in the browser.

import { MAX_SAMPLES, MIN_SAMPLES } from './audio-constants.js';
import { ConceptIndex } from './concepts.js';
import { drawLatents } from './latents.js';
import { MEL_BANDS, logMel, modulation, normalizeLogMel } from './log-mel.js';
import { UtteranceError, checkUtterance, levelDb, setPeak, trimSilence } from './utterance.js';

const MIN_MODULATION = 0.17; // nats; below it the sound rises and falls less than syllables do

const isSteady = (features) => modulation(features) < MIN_MODULATION;

/** A loaded bundle. */
export class SpeechToPicture {
  /**
   * bundle: what `readBundle` gives; encoder: async ({ log_mel, bands, frames }) => Float32Array of an embedding;
   * generator: async ({ embedding, latent, style, rows }) => Float32Array (rows, 3, size, size).
   */
  constructor(bundle, { encoder, generator }) {
    this.manifest = bundle.manifest;
    this.encoder = encoder;
    this.generator = generator;
    this.concepts = new ConceptIndex(bundle.manifest.concepts, bundle.prototypes, bundle.manifest.confidence.temperature);
  }

  /**
   * Checks and embeds one utterance, 16 kHz samples (Float32Array).
   * Returns { embedding, confidence, concept, understood, reason, timings }; embedding is null for silence and steady
   * noise, and reason is one of '', 'silence', 'short', 'long', 'noise', 'unsure'.
   */
  async hear(samples) {
    const settings = this.manifest.confidence;
    const nothing = (reason, timings = {}) => ({
      embedding: null, confidence: 0, concept: null, understood: false, reason, timings,
    });
    const start = performance.now();
    if (samples.length < MIN_SAMPLES) return nothing('short');
    if (levelDb(samples) < settings.min_level_db) return nothing('silence');
    let utterance;
    try {
      utterance = checkUtterance(samples);
    } catch (error) {
      if (!(error instanceof UtteranceError)) throw error;
      const beginning = trimSilence(samples).subarray(0, MAX_SAMPLES);
      return nothing(isSteady(logMel(setPeak(beginning))) ? 'noise' : 'long');
    }
    const features = logMel(setPeak(utterance));
    const timings = { log_mel: performance.now() - start };
    if (isSteady(features)) return nothing('noise', timings);
    const listening = performance.now();
    const embedding = await this.embed(normalizeLogMel(features.values), features.frames);
    timings.encoder = performance.now() - listening;
    const comparing = performance.now();
    const { confidence, concept } = this.concepts.confidence(embedding);
    timings.confidence = performance.now() - comparing;
    const understood = confidence >= settings.threshold;
    return { embedding, confidence, concept, understood, reason: understood ? '' : 'unsure', timings };
  }

  /** Embeds a normalized log-mel, band after band, as a vector of unit length. */
  async embed(values, frames) {
    const embedding = await this.encoder({ log_mel: values, bands: MEL_BANDS, frames });
    const norm = Math.sqrt(embedding.reduce((sum, value) => sum + value * value, 0));
    if (embedding.length !== this.manifest.embedding_dim || !Number.isFinite(norm)) {
      throw new Error('the encoder gave no embedding');
    }
    return embedding.map((value) => value / Math.max(norm, 1e-12));
  }

  /**
   * Draws n pictures of an embedding, first of them number `first` of the seed's readings.
   * style: a style's name, or null for the bundle's own. Returns { size, pictures }: Uint8ClampedArray RGBA each.
   */
  async paint(embedding, { n = 1, first = 0, seed = 0, style = null } = {}) {
    const { latent_dim: latentSize, styles, default_style: usual, image_size: size } = this.manifest;
    const chosen = style ?? usual;
    if (!styles.includes(chosen)) throw new Error(`style ${chosen} is unknown; there are ${styles.join(', ')}`);
    const weights = styles.map((name) => (name === chosen ? 1 : 0));
    const repeat = (values) => Float32Array.from({ length: n * values.length }, (_, index) => values[index % values.length]);
    const output = await this.generator({
      embedding: repeat(embedding),
      latent: drawLatents(seed, first + n, latentSize).slice(first * latentSize),
      style: repeat(weights),
      rows: n,
    });
    if (output.length !== n * 3 * size * size) throw new Error('the generator gave pictures of another size');
    return { size, pictures: Array.from({ length: n }, (_, row) => toRgba(output, row, size)) };
  }
}

function toRgba(output, row, size) {
  const area = size * size;
  const rgba = new Uint8ClampedArray(4 * area);
  for (let channel = 0; channel < 3; channel += 1) {
    const start = (3 * row + channel) * area;
    for (let pixel = 0; pixel < area; pixel += 1) {
      const value = Math.min(1, Math.max(-1, output[start + pixel]));
      rgba[4 * pixel + channel] = Math.fround(Math.fround(value + 1) * 127.5); // clamped arrays round half to even
    }
  }
  for (let pixel = 0; pixel < area; pixel += 1) rgba[4 * pixel + 3] = 255;
  return rgba;
}
