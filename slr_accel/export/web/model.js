// Loads the exported recogniser, checks that it is whole, and runs it with onnxruntime-web.

import { Landmarks } from "./landmarks.js";
import { Told } from "./told.js";

/** Loads the model of a folder, given as an absolute URL that ends in a slash. */
export async function loadModel(folder) {
  if (typeof WebAssembly === "undefined") {
    throw new Told(
      "This browser does not run WebAssembly, or it is switched off (as in a lockdown mode).",
    );
  }
  const manifest = JSON.parse(new TextDecoder().decode(await fetched(folder, "manifest.json")));
  const file = manifest.files.int8 ?? manifest.files.fp32;
  const graph = await fetched(folder, file);
  await check(graph, manifest.sha256[file], file);
  let ort, session;
  try {
    ort = await import("./vendor/onnxruntime-web/ort.wasm.bundle.min.mjs");
    ort.env.wasm.wasmPaths = {
      wasm: new URL("vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm", folder).href,
    };
    ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
    session = await ort.InferenceSession.create(graph);
  } catch (error) {
    throw new Told(`The recogniser does not start in this browser (${error.message}).`);
  }
  const emit = (frames) => logProbs(ort, session, manifest, frames);
  return { manifest, file, emit, landmarks: new Landmarks(manifest) };
}

/** Log-probabilities {data, steps, outputs} of frames {values, presence} in the model's layout. */
async function logProbs(ort, session, manifest, frames) {
  const length = frames.length;
  const width = frames[0].values.length;
  const blocks = frames[0].presence.length;
  const values = new Float32Array(length * width);
  const presence = new Uint8Array(length * blocks);
  frames.forEach((frame, number) => {
    values.set(frame.values, number * width);
    presence.set(frame.presence, number * blocks);
  });
  const output = await session.run({
    features: new ort.Tensor("float32", values, [1, length, width]),
    presence: new ort.Tensor("bool", presence, [1, length, blocks]),
    lengths: new ort.Tensor("int64", BigInt64Array.of(BigInt(length)), [1]),
  });
  const [, steps, outputs] = output.log_probs.dims;
  const data = output.log_probs.data;
  soften(data, outputs, manifest.temperature);
  return { data, steps, outputs };
}

/** Divides by the temperature: confidences change, the best label of a step stays the best. */
function soften(data, outputs, temperature) {
  if (temperature === 1) return;
  for (let start = 0; start < data.length; start += outputs) {
    const row = data.subarray(start, start + outputs).map((value) => value / temperature);
    const top = Math.max(...row);
    const log = top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
    data.set(row.map((value) => value - log), start);
  }
}

async function fetched(folder, name) {
  let answer;
  try {
    answer = await fetch(new URL(name, folder));
  } catch {
    throw new Told(`${name} cannot be loaded: is the server that gave this page still there?`);
  }
  if (!answer.ok) {
    throw new Told(`${name} cannot be loaded (${answer.status}): is the folder whole?`);
  }
  return new Uint8Array(await answer.arrayBuffer());
}

async function check(bytes, expected, name) {
  if (!crypto.subtle) return; // browsers have it on https and on this machine alone
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== expected) {
    throw new Told(`${name} is damaged: it is not the file that was exported. Export it again.`);
  }
}
