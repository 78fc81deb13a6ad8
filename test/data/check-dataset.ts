/** The laws that every data set keeps, whatever its format: one helper, called by the tests of each. */

import { expect } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";

export async function checkDataset(dataset: Dataset): Promise<void> {
  const { name, height, width, channels, levels, length, classes } = dataset;
  for (const axis of [height, width, channels, length]) expect(Number.isInteger(axis) && axis > 0).toBe(true);
  expect(levels).toBeGreaterThanOrEqual(2);
  expect(levels).toBeLessThanOrEqual(256);
  expect(["train", "test", "all"]).toContain(dataset.split);
  if (classes) expect(new Set(classes).size, "classes differ").toBe(classes.length);

  const names = Array.from({ length }, (_, i) => dataset.nameOf(i));
  expect(new Set(names).size, "names differ").toBe(length);
  expect(() => dataset.nameOf(length)).toThrow(/expected an integer from 0/);

  // Both ends and some between.
  const some = [...new Set(Array.from({ length: 17 }, (_, k) => Math.floor((k * (length - 1)) / 16)))];
  const batch = await dataset.batch(some);
  const size = height * width * channels;
  expect(batch.size).toBe(some.length);
  expect(batch.pixels).toHaveLength(some.length * size);
  expect(batch.labels).toHaveLength(some.length);
  // Without classes there are no labels.
  expect(Math.max(...batch.labels)).toBeLessThan(classes?.length ?? 0);
  expect(Math.min(...batch.labels)).toBeGreaterThanOrEqual(-1);
  expect(batch.pixels.every((v) => v < levels)).toBe(true);
  const { vectorSize = 0 } = dataset;
  expect(batch.vectors?.length, "a vector for each image, or none at all").toBe(
    dataset.vectorSize === undefined ? undefined : some.length * vectorSize,
  );
  if (dataset.labelOf)
    expect(
      some.map((i) => dataset.labelOf!(i)),
      "labels without pixels",
    ).toEqual([...batch.labels]);
  if (dataset.captionsOf) {
    const captions = some.map((i) => dataset.captionsOf!(i));
    expect(captions.flat().every((text) => typeof text === "string" && text !== "")).toBe(true);
    expect(() => dataset.captionsOf!(length)).toThrow(/expected an integer from 0/);
  }

  expect(await dataset.batch(some), "a repeated batch is equal").toEqual(batch);
  const turned = await dataset.batch(some.toReversed());
  for (const [i, j] of some.map((_, k) => [k, some.length - 1 - k] as const)) {
    expect(turned.pixels.subarray(j * size, (j + 1) * size), "an image does not depend on its batch").toEqual(
      batch.pixels.subarray(i * size, (i + 1) * size),
    );
    expect(turned.labels[j]).toBe(batch.labels[i]);
    expect(turned.vectors?.subarray(j * vectorSize, (j + 1) * vectorSize)).toEqual(
      batch.vectors?.subarray(i * vectorSize, (i + 1) * vectorSize),
    );
  }
  const twice = await dataset.batch([0, 0]);
  expect(twice.pixels.subarray(0, size)).toEqual(twice.pixels.subarray(size));
  expect((await dataset.batch([])).size).toBe(0);
  await expect(dataset.batch([length])).rejects.toThrow(`expected an index from 0 to ${length - 1} for ${name}`);
  await expect(dataset.batch([0.5])).rejects.toThrow("but received 0.5");
}
