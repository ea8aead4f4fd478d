// Keeps the page for the time without its server. What the server has is always newer, so it is asked first; what it
// answered is kept, and given where it does not answer.

const CACHE = 'edge-s2i'; // app/offline.js adds to it
const PATIENCE_MILLISECONDS = 3000;

self.addEventListener('install', (event) => event.waitUntil(keepAll().then(() => self.skipWaiting())));
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

async function keepAll() {
  const cache = await caches.open(CACHE);
  const response = await fetch('assets.json');
  if (!response.ok) throw new Error(`the list of files cannot be loaded (${response.status})`);
  await cache.put('/assets.json', response.clone());
  const { files, gpu, offline } = await response.json();
  if (!offline) return; // a bundle that no browser can compute with: without its server the page is of no use
  await cache.addAll(files);
  const wanted = new Set([...files, ...gpu, '/assets.json']);
  for (const request of await cache.keys()) {
    if (!wanted.has(new URL(request.url).pathname)) await cache.delete(request);
  }
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin || url.searchParams.has('token')) return;
  event.respondWith(answer(request, url.pathname));
});

async function answer(request, path) {
  const cache = await caches.open(CACHE);
  const asked = fetch(request).then(async (response) => {
    if (response.status === 200 && (await cache.match(path))) await cache.put(path, response.clone());
    return response;
  });
  asked.catch(() => undefined); // it may fail after the kept one was given
  const kept = await cache.match(path);
  if (!kept) return asked;
  const late = new Promise((resolve) => setTimeout(() => resolve(kept), PATIENCE_MILLISECONDS));
  return Promise.race([asked.catch(() => kept), late]);
}
