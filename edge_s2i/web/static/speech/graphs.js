// The bundle's two graphs on ONNX Runtime Web: on the GPU where that is faster here, else on the CPU's SIMD and threads.

const MOST_THREADS = 4; // more gain nothing on graphs this small

/** How many threads a page may use: one where it is not isolated from other origins. */
export function threadCount(isolated, cores) {
  return isolated ? Math.min(MOST_THREADS, Math.ceil((cores || 1) / 2)) : 1;
}

/**
 * Opens a bundle's graphs.
 * ort: the onnxruntime-web module; provider: 'wasm' or 'webgpu', of the generator. The encoder stays on the CPU: ONNX
 * Runtime Web 1.30's WebGPU hears something else (embeddings of 0.98 cosine), where it draws what the CPU draws.
 * Returns { runEncoder, runGenerator, release } as SpeechToPicture takes them.
 */
export async function openGraphs(ort, bundle, provider) {
  const options = (name) => ({ executionProviders: [name], graphOptimizationLevel: 'all', logSeverityLevel: 3 });
  const encoder = await ort.InferenceSession.create(bundle.encoder, options('wasm'));
  const generator = await ort.InferenceSession.create(bundle.generator, options(provider));
  const { embedding_dim: width, latent_dim: latentWidth, styles } = bundle.manifest;

  const run = async (session, feeds) => {
    const known = Object.fromEntries(Object.entries(feeds).filter(([name]) => session.inputNames.includes(name)));
    const [name] = session.outputNames; // others are of no use here: a generator may give its picture as bytes too
    const { [name]: output } = await session.run(known, [name]);
    const data = await output.getData();
    output.dispose();
    return data;
  };
  return {
    runEncoder: ({ log_mel: values, bands, frames }) =>
      run(encoder, {
        log_mel: new ort.Tensor('float32', values, [1, bands, frames]),
        lengths: new ort.Tensor('int64', BigInt64Array.of(BigInt(frames)), [1]),
      }),
    runGenerator: ({ embedding, latent, style, rows }) =>
      run(generator, {
        embedding: new ort.Tensor('float32', embedding, [rows, width]),
        latent: new ort.Tensor('float32', latent, [rows, latentWidth]),
        style: new ort.Tensor('float32', style, [rows, styles.length]),
      }),
    release: async () => {
      await encoder.release();
      await generator.release();
    },
  };
}
