// Files that are kept for the time without the server only where they are of use; service-worker.js keeps the others.

const CACHE = 'edge-s2i'; // as in service-worker.js

/** Keeps files, by path; throws where one can be had neither from here nor from the server. */
export async function keepOffline(paths) {
  if (!('caches' in globalThis)) return; // not over https: nothing is kept
  const cache = await caches.open(CACHE);
  for (const path of paths) {
    if (!(await cache.match(path))) await cache.add(path);
  }
}
