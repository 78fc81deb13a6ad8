/** Whole models: the engine against the naive pass, the reference kernel, and itself in other batches and orders. */

import { expect, test } from "vitest";
import type { GatedConfig } from "../models/config.ts";
import { Canvas } from "./canvas.ts";
import { numbersOfConditions } from "./conditions.ts";
import { FREQUENCY_SPILL } from "./descriptions.ts";
import { forced, type Step, stepwise } from "./loop.ts";
import {
  configOf,
  float32,
  float64,
  type Loose,
  logSoftmax,
  naiveLogits,
  randomConditions,
  randomModel,
  randomPixels,
} from "./naive.test-support.ts";
import type { ExactModel } from "./plan.ts";
import { createPlan } from "./plan.ts";
import { cumulativeFrequencies } from "./reference.ts";

const HEIGHT = 5;
const WIDTH = 7;

const configs: [string, GatedConfig][] = [
  ["grey, kernels 5 3 3", configOf()],
  ["grey, no skip", configOf({ skip: 0 })],
  ["grey, one layer", configOf({ depth: 1, firstKernel: 3 })],
  ["grey, one layer, no skip", configOf({ depth: 1, skip: 0 })],
  [
    "grey, kernels 7 3 5 7, dilations 1 2 4, conditioned",
    configOf({
      depth: 5,
      firstKernel: 7,
      kernels: [3, 5, 7],
      dilations: [1, 2, 4],
      condition: { kind: "vector", size: 5 },
    }),
  ],
  [
    "grey, binary, 32 features",
    configOf({
      levels: 2,
      features: 32,
      skip: 32,
      head: { kind: "categorical", features: 64 },
      depth: 4,
      dilations: [1, 2],
    }),
  ],
  ["colour, 256 levels", configOf({ channels: 3, levels: 256 })],
  [
    "colour, no skip, conditioned",
    configOf({ channels: 3, skip: 0, levels: 3, condition: { kind: "vector", size: 3 } }),
  ],
  [
    "colour, kernels 3 5 7, dilations 2 1 3",
    configOf({ channels: 3, features: 24, skip: 12, depth: 4, firstKernel: 3, kernels: [5, 7], dilations: [2, 1, 3] }),
  ],
  ["colour, one layer", configOf({ channels: 3, depth: 1 })],
  ["two channels", configOf({ channels: 2, skip: 10, features: 20 })],
  ["grey, classes", configOf({ condition: { kind: "class", classes: ["a", "b", "c"] } })],
  ["grey, a map of the image's size", withMap({}, { height: 5, width: 7, channels: 2 })],
  ["grey, no skip, a map larger than the image", withMap({ skip: 0 }, { height: 6, width: 9, channels: 1 })],
  ["grey, one layer, a map of half the size", withMap({ depth: 1 }, { height: 3, width: 4, channels: 1 })],
  [
    "colour, a map of half the size, dilations 1 2",
    withMap({ channels: 3, depth: 4, dilations: [1, 2] }, { height: 3, width: 4, channels: 3 }),
  ],
  [
    "grey, a map of a quarter, dilations 2 1 3",
    withMap({ depth: 4, dilations: [2, 1, 3] }, { height: 2, width: 2, channels: 2 }),
  ],
  ["grey, a map of one cell", withMap({ levels: 2 }, { height: 1, width: 1, channels: 4 })],
];

/** A map for images of this file's size; M is no multiple of a panel. */
function withMap(changes: Loose, map: { height: number; width: number; channels: number }): GatedConfig {
  return configOf({ ...changes, height: HEIGHT, width: WIDTH, condition: { kind: "map", ...map, features: 5 } });
}

/** Equality to the bit. Says where the first difference is: printing two lists of a million numbers takes minutes. */
function expectEqual(received: readonly Uint32Array[], expected: readonly Uint32Array[]): void {
  expect(received.length).toBe(expected.length);
  for (const [image, table] of received.entries()) {
    const other = expected[image]!;
    const at = table.findIndex((x, i) => x !== other[i]);
    if (at >= 0 || table.length !== other.length)
      expect.fail(`image ${image} differs first at ${at}: ${table[at]} for ${other[at]}`);
  }
}

/** [count, D]. */
const numbersOf = (model: ExactModel<GatedConfig>, count: number): Float32Array | undefined =>
  model.config.condition === null
    ? undefined
    : numbersOfConditions(createPlan(model), randomConditions(model.config, count), {
        count,
        height: HEIGHT,
        width: WIDTH,
      });

/** All tables of n images, image by image, each in raster order. */
function tablesOf(
  walk: "forced" | "stepwise",
  model: ExactModel<GatedConfig>,
  pixels: Uint8Array,
  {
    count = 1,
    height = HEIGHT,
    kernel = "wasm" as "wasm" | "reference",
    conditions = numbersOf(model, count),
    canvas = undefined as Canvas | undefined,
  } = {},
): Uint32Array[] {
  const width = pixels.length / count / height / model.config.channels;
  canvas ??= new Canvas(createPlan(model), kernel, count, width);
  canvas.begin({ conditions });
  const tables: number[][] = Array.from({ length: count }, () => []);
  const perImage = pixels.length / count;
  const { channels, levels: K } = model.config;
  const record = ({ row, column, channel }: Step, cumulative: Uint32Array, levels: Uint8Array): void => {
    for (const [image, table] of tables.entries()) {
      table.push(...cumulative.subarray(image * (K + 1), (image + 1) * (K + 1)));
      levels[image] = pixels[image * perImage + (row * width + column) * channels + channel]!;
    }
  };
  if (walk === "stepwise") {
    expect([...stepwise(canvas, height, record, new Uint8Array(pixels.length))]).toEqual(
      Array.from({ length: height }, (_, i) => i),
    );
  } else {
    const starts = new Uint32Array(width * channels * count);
    const frequencies = new Uint32Array(starts.length);
    for (const row of forced(canvas, height, pixels)) {
      canvas.intervals(starts, frequencies);
      for (let column = 0, at = 0; column < width; column++) {
        for (let channel = 0; channel < channels; channel++) {
          const cumulative = canvas.frequencies(channel, column);
          const levels = new Uint8Array(count);
          record({ row, column, channel }, cumulative, levels);
          for (const [image, level] of levels.entries()) {
            const own = image * (K + 1) + level;
            if (starts[at] !== cumulative[own] || frequencies[at] !== cumulative[own + 1]! - cumulative[own]!)
              expect.fail("an interval is not its table's");
            at++;
          }
        }
      }
    }
  }
  return tables.map((table) => Uint32Array.from(table));
}

test.each(configs)("%s: log-probabilities are the naive float64 pass's to 1e-4", (_, config) => {
  const model = randomModel(config);
  const pixels = randomPixels(config, 1, HEIGHT, WIDTH);
  const [table] = tablesOf("forced", model, pixels);
  const logits = naiveLogits(model, pixels, HEIGHT, numbersOf(model, 1) ?? null, float64);
  let worst = 0;
  for (const [step, row] of logits.entries()) {
    for (const [level, truth] of logSoftmax(row).entries()) {
      const at = step * (config.levels + 1) + level;
      const frequency = table![at + 1]! - table![at]!;
      // The floor of one part of 2^24 and two roundings to a part come on top of the arithmetic's own error.
      worst = Math.max(
        worst,
        (Math.abs(Math.exp(truth) - frequency / 2 ** 24) - (config.levels + 2) / 2 ** 24) / Math.exp(truth),
      );
    }
  }
  expect(worst).toBeLessThan(1e-4);
});

test.each(configs)("%s: frequencies are, to the bit, the naive float32 pass's in the documented order", (_, config) => {
  const model = randomModel(config, 2);
  const pixels = randomPixels(config, 1, HEIGHT, WIDTH);
  const logits = naiveLogits(model, pixels, HEIGHT, numbersOf(model, 1) ?? null, float32);
  const tables = logits.map((row) => {
    const out = new Uint32Array(config.levels + 1);
    expect(cumulativeFrequencies(Float32Array.from(row), 1, out)).toBe(true);
    return out;
  });
  const [table] = tablesOf("forced", model, pixels);
  expectEqual([table!], [Uint32Array.from(tables.flatMap((t) => [...t]))]);
});

test.each(configs)(
  "%s: stepwise equals forced, and the reference kernel equals WebAssembly, to the bit",
  (_, config) => {
    const model = randomModel(config, 3);
    const pixels = randomPixels(config, 2, HEIGHT, WIDTH);
    const truth = tablesOf("forced", model, pixels, { count: 2 });
    expectEqual(tablesOf("stepwise", model, pixels, { count: 2 }), truth);
    expectEqual(tablesOf("forced", model, pixels, { count: 2, kernel: "reference" }), truth);
    expectEqual(tablesOf("stepwise", model, pixels, { count: 2, kernel: "reference" }), truth);
  },
);

test.each(configs)("%s: an image's frequencies do not depend on its batch or place in it", (_, config) => {
  const model = randomModel(config, 4);
  const most = 64;
  const pixels = randomPixels(config, most, HEIGHT, WIDTH);
  const conditions = numbersOf(model, most);
  const perImage = pixels.length / most;
  const part = (first: number, count: number): Uint32Array[] =>
    tablesOf("stepwise", model, pixels.subarray(first * perImage, (first + count) * perImage), {
      count,
      conditions: conditions?.subarray(
        (first * conditions.length) / most,
        ((first + count) * conditions.length) / most,
      ),
    });
  const truth = tablesOf("forced", model, pixels, { count: most });
  expectEqual(part(0, 64), truth);
  for (const count of [1, 3, 16]) expectEqual(part(5, count), truth.slice(5, 5 + count));
});

test("what a canvas computed before, and garbage in pixels that are not yet known, change nothing", () => {
  const config = configOf({ channels: 3, depth: 4, dilations: [1, 2] });
  const model = randomModel(config, 5);
  const canvas = new Canvas(createPlan(model), "wasm", 2, WIDTH);
  const pixels = randomPixels(config, 2, HEIGHT, WIDTH);
  const truth = tablesOf("forced", model, pixels, { count: 2 });
  // A taller image first: every ring of rows is full of it.
  tablesOf("forced", model, randomPixels(config, 2, 9, WIDTH, 99), { count: 2, height: 9, canvas });
  expectEqual(tablesOf("stepwise", model, pixels, { count: 2, canvas }), truth);
  // Forced over an image that differs from sub-pixel `from` on: the tables up to and with that sub-pixel's are the
  // same.
  const perImage = pixels.length / 2;
  for (let from = 0; from < perImage; from += 10) {
    const garbage = randomPixels(config, 2, HEIGHT, WIDTH, 1000 + from);
    for (const image of [0, 1])
      garbage.set(pixels.subarray(image * perImage, image * perImage + from), image * perImage);
    const upTo = (from + 1) * (config.levels + 1);
    const tables = tablesOf("forced", model, garbage, { count: 2, canvas });
    expectEqual(
      tables.map((t) => t.slice(0, upTo)),
      truth.map((t) => t.slice(0, upTo)),
    );
  }
});

test("any size: a 37x201 image, a single pixel, a column and a row", () => {
  const config = configOf({ depth: 4, dilations: [1, 2, 4] });
  const model = randomModel(config, 6);
  for (const [height, width] of [
    [37, 201],
    [1, 1],
    [9, 1],
    [1, 9],
  ] as const) {
    const pixels = randomPixels(config, 1, height, width);
    const truth = tablesOf("forced", model, pixels, { height });
    expectEqual(tablesOf("stepwise", model, pixels, { height }), truth);
  }
});

test("no condition is the same as a condition of zeros", () => {
  const config = configOf({ condition: { kind: "vector", size: 4 } });
  const model = randomModel(config, 7);
  const pixels = randomPixels(config, 2, HEIGHT, WIDTH);
  const canvas = new Canvas(createPlan(model), "wasm", 2, WIDTH);
  const zero = tablesOf("forced", model, pixels, { count: 2, conditions: new Float32Array(8), canvas });
  canvas.begin();
  expectEqual(tablesOf("stepwise", model, pixels, { count: 2, conditions: new Float32Array(8) }), zero);
  const one = tablesOf("forced", model, pixels, {
    count: 2,
    conditions: Float32Array.of(0, 1, 0, 0, 0, 0, 0, 1),
    canvas,
  });
  expect(one).not.toEqual(zero);
});

test("the tables' spill is at least what the kernel may overwrite", () => {
  expect(FREQUENCY_SPILL).toBeGreaterThanOrEqual(12);
});
