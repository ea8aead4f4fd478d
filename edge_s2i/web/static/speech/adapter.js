// Is there a GPU that a page may compute on, and what is it called?

/** The power preference that ONNX Runtime Web asks an adapter with. */
const ASKED = Object.freeze({ powerPreference: 'high-performance' });

/**
 * navigator and WebAssembly as a page has them.
 * Resolves to { name, software } of the adapter, software where it is the CPU in disguise; null without one, or without
 * the stack switching that the runtime with WebGPU is built on.
 */
export async function findAdapter({ gpu }, { Suspending }) {
  if (!gpu || !Suspending) return null;
  try {
    const adapter = await gpu.requestAdapter(ASKED);
    return adapter && { name: nameOf(adapter.info), software: isSoftware(adapter) };
  } catch {
    return null;
  }
}

function nameOf({ vendor, architecture, device, description } = {}) {
  return [...new Set([vendor, architecture, device, description])].filter(Boolean).join(' ') || 'unnamed';
}

function isSoftware(adapter) {
  return Boolean(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
}
