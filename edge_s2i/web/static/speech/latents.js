// Latents from a seed, bit for bit those of edge_s2i/runtime/latents.py: NumPy's SeedSequence and PCG64 (XSL RR 128/64),
// then Box and Muller's transform in float64.

const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/** Words of state from a seed: numpy.random.SeedSequence(seed).generate_state(words, uint32). */
export function seedWords(seed, words) {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`seed is ${seed}; give 0 or more`);
  const entropy = seed > 0xffffffff ? [seed >>> 0, Math.floor(seed / 2 ** 32)] : [seed];
  let constant = 0x43b0d7e5;
  const hash = (value) => {
    let mixed = value ^ constant;
    constant = Math.imul(constant, 0x931e8875);
    mixed = Math.imul(mixed, constant);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const mix = (x, y) => {
    const mixed = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const pool = [0, 1, 2, 3].map((index) => hash(entropy[index] ?? 0));
  for (let source = 0; source < 4; source += 1) {
    for (let target = 0; target < 4; target += 1) {
      if (source !== target) pool[target] = mix(pool[target], hash(pool[source]));
    }
  }
  constant = 0x8b51f9dd;
  return Array.from({ length: words }, (_, index) => {
    let value = pool[index % 4] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    value = Math.imul(value, constant);
    return (value ^ (value >>> 16)) >>> 0;
  });
}

/** The raw 64-bit stream of numpy.random.PCG64(seed). */
export class Pcg64 {
  constructor(seed) {
    const words = seedWords(seed, 8).map(BigInt);
    const pairs = [0, 2, 4, 6].map((index) => words[index] | (words[index + 1] << 32n));
    this.increment = ((((pairs[2] << 64n) | pairs[3]) << 1n) | 1n) & MASK_128;
    this.state = this.increment;
    this.state = (this.state + ((pairs[0] << 64n) | pairs[1])) & MASK_128;
    this.step();
  }

  step() {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK_128;
  }

  /** The next number, a BigInt of 64 bits. */
  next() {
    this.step();
    const folded = (this.state >> 64n) ^ (this.state & MASK_64);
    const turn = this.state >> 122n;
    return ((folded >> turn) | (folded << (64n - turn))) & MASK_64;
  }
}

/** n rows of `size` standard-normal latents, row after row; the first row of seed 0 is zeros. */
export function drawLatents(seed, n, size) {
  const stream = new Pcg64(seed);
  const uniform = () => (Number(stream.next() >> 11n) + 0.5) * 2 ** -53;
  const latents = new Float32Array(n * size);
  for (let index = 0; index < latents.length; index += 1) {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    latents[index] = radius * Math.cos(2 * Math.PI * uniform());
  }
  if (seed === 0) latents.fill(0, 0, size);
  return latents;
}
