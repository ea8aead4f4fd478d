// Which nodes of an ONNX graph a GPU leaves to the CPU: as much of onnx.proto as that takes.

const BUFFERS = 8; // that WebGPU promises to every shader; ONNX Runtime Web gives each input and output one of its own

const GRAPH = 7; // field of ModelProto
const NODE = 1; // of GraphProto
const FIELDS = { 1: 'inputs', 2: 'outputs', 3: 'name', 4: 'type' }; // of NodeProto

/**
 * Names of the Splits that give more than a shader can write, and of all that is computed only before them: small
 * things, and were they left to the GPU, the CPU would have to wait for it in the middle of the graph.
 * model: Uint8Array of an ONNX file.
 */
export function nodesForCpu(model) {
  const nodes = readNodes(model);
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
  const left = new Set();
  const waiting = nodes.filter(({ type, outputs }) => type === 'Split' && outputs.length + 1 > BUFFERS);
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (left.has(node)) continue;
    left.add(node);
    waiting.push(...node.inputs.map((name) => makers.get(name)).filter(Boolean));
  }
  return nodes.filter((node) => left.has(node) && node.name).map(({ name }) => name);
}

function readNodes(model) {
  const text = new TextDecoder();
  const nodes = [];
  for (const [field, graph] of fields(model)) {
    if (field !== GRAPH) continue;
    for (const [part, content] of fields(graph)) {
      if (part !== NODE) continue;
      const node = { inputs: [], outputs: [], name: '', type: '' };
      for (const [number, value] of fields(content)) {
        const key = FIELDS[number];
        if (!key) continue;
        if (Array.isArray(node[key])) node[key].push(text.decode(value));
        else node[key] = text.decode(value);
      }
      nodes.push(node);
    }
  }
  return nodes;
}

/** The fields of a protobuf message: [number, content], content a Uint8Array of those that have a length, else null. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; at < bytes.length; factor *= 128) {
      const byte = bytes[at];
      at += 1;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new Error('the graph ends too early');
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const kind = tag % 8;
    if (kind === 2) {
      const length = varint();
      if (at + length > bytes.length) throw new Error('the graph ends too early');
      yield [number, bytes.subarray(at, at + length)];
      at += length;
    } else {
      if (kind === 0) varint();
      else if (kind === 1) at += 8;
      else if (kind === 5) at += 4;
      else throw new Error('the graph is not ONNX');
      yield [number, null];
    }
  }
}
