// Runs the page's speech modules on what a test gives: a JSON object on standard input; the answer goes to the
// file that `out` names. Arrays travel as base64 of little-endian float32.

import { readFileSync, writeFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { fileURLToPath, pathToFileURL } from 'node:url';
import path from 'node:path';

const request = JSON.parse(readFileSync(0, 'utf8'));
const page = (name) => import(pathToFileURL(path.join(request.static, name)).href);
const floats = (text) => {
  const bytes = Buffer.from(text, 'base64');
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};
const text = (values) => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');

async function openRuntime() {
  const folder = path.dirname(request.out);
  const unpack = (name) => {
    const file = path.join(folder, name);
    writeFileSync(file, brotliDecompressSync(readFileSync(path.join(request.static, 'vendor', `${name}.br`))));
    return pathToFileURL(file).href;
  };
  const ort = await import(unpack('ort.wasm.min.mjs'));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { mjs: unpack('ort-wasm-simd-threaded.mjs') };
  ort.env.wasm.wasmBinary = readFileSync(fileURLToPath(unpack('ort-wasm-simd-threaded.wasm')));
  return ort;
}

async function speechToPicture(bundleFolder) {
  const ort = await openRuntime();
  const { readBundle } = await page('speech/bundle.js');
  const { openGraphs } = await page('speech/graphs.js');
  const { SpeechToPicture } = await page('speech/speech-to-picture.js');
  const bundle = await readBundle(async (name) => {
    const content = readFileSync(path.join(bundleFolder, name));
    return content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  });
  return new SpeechToPicture(bundle, await openGraphs(ort, bundle, 'wasm'));
}

const answers = {
  async constants() {
    return (await page('speech/audio-constants.js')).FRONT_END;
  },
  async settings() {
    return (await page('speech/session.js')).SETTINGS;
  },
  async logMel({ clips }) {
    const { logMel, modulation, normalizeLogMel } = await page('speech/log-mel.js');
    return clips.map((clip) => {
      const features = logMel(floats(clip));
      return {
        values: text(features.values),
        frames: features.frames,
        normalized: text(normalizeLogMel(features.values)),
        modulation: modulation(features),
      };
    });
  },
  async utterance({ clips }) {
    const { checkUtterance, levelDb, setPeak, trimSilence } = await page('speech/utterance.js');
    return clips.map((clip) => {
      const samples = floats(clip);
      let utterance = null;
      try {
        utterance = text(setPeak(checkUtterance(samples)));
      } catch (error) {
        if (error.constructor.name !== 'UtteranceError') throw error;
      }
      return { level: levelDb(samples), trimmed: trimSilence(samples).length, utterance };
    });
  },
  async latents({ requests }) {
    const { drawLatents } = await page('speech/latents.js');
    return requests.map(([seed, n, size]) => text(drawLatents(seed, n, size)));
  },
  async resample({ rate, samples, chunk }) {
    const { Resampler } = await page('speech/resampler.js');
    const resampler = new Resampler(rate);
    const input = floats(samples);
    const output = [];
    for (let start = 0; start < input.length; start += chunk) {
      output.push(...resampler.process(input.subarray(start, start + chunk)));
    }
    return text(Float32Array.from(output));
  },
  async prototypes({ files }) {
    const { readNpy } = await page('speech/concepts.js');
    return files.map((file) => {
      const bytes = Buffer.from(file, 'base64');
      return text(readNpy(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)).values);
    });
  },
  async session({ stream, chunk, settings, actions, slow, detector }) {
    const { SpeechSession } = await page('speech/session.js');
    const picture = { size: 1, pictures: [new Uint8ClampedArray(4)] };
    const pause = () => (slow ? new Promise((resolve) => setTimeout(resolve, slow)) : undefined);
    const draw = {
      manifest: { confidence: { threshold: 0.5 }, image_size: 1 },
      async hear() {
        await pause();
        return { embedding: new Float32Array(1), confidence: 0.8, concept: 'x', understood: true, reason: '', timings: {} };
      },
      async paint() {
        return picture;
      },
    };
    const events = [];
    const session = new SpeechSession(draw, ({ type, ending, samples, index, partials, utterance, at }) => {
      events.push({ type, ending, samples: samples?.length ?? samples, index, partials, utterance, at });
    }, settings);
    if (detector) {
      const { SileroDetector } = await page('speech/voice-activity.js');
      session.listenWith(await SileroDetector.open(await openRuntime(), new Uint8Array(readFileSync(detector))));
    }
    const samples = floats(stream);
    const due = [...actions];
    for (let start = 0; start < samples.length; start += chunk) {
      while (due.length && due[0][0] <= start) session[due.shift()[1]]();
      session.feed(samples.subarray(start, start + chunk));
      await session.hearing;
      if (!slow) await session.work;
    }
    await session.finish();
    return events;
  },
  async flood({ stream }) {
    const { SpeechSession } = await page('speech/session.js');
    const draw = {
      manifest: { confidence: { threshold: 0.5 }, image_size: 1 },
      hear: async () => ({ embedding: null, confidence: 0, understood: false, reason: 'unsure', timings: {} }),
    };
    const events = [];
    const session = new SpeechSession(draw, ({ type, samples }) => {
      events.push({ type, samples: samples?.length ?? samples });
    }, { handsFree: true });
    const samples = floats(stream);
    for (let start = 0; start < samples.length; start += 320) session.feed(samples.subarray(start, start + 320));
    await session.finish();
    return events;
  },
  async draw({ bundle, clips, seed, n, style }) {
    const draw = await speechToPicture(bundle);
    const results = [];
    for (const clip of clips) {
      const hearing = await draw.hear(floats(clip));
      const drawn = hearing.embedding ? await draw.paint(hearing.embedding, { n, seed, style }) : { pictures: [] };
      results.push({
        ...hearing,
        embedding: hearing.embedding ? text(hearing.embedding) : null,
        size: drawn.size,
        pictures: drawn.pictures.map((picture) => Buffer.from(picture.buffer).toString('base64')),
      });
    }
    return results;
  },
};

const answer = Buffer.from(JSON.stringify(await answers[request.ask](request)));
writeFileSync(request.out, answer);
process.exit(0); // ONNX Runtime's threads would keep it alive
