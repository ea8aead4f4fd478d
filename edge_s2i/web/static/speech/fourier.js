// A real Fourier transform of a power-of-two length, in float64.

/** Plans transforms of `length` real samples; the power spectrum has length / 2 + 1 bins. */
export class PowerSpectrum {
  constructor(length) {
    if (length < 4 || (length & (length - 1)) !== 0) throw new Error(`${length} is not a power of two above 2`);
    this.length = length;
    this.half = length / 2;
    this.real = new Float64Array(this.half);
    this.imag = new Float64Array(this.half);
    this.power = new Float64Array(this.half + 1);
    this.cos = Float64Array.from({ length: this.half }, (_, index) => Math.cos((2 * Math.PI * index) / length));
    this.sin = Float64Array.from({ length: this.half }, (_, index) => Math.sin((2 * Math.PI * index) / length));
    const bits = Math.log2(this.half);
    this.reversed = Uint32Array.from({ length: this.half }, (_, index) => {
      let result = 0;
      for (let bit = 0; bit < bits; bit += 1) result |= ((index >> bit) & 1) << (bits - 1 - bit);
      return result;
    });
  }

  /** |X|^2 of `samples` (this.length values); the array that comes back is used again by the next call. */
  of(samples) {
    const { half, real, imag, cos, sin, power } = this;
    // Even samples as the real part and odd ones as the imaginary part: one transform of half the length.
    for (let index = 0; index < half; index += 1) {
      const place = this.reversed[index];
      real[place] = samples[2 * index];
      imag[place] = samples[2 * index + 1];
    }
    for (let size = 1; size < half; size *= 2) {
      const stride = half / size; // in steps of the table, which turns once over `length`
      for (let start = 0; start < half; start += 2 * size) {
        for (let offset = 0; offset < size; offset += 1) {
          const a = start + offset;
          const b = a + size;
          const c = cos[offset * stride];
          const s = -sin[offset * stride];
          const re = real[b] * c - imag[b] * s;
          const im = real[b] * s + imag[b] * c;
          real[b] = real[a] - re;
          imag[b] = imag[a] - im;
          real[a] += re;
          imag[a] += im;
        }
      }
    }
    power[0] = (real[0] + imag[0]) ** 2;
    power[half] = (real[0] - imag[0]) ** 2;
    for (let bin = 1; bin < half; bin += 1) {
      const mirror = half - bin;
      const evenRe = (real[bin] + real[mirror]) / 2;
      const evenIm = (imag[bin] - imag[mirror]) / 2;
      const oddRe = (imag[bin] + imag[mirror]) / 2;
      const oddIm = (real[mirror] - real[bin]) / 2;
      const c = cos[bin];
      const s = -sin[bin];
      const re = evenRe + oddRe * c - oddIm * s;
      const im = evenIm + oddRe * s + oddIm * c;
      power[bin] = re * re + im * im;
    }
    return power;
  }
}
