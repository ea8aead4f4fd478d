// Runs a folder's jobs on onnxruntime-web, in Node or in a page: only `read` and `write` differ.
// export/runtimes.py says what lies in the folder.

const ARRAYS = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array };

export async function runJobs(ort, read, write) {
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const { jobs } = JSON.parse(new TextDecoder().decode(await read("jobs.json")));
  for (const [number, job] of jobs.entries()) {
    let result;
    try {
      const session = await ort.InferenceSession.create(await read(job.graph), { executionProviders: ["wasm"] });
      const outputs = [];
      for (const [place, feed] of job.feeds.entries()) {
        const tensors = {};
        for (const name of session.inputNames) {
          const { file, type, shape } = feed[name];
          const bytes = await read(file);
          tensors[name] = new ort.Tensor(type, new ARRAYS[type](bytes.buffer.slice(0, bytes.byteLength)), shape);
        }
        const output = (await session.run(tensors))[session.outputNames[0]];
        const data = output.data;
        await write(`output-${number}-${place}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
        outputs.push({ type: output.type, shape: [...output.dims] });
      }
      result = { outputs };
      await session.release();
    } catch (error) {
      result = { error: String(error?.message ?? error).split("\n")[0] };
    }
    await write(`result-${number}.json`, new TextEncoder().encode(JSON.stringify(result)));
  }
}
