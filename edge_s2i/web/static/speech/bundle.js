// A bundle in the browser: the same files that every runtime reads, each checked against the manifest's SHA-256.

import { checkFrontEnd } from './audio-constants.js';
import { readNpy } from './concepts.js';

const FORMAT_VERSION = 1;

/**
 * Reads and checks a bundle.
 * read: async (name) => ArrayBuffer; progress: called with bytes read so far and bytes in all.
 * Returns { manifest, encoder, generator, prototypes }, the graphs as Uint8Array.
 */
export async function readBundle(read, progress = () => {}) {
  const manifest = JSON.parse(new TextDecoder().decode(await read('manifest.json')));
  if (manifest.format !== FORMAT_VERSION) {
    throw new Error(`the bundle has format ${manifest.format}; this page reads ${FORMAT_VERSION}`);
  }
  checkFrontEnd(manifest.audio);
  const graphs = [manifest.models.encoder.file, manifest.models.generator.file];
  if (graphs.some((name) => !name)) throw new Error('the bundle has no ONNX graphs');
  const names = [...graphs, 'concepts.npy'];
  const total = names.reduce((sum, name) => sum + manifest.files[name].bytes, 0);
  let done = 0;
  const contents = await Promise.all(
    names.map(async (name) => {
      const content = await read(name);
      await check(name, content, manifest.files[name]);
      done += content.byteLength;
      progress(done, total);
      return content;
    }),
  );
  return {
    manifest,
    encoder: new Uint8Array(contents[0]),
    generator: new Uint8Array(contents[1]),
    prototypes: readNpy(contents[2]),
  };
}

async function check(name, content, info) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (content.byteLength !== info.bytes || hex !== info.sha256) throw new Error(`${name} is damaged; load the page again`);
}
