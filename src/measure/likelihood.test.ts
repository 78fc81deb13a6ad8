/** The likelihood of a data set: every image counts once, whatever the batch; units; limits; what it refuses. */

import { expect, test } from "vitest";
import { binariseStochastically, datasetFromArrays, datasetOf } from "../data/dataset.ts";
import { naiveLogits, naiveLogProbability } from "../models/naive.test-support.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { configOf, randomModel, randomPixels } from "../models/random-model.test-support.ts";
import { initialise } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { readGolden } from "../train/torch-golden.test-support.ts";
import { likelihood } from "./likelihood.ts";

const config = configOf({ height: 3, width: 4, levels: 3, depth: 2 });
const { parameters } = randomModel(config, 2);
const pixels = randomPixels(config, 10);
const { height, width, channels, levels } = config;
const parts = { name: "ten", split: "test", height, width, channels, levels, classes: null };
const data = datasetFromArrays(parts, pixels);
const size = height * width * channels;
const image = (i: number): Uint8Array => pixels.subarray(i * size, (i + 1) * size);
const naive = Array.from(
  { length: 10 },
  (_, i) => -naiveLogProbability(naiveLogits(config, parameters, image(i)), image(i)),
);

test.each([1, 3, 7, 64])("batch %i: all 10 images count, once each, in their order", async (batch) => {
  const found = await likelihood({ config, parameters }, data, { batch, threads: 2 });
  expect(found.images).toBe(10);
  expect(found.each).toHaveLength(10);
  for (const [i, nats] of naive.entries()) {
    // float32 sums of 12 terms against float64.
    expect(Math.abs(found.each[i]! - nats)).toBeLessThan(1e-6 * nats);
  }
  const mean = found.each.reduce((a, b) => a + b) / 10;
  expect(found.nats).toBeCloseTo(mean, 12);
});

test("bits/dim times dims times ln 2 is nats, in colour too", async () => {
  const colour = configOf({ height: 2, width: 3, channels: 3, depth: 1 });
  const images = datasetFromArrays({ ...parts, height: 2, width: 3, channels: 3, levels: 4 }, randomPixels(colour, 5));
  const found = await likelihood(randomModel(colour), images, { threads: 1 });
  expect(found.bitsPerDim * (2 * 3 * 3) * Math.LN2).toBeCloseTo(found.nats, 12);
});

test("the standard error is that of the mean of a sample", async () => {
  const { each, standardError, nats } = await likelihood({ config, parameters }, data, { threads: 1 });
  const variance = each.reduce((sum, v) => sum + (v - nats) ** 2, 0) / 9;
  expect(standardError).toBeCloseTo(Math.sqrt(variance / 10), 12);
  expect((await likelihood({ config, parameters }, data, { limit: 1, threads: 1 })).standardError).toBe(
    Number.POSITIVE_INFINITY,
  );
});

test("a limit takes the first so many images; one above the number of images takes all", async () => {
  const all = await likelihood({ config, parameters }, data, { threads: 1, batch: 4 });
  const some = await likelihood({ config, parameters }, data, { threads: 1, batch: 4, limit: 6 });
  expect(some.images).toBe(6);
  expect(some.each).toEqual(all.each.slice(0, 6));
  expect((await likelihood({ config, parameters }, data, { threads: 1, limit: 99 })).images).toBe(10);
});

test("the number of threads does not change a bit", async () => {
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map((threads) => likelihood({ config, parameters }, data, { threads, batch: 3 })),
  );
  expect(two).toEqual(one);
  expect(three).toEqual(one);
});

test("progress counts up to all images, and each image is read once, as epoch 0", async () => {
  const reads: number[] = [];
  const epochs = new Set<number>();
  const watched = datasetOf({ ...parts, length: 10, nameOf: String }, async (indices, target, _, epoch) => {
    epochs.add(epoch);
    // The last batch is filled up with its own last image.
    reads.push(...new Set(indices));
    indices.forEach((index, i) => {
      target.set(image(index), i * size);
    });
  });
  const progress: number[] = [];
  await likelihood({ config, parameters }, watched, {
    batch: 4,
    threads: 1,
    onProgress: ({ done }) => progress.push(done),
  });
  expect(reads.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([...epochs]).toEqual([0]);
  expect(progress.at(-1)).toBe(10);
});

test("images of another size or number of levels, and no images, are named", async () => {
  const wide = datasetFromArrays({ ...parts, width: 6 }, new Uint8Array(36));
  await expect(likelihood({ config, parameters }, wide)).rejects.toThrow(
    "expected images of width 4, as the model's config says, but ten has width 6",
  );
  const fine = datasetFromArrays({ ...parts, levels: 256 }, new Uint8Array(12));
  await expect(likelihood({ config, parameters }, fine)).rejects.toThrow("expected images of levels 3");
  const none = datasetFromArrays(parts, new Uint8Array(0));
  await expect(likelihood({ config, parameters }, none)).rejects.toThrow(
    "expected at least one image to evaluate but ten has none",
  );
});

test("an aborted signal stops it, and weights that do not fit are named before anything runs", async () => {
  await expect(
    likelihood({ config, parameters }, data, { threads: 1, signal: AbortSignal.abort() }),
  ).rejects.toMatchObject({ kind: "interrupted", message: "stopped on request" });
  const without = new Map(parameters);
  without.delete("skip.b");
  await expect(likelihood({ config, parameters: without }, data)).rejects.toThrow(
    "expected a parameter skip.b of shape [12]",
  );
});

test("a failing read is the error that the caller sees", async () => {
  const broken = datasetOf({ ...parts, length: 10, nameOf: String }, async () => {
    throw new Error("disk on fire");
  });
  await expect(likelihood({ config, parameters }, broken, { threads: 2 })).rejects.toThrow("disk on fire");
});

test.each(["grey", "colour"] as const)("the golden model's images (%s) have PyTorch's likelihood", async (name) => {
  const golden = readGolden(name);
  const { height, width, channels, levels } = golden.model;
  const images = datasetFromArrays(
    { name, split: "test", height, width, channels, levels, classes: null },
    golden.pixels,
  );
  const found = await likelihood({ config: golden.model, parameters: golden.parameters }, images, {
    batch: 2,
    threads: 1,
  });
  // 1e-5 relative: float32 against float64 through two layers.
  expect(Math.abs(found.nats / golden.loss - 1)).toBeLessThan(1e-5);
  found.each.forEach((nats, i) => {
    expect(Math.abs(nats / -golden.logProbabilities[i]! - 1), `image ${i}`).toBeLessThan(1e-5);
  });
});

test("a fresh model, whose logits are 0, needs 8 bits for a sub-pixel of 256 levels", async () => {
  const wide = configOf({ height: 5, width: 7, channels: 3, levels: 256, depth: 1 });
  const fresh = initialise(pixelcnnParameters(wide), randomFrom(1));
  const images = datasetFromArrays({ ...parts, height: 5, width: 7, channels: 3, levels: 256 }, randomPixels(wide, 3));
  const found = await likelihood({ config: wide, parameters: fresh }, images, { threads: 1 });
  // ln 256 as a float32 is 4e-8 of itself away; the sum is float64.
  expect(Math.abs(found.bitsPerDim - 8)).toBeLessThan(1e-6);
});

test("a fresh model gives 543.427 nats to each 28 x 28 image of two levels", async () => {
  const binary = configOf({ height: 28, width: 28, channels: 1, levels: 2, depth: 1 });
  const fresh = initialise(pixelcnnParameters(binary), randomFrom(1));
  const images = datasetFromArrays({ ...parts, height: 28, width: 28, levels: 2 }, randomPixels(binary, 5));
  const found = await likelihood({ config: binary, parameters: fresh }, images, { threads: 1 });
  // ln 2 as a float32, 784 times: the sum is float64, or this would end 4e-4 away.
  for (const nats of found.each) expect(Math.abs(nats - 784 * Math.LN2)).toBeLessThan(2e-5);
  expect(found.nats.toFixed(3)).toBe("543.427");
});

test("a test set that is binarised at random is one set: it has the same likelihood each time", async () => {
  const grey = datasetFromArrays({ ...parts, levels: 256 }, randomPixels(configOf({ height, width, levels: 256 }), 6));
  const binary = configOf({ height, width, levels: 2, depth: 1 });
  const weights = randomModel(binary).parameters;
  const first = await likelihood({ config: binary, parameters: weights }, binariseStochastically(grey, 3), {
    threads: 1,
  });
  expect(
    await likelihood({ config: binary, parameters: weights }, binariseStochastically(grey, 3), { threads: 1 }),
  ).toEqual(first);
  expect(
    await likelihood({ config: binary, parameters: weights }, binariseStochastically(grey, 4), { threads: 1 }),
  ).not.toEqual(first);
});
