// What comes over the WebSocket, as edge_s2i/web/protocol.py packs it.

/** A binary message: { ...event, picture, pictures, samples }, pictures as RGBA. */
export function unpack(buffer) {
  const view = new DataView(buffer);
  const start = 4 + view.getUint32(0, true);
  const event = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, start - 4)));
  const { pictures: count = 0, size = 0, samples } = event;
  const area = size * size;
  event.pictures = Array.from({ length: count }, (_, index) =>
    toRgba(new Uint8Array(buffer, start + 3 * area * index, 3 * area)),
  );
  event.picture = event.pictures[0];
  if (samples !== undefined) {
    const audio = new Int16Array(buffer.slice(start + 3 * area * count));
    if (audio.length !== samples) throw new Error('a message is cut short');
    event.samples = Float32Array.from(audio, (value) => value / 32768);
  }
  return event;
}

function toRgba(rgb) {
  const rgba = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
  for (let pixel = 0; pixel * 3 < rgb.length; pixel += 1) rgba.set(rgb.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
  return rgba;
}
