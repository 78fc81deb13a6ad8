/** Train a small Gated PixelCNN on MNIST, measure it, and draw digits as text. `node examples/train-and-sample.ts [steps]` */

import type { Model } from "../src/index.ts";
import {
  createEngine,
  initialState,
  likelihood,
  openData,
  pixelcnnParameters,
  resolveRun,
  train,
  unflatten,
} from "../src/node.ts";

const steps = Number(process.argv[2] ?? 600);
const data = { source: "mnist", binarise: "threshold" } as const;
const config = resolveRun({
  data,
  model: {
    height: 28,
    width: 28,
    channels: 1,
    levels: 2,
    features: 16,
    depth: 4,
    dilations: [1, 2, 4],
    skip: 16,
    head: { features: 32 },
  },
  train: { budget: { steps }, rate: 5e-3 },
});
const [images, test] = await Promise.all([
  openData("mnist", { binarise: "threshold", split: "train" }),
  openData("mnist", { binarise: "threshold", split: "test" }),
]);

let model: Model = {
  config: config.model,
  parameters: unflatten(pixelcnnParameters(config.model), initialState(config).average),
};
for await (const event of train({ config, data: images })) {
  if (event.type === "step" && event.step % 100 === 0) console.log(`step ${event.step}: ${event.loss.toFixed(1)} nats`);
  if (event.type === "checkpoint") model = event.model;
}
const { nats, bitsPerDim } = await likelihood(model, test, { limit: 500 });
console.log(`test: ${nats.toFixed(1)} nats, ${bitsPerDim.toFixed(4)} bits/dim`);

const engine = createEngine(model);
const { pixels } = await engine.sample({ count: 4, height: 28, width: 28, seed: 1 });
for (let row = 0; row < 28; row++) {
  console.log(
    [0, 1, 2, 3]
      .map((i) => Array.from(pixels.slice((i * 28 + row) * 28, (i * 28 + row + 1) * 28), (v) => (v ? "#" : " ")).join(""))
      .join(" "),
  );
}
await engine.close();
