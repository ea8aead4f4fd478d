// The sound of the last seconds as bars, newest in the middle of the page's attention: at the right.

const BARS = 72;
const BAR_SAMPLES = 640; // 40 ms at 16 kHz
const FALL = 0.86; // of the shown level, a frame

export class Waveform {
  /** onLevel: called with the level, 0 to 1, as it is shown. */
  constructor(canvas, onLevel) {
    this.canvas = canvas;
    this.onLevel = onLevel;
    this.levels = new Float32Array(BARS);
    this.peak = 0;
    this.counted = 0;
    this.level = 0;
    this.live = false;
    this.running = false;
  }

  /** Takes 16-bit samples at 16 kHz. */
  feed(samples) {
    for (const sample of samples) {
      this.peak = Math.max(this.peak, Math.abs(sample));
      this.counted += 1;
      if (this.counted === BAR_SAMPLES) {
        this.levels.copyWithin(0, 1);
        this.levels[BARS - 1] = loudness(this.peak);
        this.level = Math.max(this.level, this.levels[BARS - 1]);
        this.peak = 0;
        this.counted = 0;
      }
    }
    if (!this.running) {
      this.running = true;
      requestAnimationFrame(() => this.paint());
    }
  }

  /** Forgets the sound, when the microphone is closed. */
  rest() {
    this.levels.fill(0);
    this.level = 0;
  }

  paint() {
    const { canvas, levels } = this;
    const style = getComputedStyle(canvas);
    const pixels = Math.min(2, devicePixelRatio || 1);
    const width = Math.round(canvas.clientWidth * pixels);
    const height = Math.round(canvas.clientHeight * pixels);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext('2d');
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = style.getPropertyValue(this.live ? '--live' : '--accent');
    const step = width / BARS;
    for (let bar = 0; bar < BARS; bar += 1) {
      const tall = Math.max(3 * pixels, levels[bar] * height);
      pen.globalAlpha = 0.25 + 0.75 * (bar / BARS);
      pen.beginPath();
      pen.roundRect(bar * step + step * 0.22, (height - tall) / 2, step * 0.56, tall, step);
      pen.fill();
    }
    this.level *= FALL;
    this.onLevel(this.level);
    this.running = this.level > 0.001 || levels.some((level) => level > 0);
    if (this.running) requestAnimationFrame(() => this.paint());
  }
}

// 50 dB of range: a whisper shows, and a shout does not fill the page.
function loudness(peak) {
  return Math.min(1, Math.max(0, 1 + (20 * Math.log10(Math.max(peak, 1) / 32768)) / 50));
}
