/**
 * A PixelCNN with a condition of each kind: its numbers, what depends on what, its probabilities, its derivatives.
 * docs/conditioning.md.
 */

import { describe, expect, test } from "vitest";
import { randomFrom } from "../random.ts";
import { tensor } from "../tensor.ts";
import {
  type ConditionValue,
  conditionMatrix,
  conditionNumbersOf,
  mapLayersOf,
  mapOf as mapShape,
} from "./condition.ts";
import type { ConditionConfig, GatedConfig } from "./config.ts";
import { checkLossDerivatives, randomLevels, randomParameters } from "./families.test-support.ts";
import { type NaiveCondition, naiveLogits } from "./naive.test-support.ts";
import { pixelcnnParameters } from "./networks.ts";
import {
  allImages,
  configOf,
  openModel,
  type RandomModel,
  randomModel,
  randomPixels,
  runModel,
} from "./random-model.test-support.ts";

type Map = Extract<ConditionConfig, { kind: "map" }>;
const classes: ConditionConfig = { kind: "class", classes: ["a", "b", "c"] };
const vector: ConditionConfig = { kind: "vector", size: 3 };
const spread: ConditionConfig = { kind: "vector", size: 3, features: 4 };
const mapOf = (height: number, width: number, channels = 2, features = 4): Map => ({
  kind: "map",
  height,
  width,
  channels,
  features,
});
const colour = { channels: 3, skip: 12, head: { features: 18 } };
const dilated = { firstKernel: 5, kernels: [3, 5], dilations: [1, 2], skip: 0 };

const V = /\.V_[fg]$/;
const asGiven = (value: NaiveCondition): ConditionValue =>
  Array.isArray(value) ? Float32Array.from(value) : (value as number | null);
/** Float32 numbers, so that a graph of any type is given the very same. */
function randomNumbers(count: number, seed: number): number[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, () => Math.fround(2 * random.uniform() - 1));
}
/** The model with some of its numbers changed. */
const changed = (model: RandomModel, which: RegExp, f: (v: number) => number): RandomModel => ({
  ...model,
  parameters: new Map(
    [...model.parameters].map(([name, t]) => [name, which.test(name) ? tensor("float32", t.shape, t.data.map(f)) : t]),
  ),
});
/** Logits in float64 under each of some values, by the same arithmetic at the same places. */
async function logits(model: RandomModel, pixels: Uint8Array, values: readonly NaiveCondition[]): Promise<number[][]> {
  const session = await openModel(model, "logits");
  const found: number[][] = [];
  for (const value of values)
    found.push(await session.run(pixels, [...conditionMatrix(model.config.condition!, [asGiven(value)])]));
  await session.close();
  return found;
}

/** Values of every sort that a condition takes; the last is none. */
function valuesOf(condition: ConditionConfig): NaiveCondition[] {
  if (condition.kind === "class") return [0, 2, [0.25, 0, 0.75], null];
  if (condition.kind === "vector")
    return [1, 2, 3].map((seed) => randomNumbers(condition.size, seed)).concat([null as never]);
  const size = condition.height * condition.width * condition.channels;
  // A map of zeros is a map.
  return [randomNumbers(size, 1), randomNumbers(size, 2), Array(size).fill(0), null];
}

const CONFIGS: [claim: string, config: GatedConfig, n?: number][] = [
  ["grey, a class", configOf({ condition: classes })],
  ["colour, dilated, a class, no skip", configOf({ ...colour, ...dilated, condition: classes })],
  ["grey, dilated, a vector", configOf({ ...dilated, condition: vector })],
  ["grey, a map of the image's size", configOf({ condition: mapOf(5, 7) }), 0],
  ["colour, a map larger than the image", configOf({ ...colour, condition: mapOf(6, 9, 1) }), 0],
  ["grey, a map of half the size, not quite covering twice", configOf({ ...dilated, condition: mapOf(3, 4, 1) }), 1],
  ["colour, a map that only one axis is too small for", configOf({ ...colour, condition: mapOf(5, 4, 3, 3) }), 1],
  ["colour, a map doubled twice", configOf({ ...colour, ...dilated, condition: mapOf(2, 2, 1, 5) }), 2],
  ["grey, a map of one cell", configOf({ condition: mapOf(1, 1, 3, 3) }), 3],
  ["grey, one row, a map of one cell", configOf({ height: 1, condition: mapOf(1, 1, 1, 2) }), 3],
  ["grey, dilated, a vector through m(h)", configOf({ ...dilated, condition: spread }), 3],
  [
    "colour, a vector through m(h), scaled",
    configOf({ ...colour, height: 2, condition: { ...spread, scale: 1.5 } }),
    3,
  ],
  ["grey, a vector through m(h) and a linear path", configOf({ ...dilated, condition: { ...spread, linear: 1 } }), 3],
  [
    "colour, a vector through m(h) and a linear path, scaled",
    configOf({ ...colour, height: 2, condition: { ...spread, scale: 1.5, linear: 3 } }),
    3,
  ],
  ["one pixel, a vector through m(h)", configOf({ height: 1, width: 1, condition: spread }), 0],
  ["one pixel, a map of one cell", configOf({ height: 1, width: 1, condition: mapOf(1, 1) }), 0],
];

describe.each(CONFIGS)("%s", (_, config, n) => {
  const model = randomModel(config, 5);
  const condition = config.condition!;
  const values = valuesOf(condition);

  test.each([
    ["float32", 1e-5, Math.fround],
    ["float64", 1e-12, (x: number) => x],
  ] as const)(
    "the graph in %s is the naive forward, with each sort of value and with none",
    async (dtype, tolerance, round) => {
      const map = mapShape(condition);
      expect(map ? mapLayersOf(map, config.height, config.width) : undefined).toBe(n);
      const pixels = randomPixels(config, values.length);
      const size = pixels.length / values.length;
      const h = [...conditionMatrix(condition, values.map(asGiven))];
      const found = await runModel(model, "logits", pixels, { dtype, batch: values.length, h });
      const expected = values.flatMap((value, b) =>
        naiveLogits(config, model.parameters, pixels.subarray(b * size, (b + 1) * size), value, round).flat(),
      );
      expect(found).toHaveLength(expected.length);
      for (const [i, logit] of expected.entries())
        expect(Math.abs(found[i]! - logit)).toBeLessThan(tolerance * Math.max(1, Math.abs(logit)));
    },
  );

  test("no condition is the model with V left out, and so is any with V = 0", async () => {
    const pixels = randomPixels(config);
    const without = { ...config, condition: null };
    const expected = await runModel({ config: without, parameters: model.parameters }, "logits", pixels);
    const found = await logits(model, pixels, values);
    const none = found.pop()!;
    // The same sums, some with zeros added.
    for (const [i, v] of expected.entries())
      expect(Math.abs(none[i]! - v)).toBeLessThan(1e-13 * Math.max(1, Math.abs(v)));
    for (const other of found) expect(other).not.toEqual(none);
    const deaf = await logits(
      changed(model, V, () => 0),
      pixels,
      values,
    );
    for (const other of deaf) expect(other).toEqual(none);
  });
});

// No ReLU between the condition and what is looked at may be closed: many head features.
const open = { levels: 3, features: 6, skip: 30, head: { features: 48 } };

describe.each([
  ["a class", configOf({ ...open, condition: classes })],
  [
    "a map doubled twice",
    configOf({ ...open, ...colour, ...dilated, features: 12, skip: 36, condition: mapOf(2, 2, 2, 16) }),
  ],
  ["a vector through m(h)", configOf({ ...open, condition: { ...spread, features: 16 } })],
])("%s reaches the outputs through each V alone", (_, config) => {
  const pixels = randomPixels(config);
  const names = pixelcnnParameters(config).flatMap(({ name }) => (V.test(name) ? [name] : []));

  test("there is one for each layer, stack and half of the gate", () => {
    const expected = [1, 2, 3].flatMap((l) =>
      ["vertical", "horizontal"].flatMap((stack) => ["f", "g"].map((half) => `layer${l}.${stack}.V_${half}`)),
    );
    expect(names.toSorted()).toEqual(expected.toSorted());
  });

  test.each(names)("%s", async (name) => {
    const only = changed(randomModel(config, 5), new RegExp(`\\.V_[fg]$(?<!^${name})`), () => 0);
    expect(
      [...only.parameters].flatMap(([n, { data }]) => (V.test(n) && data.some((v) => v !== 0) ? [n] : [])),
    ).toEqual([name]);
    const found = await logits(only, pixels, valuesOf(config.condition!));
    const K = config.levels * config.channels;
    // A class says the same everywhere, a map something everywhere: every pixel's outputs tell all values, and none,
    // apart.
    for (let p = 0; p < config.height * config.width; p++)
      expect(new Set(found.map((all) => all.slice(p * K, (p + 1) * K).join())).size, `pixel ${p}`).toBe(found.length);
  });
});

test(
  "a one-hot class is a bias of its own in every layer, stack and half; a mixture of classes mixes the " + "biases",
  async () => {
    const config = configOf({ ...colour, condition: classes });
    const model = randomModel(config, 4);
    const pixels = randomPixels(config);
    const mixtures = [
      [1, 0, 0],
      [0, 0, 1],
      [0.5, 0.25, 0.25],
    ];
    const found = await logits(model, pixels, mixtures);
    for (const [at, weights] of mixtures.entries()) {
      const biased = new Map([...model.parameters].filter(([name]) => !V.test(name)));
      for (const [name, v] of model.parameters) {
        if (!V.test(name)) continue;
        const b = biased.get(name.replace("V_", "b_"))!;
        const sums = Array.from(
          b.data,
          (x, o) => x + weights.reduce((sum, w, k) => sum + w * v.data[k * config.features + o]!, 0),
        );
        biased.set(name.replace("V_", "b_"), tensor("float32", b.shape, Float32Array.from(sums)));
      }
      const expected = await runModel({ config: { ...config, condition: null }, parameters: biased }, "logits", pixels);
      // The sums are rounded to float32 when they become parameters again.
      for (const [i, v] of expected.entries())
        expect(Math.abs(found[at]![i]! - v)).toBeLessThan(1e-6 * Math.max(1, Math.abs(v)));
    }
  },
);

/** Places (i, j) of s = m(h) that each pixel's outputs look at, from the rules of docs/model.md alone. */
function placesSeen({ height: H, width: W, depth, firstKernel, kernels, dilations, skip }: GatedConfig): Set<number>[] {
  const at = (i: number, j: number): number => (i >= 0 && j >= 0 && i < H && j < W ? i * W + j : -1);
  const nothing = (): Set<number>[] => Array.from({ length: H * W }, () => new Set<number>());
  let [vertical, horizontal, skips] = [nothing(), nothing(), nothing()];
  for (let l = 1; l <= depth; l++) {
    const n = l === 1 ? firstKernel : kernels[(l - 2) % kernels.length]!;
    const d = l === 1 ? 1 : dilations[(l - 2) % dilations.length]!;
    const [p, q] = [nothing(), nothing()];
    for (let i = 0; i < H; i++) {
      for (let j = 0; j < W; j++) {
        const here = at(i, j);
        const read = (into: Set<number>, from: Set<number>[], place: number): void =>
          from[place]?.forEach((x) => void into.add(x));
        // Layer 1 reads pixels; what later ones read are features, of the own row too.
        for (let k = 0; k < (n + 1) / 2; k++)
          for (let m = 0; m < n; m++) read(p[here]!, vertical, at(i - k * d, j + (m - (n - 1) / 2) * d));
        p[here]!.add(here);
        for (let m = 0; m <= (n - 1) / 2; m++) read(q[here]!, horizontal, at(i, j - m * d));
        read(q[here]!, p, here);
      }
    }
    skips = skips.map((set, x) => new Set([...set, ...q[x]!]));
    [vertical, horizontal] = [p, q.map((set, x) => new Set([...set, ...horizontal[x]!]))];
  }
  return skip > 0 ? skips : horizontal;
}

/** Rows (or columns) of the map that position y of s, after n doublings, looks at: kernel 4 spreads each over four. */
function rowsOf(y: number, n: number, size: number): number[] {
  if (n === 0) return [y];
  const sources = [-1, 0, 1, 2].flatMap((k) => ((y - k) % 2 === 0 ? [(y - k) / 2] : []));
  return [...new Set(sources.filter((i) => i >= 0 && i < size * 2 ** (n - 1)).flatMap((i) => rowsOf(i, n - 1, size)))];
}

describe(
  "a map is known before the image, and an output looks at all of it that its layers reach, below and to the " +
    "right too",
  () => {
    const deep = { ...open, depth: 6 };
    test.each([
      ["its own size", configOf({ ...deep, condition: mapOf(5, 7, 1) }), 0],
      ["its own size, two layers", configOf({ ...open, depth: 2, condition: mapOf(5, 7, 1) }), 0],
      ["larger: what is cropped is not looked at", configOf({ ...deep, condition: mapOf(6, 9, 1) }), 0],
      ["doubled once", configOf({ ...open, ...dilated, condition: mapOf(3, 5, 1, 12) }), 1],
      [
        "doubled twice, colour",
        configOf({ ...open, ...colour, features: 12, skip: 36, depth: 2, condition: mapOf(2, 3, 1, 12) }),
        2,
      ],
    ] as const)("%s", async (_, config, n) => {
      const { height, width } = config.condition as Map;
      const model = randomModel(config, 5);
      const session = await openModel(model, "logits");
      const pixels = randomPixels(config);
      const value = randomNumbers(height * width, 3);
      const run = (map: number[]): Promise<number[]> =>
        session.run(pixels, [...conditionMatrix(config.condition!, [Float32Array.from(map)])]);
      const before = await run(value);
      const seen = placesSeen(config);
      const K = config.levels * config.channels;
      const wrong: string[] = [];
      let [yes, no, below] = [0, 0, 0];
      for (let place = 0; place < height * width; place++) {
        const after = await run(value.with(place, value[place]! + 0.5));
        seen.forEach((positions, p) => {
          const found = before.slice(p * K, (p + 1) * K).some((v, k) => v !== after[p * K + k]);
          const expected = [...positions].some(
            (at) =>
              rowsOf(Math.floor(at / config.width), n, height).includes(Math.floor(place / width)) &&
              rowsOf(at % config.width, n, width).includes(place % width),
          );
          if (found !== expected) wrong.push(`pixel ${p} ${found ? "depends" : "does not depend"} on place ${place}`);
          if (expected) yes++;
          else no++;
          if (expected && Math.floor(place / width) << n > Math.floor(p / config.width)) below++;
        });
      }
      await session.close();
      expect(wrong).toEqual([]);
      expect(Math.min(yes, no)).toBeGreaterThan(20);
      expect(below > 0).toBe(n > 0);
    });
  },
);

describe("probabilities of all 2x2 binary images sum to 1", () => {
  const binary = { height: 2, width: 2, levels: 2 };
  test.each([
    ["of each class, mixture and none", configOf({ ...binary, condition: classes })],
    ["given a map of the image's size", configOf({ ...binary, condition: mapOf(2, 2) })],
    ["given a map of one cell", configOf({ ...binary, condition: mapOf(1, 1) })],
    ["given a larger map", configOf({ ...binary, condition: mapOf(3, 4) })],
    ["given a vector", configOf({ ...binary, ...dilated, condition: vector })],
    ["given a vector through m(h)", configOf({ ...binary, condition: spread })],
  ])("%s", async (_, config) => {
    const model = randomModel(config, 8);
    const images = allImages(config);
    const session = await openModel(model, "logProbability", { batch: 16 });
    const seen = new Set<string>();
    for (const value of [...valuesOf(config.condition!), ...(config.condition!.kind === "class" ? [1] : [])]) {
      const h = [...conditionMatrix(config.condition!, Array(16).fill(asGiven(value)))];
      const logP = await session.run(images, h);
      // float64: one rounding per image. And they differ, or the sum would say little.
      expect(Math.abs(logP.reduce((sum, l) => sum + Math.exp(l), 0) - 1)).toBeLessThan(1e-12);
      expect(Math.max(...logP) - Math.min(...logP)).toBeGreaterThan(0.5);
      seen.add(logP.join());
    }
    // Each value is a distribution of its own.
    expect(seen.size).toBe(config.condition!.kind === "class" ? 5 : 4);
    await session.close();
  });
});

describe("the loss's derivatives by every weight are those of central differences", () => {
  const tiny = { height: 3, width: 4, levels: 3, features: 2, depth: 2, skip: 2, head: { features: 4 } };
  test.each([
    ["a class", configOf({ ...tiny, condition: classes }), [0, 0, 1, 0.3, 0.7, 0]],
    ["a map of the image's size", configOf({ ...tiny, condition: mapOf(3, 4, 1) }), null],
    ["a map doubled twice", configOf({ ...tiny, condition: mapOf(1, 1, 2, 3) }), null],
    ["a vector through m(h)", configOf({ ...tiny, condition: { ...spread, features: 3 } }), null],
  ] as const)("%s", async (_, config, given) => {
    const condition = given ?? [
      ...conditionMatrix(
        config.condition!,
        [1, 2].map((seed) => Float32Array.from(valuesOf(config.condition!)[seed - 1] as number[])),
      ),
    ];
    expect(condition).toHaveLength(2 * conditionNumbersOf(config.condition!));
    const parameters = randomParameters(pixelcnnParameters(config), 3);
    const found = await checkLossDerivatives(config, parameters, randomLevels(config, 2), { condition });
    // Every V and every layer of m(h) learns.
    const learned = [...found].filter(([name]) => V.test(name) || name.startsWith("map."));
    const map = mapShape(config.condition);
    expect(learned).toHaveLength(8 + (map?.height === 1 ? 2 : 0));
    for (const [name, values] of learned) expect(Math.max(...values.map(Math.abs)), name).toBeGreaterThan(1e-3);
  });
});
