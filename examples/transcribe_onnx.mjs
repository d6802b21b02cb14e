// Reads a recording with an exported model, in Node or, with fetch in place of readFile, in a page.
//
//     npm install onnxruntime-web
//     node examples/transcribe_onnx.mjs EXPORT RECORDING.npy
//
// RECORDING.npy is float32 [frames, values] in the layout of manifest.json, which says how absence
// is marked, and by `block_order` where recordings have the blocks in another order than the model.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";

const [folder, recording] = process.argv.slice(2);
const manifest = JSON.parse(await readFile(`${folder}/manifest.json`, "utf8"));
const graph = await readFile(`${folder}/${manifest.files.fp32}`);
const digest = createHash("sha256").update(graph).digest("hex");
if (digest !== manifest.sha256[manifest.files.fp32]) throw new Error("the graph is damaged");

const npy = await readFile(recording);
const headerEnd = 10 + npy.readUInt16LE(8);
const header = npy.toString("latin1", 10, headerEnd);
if (!header.includes("'<f4'")) throw new Error("save the recording as float32");
const [frames, width] = header.match(/\((\d+), (\d+)\)/).slice(1).map(Number);
const recorded = new Float32Array(npy.buffer.slice(npy.byteOffset + headerEnd, npy.byteOffset + npy.length));

const blocks = manifest.layout.blocks;
const columns = blocks.map((block) => block.points.length * block.axes.length);
const places = blocks.map((_, index) => columns.slice(0, index).reduce((sum, own) => sum + own, 0));
const order = manifest.layout.block_order ?? blocks.map((block) => block.name);
const values = new Float32Array(recorded.length);
const presence = new Uint8Array(frames * blocks.length);
for (let frame = 0, start = 0; frame < frames; frame++) {
  order.forEach((name) => {
    const index = blocks.findIndex((block) => block.name === name);
    const block = blocks[index];
    const own = recorded.subarray(start, (start += columns[index]));
    const absent = (block.missing ?? "none").split(",").some((text) => {
      const marker = text.trim(); // of more kinds than this example knows
      if (!["none", "zeros", "nan"].includes(marker)) throw new Error(`absence by ${marker}`);
      return marker === "zeros" ? own.every((v) => v === 0) : marker === "nan" && own.some(isNaN);
    });
    if (absent) own.fill(0);
    values.set(own, frame * width + places[index]);
    presence[frame * blocks.length + index] = absent ? 0 : 1;
  });
}
const session = await ort.InferenceSession.create(graph);
const output = await session.run({
  features: new ort.Tensor("float32", values, [1, frames, width]),
  presence: new ort.Tensor("bool", presence, [1, frames, blocks.length]),
  lengths: new ort.Tensor("int64", BigInt64Array.from([BigInt(frames)]), [1]),
});
const [, steps, outputs] = output.log_probs.dims;
const second = manifest.output_stride / (manifest.frames_per_second ?? 25);
for (let step = 0, last = 0; step < steps; step++) {
  const row = output.log_probs.data.subarray(step * outputs, (step + 1) * outputs);
  const best = row.indexOf(Math.max(...row));
  // Repeats merge, and blanks (0) part.
  if (best && best !== last) console.log(`${(step * second).toFixed(2)} s  ${manifest.vocabulary[best - 1]}`);
  last = best;
}
