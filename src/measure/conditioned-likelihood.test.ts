/**
 * The likelihood of data under conditions: the data's own, one for all, one per image, none; and what cannot be one.
 */

import { describe, expect, test } from "vitest";
import { type Dataset, datasetFromArrays } from "../data/dataset.ts";
import { withVectors } from "../data/with-vectors.ts";
import type { ConditionValue } from "../models/condition.ts";
import { type NaiveCondition, naiveLogits, naiveLogProbability } from "../models/naive.test-support.ts";
import { configOf, randomModel, randomPixels } from "../models/random-model.test-support.ts";
import { randomFrom } from "../random.ts";
import { type LikelihoodOptions, likelihood } from "./likelihood.ts";

const shape = { height: 3, width: 4, levels: 3, depth: 2 };
const COUNT = 7;
const CLASSES = ["a", "b", "c"];
const classes = randomModel(configOf({ ...shape, condition: { kind: "class", classes: CLASSES } }), 2);
const vector = randomModel(configOf({ ...shape, condition: { kind: "vector", size: 4 } }), 2);
const map = randomModel(
  configOf({ ...shape, condition: { kind: "map", height: 2, width: 2, channels: 1, features: 5 } }),
  2,
);
const plain = randomModel(configOf(shape), 2);
type Model = typeof plain;

const pixels = randomPixels(plain.config, COUNT);
const parts = { name: "seven", split: "test", height: 3, width: 4, channels: 1, levels: 3 };
const LABELS = [2, 0, -1, 1, 1, 2, 0];
const labelled = datasetFromArrays({ ...parts, classes: CLASSES }, pixels, LABELS);
const bare = datasetFromArrays({ ...parts, classes: null }, pixels);
const random = randomFrom(6);
const rows = Array.from({ length: COUNT }, () =>
  Array.from({ length: 4 }, () => Math.fround(2 * random.uniform() - 1)),
);
const described = withVectors(bare, Float32Array.from(rows.flat()), 4);
const asGiven = (value: NaiveCondition): ConditionValue =>
  Array.isArray(value) ? Float32Array.from(value) : (value as number | null);

/** float32 sums of 12 terms against float64. */
async function expectNats(
  model: Model,
  data: Dataset,
  values: readonly NaiveCondition[],
  options: LikelihoodOptions,
): Promise<void> {
  const found = await likelihood(model, data, { threads: 1, ...options });
  expect(found.each).toHaveLength(values.length);
  values.forEach((value, i) => {
    const image = pixels.subarray(12 * i, 12 * i + 12);
    const nats = -naiveLogProbability(naiveLogits(model.config, model.parameters, image, value), image);
    expect(Math.abs(found.each[i]! - nats), `image ${i}`).toBeLessThan(1e-6 * nats);
  });
  expect(found.nats).toBeCloseTo(found.each.reduce((a, b) => a + b) / values.length, 12);
}

describe("is that of the naive forward", () => {
  test("under the data's own classes, an image without one under none, whatever the batch", async () => {
    const own = LABELS.map((label) => (label < 0 ? null : label));
    for (const batch of [1, 3, 64]) await expectNats(classes, labelled, own, { batch });
    await expectNats(classes, labelled, own.slice(0, 4), { batch: 3, limit: 4 });
  });
  test("under the data's own vectors and maps", async () => {
    await expectNats(vector, described, rows, { batch: 3 });
    await expectNats(map, described, rows, { batch: 3 });
  });
  test("under one condition for all: a class, a mixture, a vector, a map, none", async () => {
    const all = (value: NaiveCondition): NaiveCondition[] => Array(COUNT).fill(value);
    for (const value of [1, [0.5, 0, 0.5], null])
      await expectNats(classes, bare, all(value), { conditions: asGiven(value) });
    await expectNats(vector, bare, all(rows[2]!), { conditions: asGiven(rows[2]!) });
    await expectNats(map, bare, all(rows[3]!), { conditions: asGiven(rows[3]!) });
    // No condition is no zeros of the data's own kind, even where these have one.
    await expectNats(map, described, all(null), { conditions: null });
  });
  test("under one an image, in the data's order, whatever the batch and the threads", async () => {
    const values: NaiveCondition[] = [0, [0, 0.25, 0.75], null, 2, 1, [1, 0, 0], 0];
    for (const [batch, threads] of [
      [1, 1],
      [4, 2],
    ] as const)
      await expectNats(classes, labelled, values, { conditions: values.map(asGiven), batch, threads });
    // As many as are looked at, or as there are.
    await expectNats(classes, labelled, values.slice(0, 3), { conditions: values.map(asGiven), limit: 3 });
    await expectNats(classes, labelled, values.slice(0, 3), { conditions: values.slice(0, 3).map(asGiven), limit: 3 });
  });
});

test.each<[string, Model, Dataset, LikelihoodOptions["conditions"], string]>([
  [
    "classes of data without",
    classes,
    bare,
    undefined,
    "expected the model's classes (a, b, c) but seven has no classes",
  ],
  [
    "other classes",
    classes,
    { ...labelled, classes: ["a", "b"] },
    undefined,
    "expected the model's classes (a, b, c) but seven has the classes a, b",
  ],
  [
    "vectors of data without",
    vector,
    labelled,
    undefined,
    "expected a vector of 4 numbers with each image but seven has none",
  ],
  [
    "a class of a model without",
    plain,
    labelled,
    1,
    "expected no condition for an unconditional model but received one",
  ],
  ["no such class", classes, labelled, 3, "expected a class from 0 to 2 (a, b, c) but received 3"],
  [
    "a class for a vector",
    vector,
    labelled,
    1,
    "expected a vector of 4 numbers for the condition but received the number 1",
  ],
  [
    "a vector of another size",
    vector,
    labelled,
    new Float32Array(3),
    "expected a condition of 4 numbers an image but received 3",
  ],
  ["too few", classes, labelled, [0, 1], "expected a condition for each of 7 images but received 2"],
  ["too many", classes, labelled, Array(8).fill(0), "expected a condition for each of 7 images but received 8"],
  [
    "one wrong among many",
    classes,
    labelled,
    [0, 1, 2, 0, 9, 0, 1],
    "expected a class from 0 to 2 (a, b, c) but received 9",
  ],
])("%s: the words", async (_, model, data, conditions, words) => {
  const found = likelihood(model, data, { conditions, threads: 1 });
  await expect(found).rejects.toMatchObject({ kind: "usage", message: words });
});
