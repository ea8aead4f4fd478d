// The large picture: it grows out of blur while somebody speaks, and ends as exactly the pixels that were drawn.

const MIX_MILLISECONDS = 180;

/** Puts RGBA pixels on a canvas of the same size, as they are. */
export function putPixels(canvas, rgba, size) {
  if (canvas.width !== size) canvas.width = canvas.height = size;
  canvas.getContext('2d', { willReadFrequently: true }).putImageData(new ImageData(rgba, size, size), 0, 0);
}

export class PictureView {
  constructor(frame, canvas, sign) {
    this.frame = frame;
    this.canvas = canvas;
    this.sign = sign;
    this.calm = matchMedia('(prefers-reduced-motion: reduce)');
    this.from = null; // pixels that are on the canvas
    this.animation = 0;
  }

  /** One of 'empty', 'listening', 'growing', 'drawn', 'again', 'trouble'. */
  set state(state) {
    this.frame.dataset.state = state;
  }

  get state() {
    return this.frame.dataset.state;
  }

  /** A picture of what was said so far; strength in (0, 1] is how much of it to show. */
  grow({ picture, size, strength }) {
    const fresh = this.state !== 'growing';
    this.canvas.style.setProperty('--strength', strength.toFixed(3));
    this.state = 'growing';
    this.mix(picture, size, fresh);
  }

  /** The picture of an utterance; `name` is read out in its place to those who do not see it. */
  show({ picture, size, name }) {
    const grown = this.state === 'growing' || this.state === 'drawn';
    this.canvas.style.setProperty('--strength', '1');
    this.state = 'drawn';
    if (name !== undefined) this.canvas.setAttribute('aria-label', name ? `Picture: ${name}` : 'Picture');
    this.mix(picture, size, !grown);
  }

  /** Nothing was drawn, and a sign says why. */
  refuse(state, symbol) {
    this.state = state;
    this.from = null;
    this.sign.setAttribute('href', `#${symbol}`);
    this.canvas.setAttribute('aria-label', 'No picture');
  }

  mix(target, size, atOnce) {
    cancelAnimationFrame(this.animation);
    const from = this.from;
    if (atOnce || this.calm.matches || from?.length !== target.length) {
      this.put(target, size);
      return;
    }
    const start = performance.now();
    const step = (now) => {
      const share = Math.min(1, (now - start) / MIX_MILLISECONDS);
      if (share === 1) {
        this.put(target, size);
        return;
      }
      this.put(from.map((value, index) => value + (target[index] - value) * share), size);
      this.animation = requestAnimationFrame(step);
    };
    this.animation = requestAnimationFrame(step);
  }

  put(rgba, size) {
    this.from = rgba;
    putPixels(this.canvas, rgba, size);
  }
}
