/** Values of conditions as numbers for the network, and what cannot be one: docs/conditioning.md. */

import { describe, expect, test } from "vitest";
import { datasetFromArrays } from "../data/dataset.ts";
import { withVectors } from "../data/with-vectors.ts";
import { PixelcnnError } from "../errors.ts";
import {
  checkDescribes,
  conditionMatrix,
  conditionNumbers,
  conditionNumbersOf,
  conditionsOf,
  describeCondition,
  mapLayersOf,
  namesOf,
  networkCondition,
} from "./condition.ts";
import type { ConditionConfig } from "./config.ts";
import { conditionSchema, resolvePixelcnn } from "./schema.ts";

const classes: ConditionConfig = { kind: "class", classes: ["ant", "bee", "cow"] };
const vector: ConditionConfig = { kind: "vector", size: 4 };
const map = conditionSchema.parse({ kind: "map", height: 2, width: 3, channels: 2 }) as Extract<
  ConditionConfig,
  { kind: "map" }
>;
const many: ConditionConfig = { kind: "class", classes: Array.from({ length: 20 }, (_, i) => `c${i}`) };
const of = (...numbers: number[]): Float32Array => Float32Array.from(numbers);

function wordsOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(PixelcnnError);
    expect((error as PixelcnnError).kind).toBe("usage");
    return (error as Error).message;
  }
  throw new Error("expected a refusal");
}

describe("numbers that the network is given", () => {
  test("of a class: one-hot, or the weights of a mixture as they are", () => {
    expect([0, 1, 2].map((k) => [...conditionNumbers(classes, k)])).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    expect([...conditionNumbers(classes, of(0.25, 0, 0.75))]).toEqual([0.25, 0, 0.75]);
    // Beyond the classes too: a point on the line through two of them.
    expect([...conditionNumbers(classes, of(1.5, -0.5, 0))]).toEqual([1.5, -0.5, 0]);
  });
  test("of a vector: itself", () => {
    const value = of(1, -2, 0.5, 0);
    const numbers = conditionNumbers(vector, value);
    expect(numbers).toEqual(value);
    // A copy: what is done to the one is not done to the other.
    numbers[0] = 9;
    expect(value[0]).toBe(1);
  });
  test("of a vector with a scale: that times it, as float32", () => {
    const scaled: ConditionConfig = { kind: "vector", size: 3, scale: 1.7 };
    const value = of(0.1, -2, 0);
    expect([...conditionNumbers(scaled, value)]).toEqual([Math.fround(1.7 * Math.fround(0.1)), Math.fround(-3.4), 0]);
    expect(value).toEqual(of(0.1, -2, 0));
    expect([...conditionNumbers(scaled, null)]).toEqual([0, 0, 0]);
  });
  test("of a map: its channels and a last one that says that there is a map", () => {
    const value = Float32Array.from({ length: 12 }, (_, i) => i + 10);
    expect([...conditionNumbers(map, value)]).toEqual([
      10, 11, 1, 12, 13, 1, 14, 15, 1, 16, 17, 1, 18, 19, 1, 20, 21, 1,
    ]);
  });
  test.each([
    ["class", classes, 3],
    ["vector", vector, 4],
    ["map", map, 18],
  ] as const)("without a condition are all zeros: %s", (_, condition, D) => {
    expect([...conditionNumbers(condition, null)]).toEqual(Array(D).fill(0));
    expect(conditionNumbersOf(condition)).toBe(D);
  });
  test("of many images, one after another", () => {
    expect([...conditionMatrix(classes, [2, null, of(0.5, 0.5, 0)])]).toEqual([0, 0, 1, 0, 0, 0, 0.5, 0.5, 0]);
    expect([...conditionMatrix(vector, [])]).toEqual([]);
  });

  test.each([
    [classes, 3, "expected a class from 0 to 2 (ant, bee, cow) but received 3"],
    [classes, -1, "expected a class from 0 to 2 (ant, bee, cow) but received -1"],
    [classes, 0.5, "expected a class from 0 to 2 (ant, bee, cow) but received 0.5"],
    [classes, Number.NaN, "expected a class from 0 to 2 (ant, bee, cow) but received NaN"],
    [classes, of(1, 0), "expected 3 weights, one a class (ant, bee, cow), but received 2"],
    [classes, of(0, Number.NaN, 1), "expected finite numbers in a condition but number 1 is NaN"],
    [vector, 2, "expected a vector of 4 numbers for the condition but received the number 2"],
    [vector, of(1, 2, 3), "expected a condition of 4 numbers an image but received 3"],
    [vector, of(1, 2, 3, Number.POSITIVE_INFINITY), "expected finite numbers in a condition but number 3 is Infinity"],
    [map, 0, "expected a map of 2x3x2 numbers for the condition but received the number 0"],
    [map, new Float32Array(18), "expected a map of 2x3x2 = 12 numbers an image but received 18"],
    [map, new Float32Array(12).fill(Number.NaN, 5), "expected finite numbers in a condition but number 5 is NaN"],
    [
      many,
      20,
      "expected a class from 0 to 19 (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, ... 20 in all) but received 20",
    ],
  ])("that a value cannot give: the words (%#)", (condition, value, words) => {
    expect(wordsOf(() => conditionNumbers(condition, value))).toBe(words);
  });
});

test("a map is doubled until it covers the image; V has a row a number, or a feature of m(h)", () => {
  const cases: [h0: number, w0: number, height: number, width: number, n: number][] = [
    [5, 7, 5, 7, 0],
    [9, 7, 5, 7, 0],
    [4, 7, 5, 7, 1],
    [5, 6, 5, 7, 1],
    [1, 1, 5, 7, 3],
    [1, 8, 8, 8, 3],
    [1, 1, 1, 1, 0],
    [1, 1, 1, 2, 1],
    [1, 1, 28, 28, 5],
    [7, 7, 28, 28, 2],
  ];
  for (const [h0, w0, height, width, n] of cases) {
    expect(mapLayersOf({ height: h0, width: w0 }, height, width), `${h0}x${w0} to ${height}x${width}`).toBe(n);
    const sized = { ...map, height: h0, width: w0, features: 5 };
    const met = networkCondition({ condition: sized, height, width });
    expect(met).toMatchObject({ width: n === 0 ? 3 : 5, perPixel: true });
    expect(met!.map.map(({ shape }) => shape.join())).toEqual(
      Array.from({ length: n }, (_, k) => `4,4,${k === 0 ? 3 : 5},5`),
    );
  }
  expect(networkCondition({ condition: classes })).toEqual({ width: 3, perPixel: false, map: [] });
  expect(networkCondition({ condition: vector })).toEqual({ width: 4, perPixel: false, map: [] });
  expect(networkCondition({ condition: null })).toBeNull();
});

const shape = { split: "test", height: 1, width: 1, channels: 1, levels: 2 };
const labelled = datasetFromArrays(
  { name: "labelled", classes: classes.classes, ...shape },
  new Uint8Array(3),
  [2, -1, 0],
);
const bare = datasetFromArrays({ name: "bare", classes: null, ...shape }, new Uint8Array(3));
const vectors = withVectors(
  bare,
  Float32Array.from({ length: 12 }, (_, i) => i),
  4,
);

describe("what a batch says of its images", () => {
  test("is their labels for a model of classes; an image without one has no condition", async () => {
    expect(conditionsOf(classes, await labelled.batch([0, 1, 2]))).toEqual([2, null, 0]);
  });
  test("is their vectors for one of vectors or maps", async () => {
    expect(conditionsOf(vector, await vectors.batch([2, 0]))).toEqual([of(8, 9, 10, 11), of(0, 1, 2, 3)]);
    const small: ConditionConfig = { ...map, height: 2, width: 2, channels: 1 };
    expect(conditionsOf(small, await vectors.batch([1]))).toEqual([of(4, 5, 6, 7)]);
  });
  test("is not enough where it has no vectors", async () => {
    const batch = await bare.batch([0]);
    expect(wordsOf(() => conditionsOf(vector, batch))).toBe(
      "expected a vector of 4 numbers with each image but the data have no vectors",
    );
  });
});

describe("whether data can give a model its conditions", () => {
  test("they can: the same classes, vectors of the size", () => {
    expect(() => checkDescribes(classes, labelled)).not.toThrow();
    expect(() => checkDescribes(vector, vectors)).not.toThrow();
    expect(() => checkDescribes({ ...map, height: 1, width: 2, channels: 2 }, vectors)).not.toThrow();
  });
  test.each([
    [classes, bare, "expected the model's classes (ant, bee, cow) but bare has no classes"],
    [
      classes,
      { ...labelled, classes: ["ant", "bee"] },
      "expected the model's classes (ant, bee, cow) but labelled has the classes ant, bee",
    ],
    [
      classes,
      { ...labelled, classes: ["ant", "cow", "bee"] },
      "expected the model's classes (ant, bee, cow) but labelled has the classes ant, cow, bee",
    ],
    [vector, bare, "expected a vector of 4 numbers with each image but bare has none"],
    [{ kind: "vector", size: 3 }, vectors, "expected a vector of 3 numbers with each image but bare has vectors of 4"],
    [map, vectors, "expected a map of 2x3x2 numbers with each image but bare has vectors of 4"],
  ] as const)("they cannot: the words (%#)", (condition, data, words) => {
    expect(wordsOf(() => checkDescribes(condition as ConditionConfig, data))).toBe(words);
  });
});

test("conditions and names in words", () => {
  expect([classes, vector, map].map(describeCondition)).toEqual([
    "one of 3 classes (ant, bee, cow)",
    "a vector of 4 numbers",
    "a map of 2x3x2 numbers",
  ]);
  expect(namesOf(many.classes.slice(0, 12))).toBe("c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11");
  expect(namesOf(many.classes.slice(0, 13))).toBe("c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, ... 13 in all");
});

describe("in a model's config", () => {
  const complaints = (condition: unknown): string[] =>
    wordsOf(() => resolvePixelcnn({ height: 4, width: 4, channels: 1, levels: 2, condition }))
      .split("\n  ")
      .slice(1);
  test.each([
    [{ kind: "text" }, /^condition\.kind: expected "class", "vector" or "map" but received/],
    [{ kind: "class", classes: ["one"] }, /^condition\.classes: expected at least 2 items/],
    [{ kind: "class", classes: ["a", "b", "a"] }, /^condition\.classes: expected class names that differ/],
    [{ kind: "class", classes: ["a", ""] }, /^condition\.classes\.1: expected at least 1 letters/],
    [{ kind: "class", classes: ["a", "b"], size: 2 }, /^condition: unknown key size$/],
    [{ kind: "vector" }, /^condition\.size: expected a number but received nothing/],
    [{ kind: "vector", size: 0 }, /^condition\.size: expected at least 1 but received 0$/],
    [{ kind: "map", height: 2, width: 2 }, /^condition\.channels: expected a number but received nothing/],
    [{ kind: "map", height: 2, width: 2, channels: 1, size: 4 }, /^condition: unknown key size$/],
  ])("that cannot be: %o", (condition, words) => {
    const found = complaints(condition);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(words);
  });
  test("a map has 16 features unless it says otherwise", () => {
    expect(map.features).toBe(16);
  });
});
