// Does a GPU compute what the CPU computes, and is it at least as fast? Both are asked by turns.

const ROUNDS = 7;
const MOST_MILLISECONDS = 1500; // of measuring: a GPU that is far slower is not asked seven times
const FEWEST_ROUNDS = 2;

const finite = (value) => (Number.isFinite(value) ? value : null);

/** How results of each graph are compared, and how alike they must be. */
export const BOUNDS = Object.freeze({
  encoder: { likeness: cosine, least: 0.9999 },
  generator: { likeness: decibels, least: 40 },
});

/**
 * Tries one graph.
 * cpu: async function of feeds; start, gpu: the same on the GPU, the first with time for a first run of each shape;
 * examples: feeds; inTurn: async function that runs another while nobody is waiting for the CPU; measured: whether
 * times decide too; clock: performance.
 * Resolves to { chosen, likeness, cpu, gpu }: the least likeness, null where it is no number, and medians in ms, null
 * where nothing was measured.
 */
export async function tryGraph(name, { cpu, start, gpu, examples, inTurn, measured, clock }) {
  const { likeness: compare, least } = BOUNDS[name];
  let likeness = Infinity;
  for (const example of examples) {
    const expected = await inTurn(() => cpu(example));
    likeness = Math.min(likeness, compare(expected, await start(example)));
    if (!(likeness >= least)) return { chosen: false, likeness: finite(likeness), cpu: null, gpu: null };
  }
  if (!measured) return { chosen: true, likeness, cpu: null, gpu: null };
  const times = await measure({ cpu, gpu, example: examples[0], inTurn, clock });
  return { chosen: times.gpu <= times.cpu, likeness, ...times };
}

async function measure({ cpu, gpu, example, inTurn, clock }) {
  const times = { cpu: [], gpu: [] };
  const began = clock.now();
  for (let round = 0; round < ROUNDS; round += 1) {
    if (round >= FEWEST_ROUNDS && clock.now() - began > MOST_MILLISECONDS) break;
    await inTurn(async () => {
      for (const [who, run] of [['cpu', cpu], ['gpu', gpu]]) {
        const start = clock.now();
        await run(example);
        times[who].push(clock.now() - start);
      }
    });
  }
  return { cpu: median(times.cpu), gpu: median(times.gpu) };
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Cosine of two embeddings; not a number where anything is not finite, or their lengths differ. */
export function cosine(one, other) {
  if (one.length !== other.length) return NaN;
  let product = 0;
  let left = 0;
  let right = 0;
  for (let index = 0; index < one.length; index += 1) {
    product += one[index] * other[index];
    left += one[index] ** 2;
    right += other[index] ** 2;
  }
  return product / Math.sqrt(left * right);
}

/** PSNR of two pictures of values from -1 to 1, at most 99; not a number where anything is not finite. */
export function decibels(one, other) {
  if (one.length !== other.length) return NaN;
  const shown = (value) => Math.min(1, Math.max(-1, value));
  let squares = 0;
  for (let index = 0; index < one.length; index += 1) squares += (shown(one[index]) - shown(other[index])) ** 2;
  return Math.min(99, 10 * Math.log10((4 * one.length) / squares));
}
