// node run_graphs.mjs WEB FOLDER: runs the jobs of FOLDER on the onnxruntime-web that is installed in WEB.

import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { runJobs } from "./run_jobs.mjs";

const [web, folder] = process.argv.slice(2);
const dist = join(resolve(web), "node_modules", "onnxruntime-web", "dist");
const ort = await import(pathToFileURL(join(dist, "ort.node.min.mjs")).href).catch(
  () => import(pathToFileURL(join(dist, "ort.wasm.min.mjs")).href),
);
const read = async (name) => new Uint8Array(await readFile(join(folder, name)));
const write = (name, bytes) => writeFile(join(folder, name), bytes);
await runJobs(ort, read, write);
process.exit(0);
