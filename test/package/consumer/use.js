/**
 * A stranger's program in Node: every door, and a little of all that the package does. Prints what came out as one
 * line of JSON.
 */

import { createHash } from "node:crypto";
import { compress, createEngine, datasetFromArrays, decompress, likelihood, openModel, trainModel } from "pixelcnn";

const names = async (door) => Object.keys(await import(door)).length;
const doors = {
  pixelcnn: await names("pixelcnn"),
  node: await names("pixelcnn/node"),
  graph: await names("pixelcnn/graph"),
};
// The workers are scripts of threads: what they take must resolve.
for (const door of ["pixelcnn/worker", "pixelcnn/codec-worker", "pixelcnn/models/mnist/config.json"])
  import.meta.resolve(door);

const model = await openModel("mnist");
const engine = createEngine(model, { threads: 2 });
const drawn = await engine.sample({ count: 2, seed: 7 });
await engine.close();

const three = { height: 28, width: 28, pixels: Uint8Array.from({ length: 3 * 28 * 28 }, (_, i) => (i * 7) % 256) };
const archive = await compress(model, three);
const restored = await decompress(model, archive, { threads: 2 });

const data = datasetFromArrays(
  { name: "stripes", split: "train", height: 8, width: 8, channels: 1, levels: 4, classes: null },
  Uint8Array.from({ length: 64 * 8 * 8 }, (_, i) => ((i >> 2) + Math.floor(i / 64)) % 4),
);
const losses = [];
const trained = await trainModel({
  ...{ data, steps: 5, seed: 3 },
  model: { features: 8, depth: 2, skip: 8, head: { features: 8 } },
  train: { batch: 8, rate: 1e-2, warmup: 0 },
  onEvent: (event) => event.type === "step" && losses.push(event.loss),
});
const { nats } = await likelihood(trained, data, { limit: 8, threads: 1 });

// Which build of ONNX Runtime computes here.
const { Graph, compile, openSession, ops } = await import("pixelcnn/graph");
const graph = new Graph("double");
const x = graph.input("x", "float32", [1]);
graph.output("y", ops.add(x, x));
const session = await openSession(compile(graph));
const { runtime } = session;
await session.close();

const same = restored.every(({ pixels }, i) => pixels.every((level, at) => level === three.pixels[i * 784 + at]));
console.log(
  JSON.stringify({
    ...{ doors, hash: createHash("sha256").update(drawn.pixels).digest("hex"), archive: archive.length },
    ...{ restored: restored.length, same, losses, nats, runtime },
  }),
);
