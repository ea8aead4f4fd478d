// The concepts that a bundle knows, as points on a sphere: for confidence and explaining, not for drawing.

const FLOAT16_TABLE_BITS = 16;

/**
 * Reads a two-dimensional .npy, rows first: { rows, columns, values }. Float16 or float32, little-endian, as they are;
 * rows of 8-bit numbers have lost their length, and are given unit length.
 */
export function readNpy(buffer) {
  const bytes = new Uint8Array(buffer);
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
  if (!magic.every((byte, index) => bytes[index] === byte)) throw new Error('the file is not a NumPy array');
  const view = new DataView(buffer);
  const length = bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = (bytes[6] === 1 ? 10 : 12) + length;
  const header = new TextDecoder('latin1').decode(bytes.subarray(start - length, start));
  const kind = /'descr':\s*'([^']+)'/.exec(header)?.[1];
  const shape = /'shape':\s*\((\d+),\s*(\d+)\)/.exec(header);
  if (!shape || !/'fortran_order':\s*False/.test(header)) throw new Error(`NumPy header ${header} is not understood`);
  const [rows, columns] = [Number(shape[1]), Number(shape[2])];
  const width = { '|i1': 1, '<f2': 2, '<f4': 4 }[kind];
  if (!width || buffer.byteLength < start + width * rows * columns) {
    throw new Error(`a NumPy array of ${kind} and ${rows} x ${columns} is not understood, or is cut short`);
  }
  const content = buffer.slice(start, start + width * rows * columns);
  const read = {
    1: () => ofUnitLength(new Int8Array(content), columns),
    2: () => fromFloat16(new Uint16Array(content)),
    4: () => new Float32Array(content),
  }[width];
  return { rows, columns, values: read() };
}

function ofUnitLength(codes, columns) {
  const values = new Float32Array(codes.length);
  for (let start = 0; start < codes.length; start += columns) {
    const row = codes.subarray(start, start + columns);
    const length = Math.max(1, Math.sqrt(row.reduce((sum, code) => sum + code * code, 0)));
    row.forEach((code, column) => (values[start + column] = code / length));
  }
  return values;
}

function fromFloat16(halves) {
  const table = new Float32Array(2 ** FLOAT16_TABLE_BITS);
  for (let bits = 0; bits < table.length; bits += 1) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) table[bits] = fraction ? NaN : sign * Infinity;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return Float32Array.from(halves, (bits) => table[bits]);
}

/** Unit-length prototypes of the known concepts. */
export class ConceptIndex {
  /** names: string[]; prototypes: { rows, columns, values }; temperature divides cosines before the softmax. */
  constructor(names, prototypes, temperature) {
    if (prototypes.rows !== names.length) throw new Error('concepts.npy has not one row a concept');
    this.names = names;
    this.prototypes = prototypes;
    this.temperature = temperature;
  }

  /** softmax(cosine / temperature) of a unit-length embedding, in the order of the names. */
  probabilities(embedding) {
    const { rows, columns, values } = this.prototypes;
    const powers = new Float64Array(rows);
    for (let row = 0; row < rows; row += 1) {
      let sum = 0;
      for (let column = 0; column < columns; column += 1) sum += values[row * columns + column] * embedding[column];
      powers[row] = sum / this.temperature;
    }
    const greatest = powers.reduce((most, value) => Math.max(most, value), -Infinity);
    let total = 0;
    for (let row = 0; row < rows; row += 1) {
      powers[row] = Math.exp(powers[row] - greatest);
      total += powers[row];
    }
    return powers.map((power) => power / total);
  }

  /** The greatest of `probabilities`, and whose it is. */
  confidence(embedding) {
    const probabilities = this.probabilities(embedding);
    let best = 0;
    for (let row = 1; row < probabilities.length; row += 1) if (probabilities[row] > probabilities[best]) best = row;
    return { confidence: probabilities[best] ?? 0, concept: this.names[best] ?? null };
  }
}
