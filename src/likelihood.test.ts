/** The likelihood of a data set: every image counts once, whatever the batch; units; limits; what it refuses. */

import { expect, test } from "vitest";
import { datasetFromArrays, datasetOf } from "./data/dataset.ts";
import { likelihood } from "./likelihood.ts";
import { naiveLogits, naiveLogProbability } from "./models/naive.test-support.ts";
import { configOf, randomModel, randomPixels } from "./models/random-model.test-support.ts";

const config = configOf({ height: 3, width: 4, levels: 3, depth: 2 });
const { parameters } = randomModel(config, 2);
const pixels = randomPixels(config, 10);
const { height, width, channels, levels } = config;
const parts = { name: "ten", split: "test", height, width, channels, levels, classes: null };
const data = datasetFromArrays(parts, pixels);
const size = height * width * channels;
const image = (i: number): Uint8Array => pixels.subarray(i * size, (i + 1) * size);
const naive = Array.from({ length: 10 }, (_, i) => -naiveLogProbability(naiveLogits(config, parameters, image(i)), image(i)));

test.each([1, 3, 7, 64])("batch %i: all 10 images count, once each, in their order", async (batch) => {
  const found = await likelihood(config, parameters, data, { batch, threads: 2 });
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
  const found = await likelihood(colour, randomModel(colour).parameters, images, { threads: 1 });
  expect(found.bitsPerDim * (2 * 3 * 3) * Math.LN2).toBeCloseTo(found.nats, 12);
});

test("the standard error is that of the mean of a sample", async () => {
  const { each, standardError, nats } = await likelihood(config, parameters, data, { threads: 1 });
  const variance = each.reduce((sum, v) => sum + (v - nats) ** 2, 0) / 9;
  expect(standardError).toBeCloseTo(Math.sqrt(variance / 10), 12);
  expect((await likelihood(config, parameters, data, { limit: 1, threads: 1 })).standardError).toBe(Number.POSITIVE_INFINITY);
});

test("a limit takes the first so many images; one above the number of images takes all", async () => {
  const all = await likelihood(config, parameters, data, { threads: 1, batch: 4 });
  const some = await likelihood(config, parameters, data, { threads: 1, batch: 4, limit: 6 });
  expect(some.images).toBe(6);
  expect(some.each).toEqual(all.each.slice(0, 6));
  expect((await likelihood(config, parameters, data, { threads: 1, limit: 99 })).images).toBe(10);
});

test("the number of threads does not change a bit", async () => {
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map((threads) => likelihood(config, parameters, data, { threads, batch: 3 })),
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
  await likelihood(config, parameters, watched, { batch: 4, threads: 1, onProgress: (done) => progress.push(done) });
  expect(reads.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([...epochs]).toEqual([0]);
  expect(progress.at(-1)).toBe(10);
});

test("images of another size or number of levels, and no images, are named", async () => {
  const wide = datasetFromArrays({ ...parts, width: 6 }, new Uint8Array(36));
  await expect(likelihood(config, parameters, wide)).rejects.toThrow(
    "expected images of width 4, as the model's config says, but ten has width 6",
  );
  const fine = datasetFromArrays({ ...parts, levels: 256 }, new Uint8Array(12));
  await expect(likelihood(config, parameters, fine)).rejects.toThrow("expected images of levels 3");
  const none = datasetFromArrays(parts, new Uint8Array(0));
  await expect(likelihood(config, parameters, none)).rejects.toThrow("expected at least one image to evaluate but ten has none");
});

test("an aborted signal stops it, and weights that do not fit are named before anything runs", async () => {
  await expect(likelihood(config, parameters, data, { threads: 1, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  const without = new Map(parameters);
  without.delete("skip.b");
  await expect(likelihood(config, without, data)).rejects.toThrow("expected a parameter skip.b of shape [12]");
});

test("a failing read is the error that the caller sees", async () => {
  const broken = datasetOf({ ...parts, length: 10, nameOf: String }, async () => {
    throw new Error("disk on fire");
  });
  await expect(likelihood(config, parameters, broken, { threads: 2 })).rejects.toThrow("disk on fire");
});
