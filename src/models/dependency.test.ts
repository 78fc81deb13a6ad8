/** The one claim that makes it an autoregressive model: a sub-pixel depends on exactly the earlier sub-pixels of its receptive field. */

import { describe, expect, test } from "vitest";
import { randomFrom } from "../random.ts";
import { conditionNumbersOf } from "./condition.ts";
import type { GatedConfig } from "./config.ts";
import { configOf, openModel, randomModel, randomPixels } from "./random-model.test-support.ts";
import { receptiveField } from "./receptive-field.test-support.ts";

// Wide heads: no ReLU closes all of a group's features. Without skips the features themselves meet one.
const colour = { channels: 3, levels: 3, features: 12, skip: 36, head: { features: 48 } };
const noSkip = { skip: 0, features: 36 };
const vector = { kind: "vector", size: 2 } as const;
/** Doubled twice: a place of it is seen by pixels above and to the left of its own. */
const map = { kind: "map", height: 2, width: 2, channels: 1, features: 4 } as const;

const CONFIGS: [claim: string, config: GatedConfig, covers: boolean][] = [
  ["grey, kernels 3", configOf({ depth: 6 }), true],
  ["grey, kernels 3, too shallow to cover the image", configOf({ depth: 2 }), false],
  [
    "grey, kernels 5 3 5, dilations 1 2, no skip",
    configOf({ firstKernel: 5, kernels: [3, 5], dilations: [1, 2], depth: 4, skip: 0 }),
    true,
  ],
  ["grey, kernel 7 then 3, dilations 1 2 4", configOf({ firstKernel: 7, dilations: [1, 2, 4], depth: 4 }), true],
  [
    "grey, kernels 7, no skip, a condition",
    configOf({ firstKernel: 7, kernels: [7], depth: 2, skip: 0, condition: vector }),
    true,
  ],
  [
    "grey, dilation 2 over a first kernel of 3: every other pixel of the row is out of reach",
    configOf({ dilations: [2], depth: 4 }),
    false,
  ],
  ["colour, kernels 3", configOf({ ...colour, depth: 6 }), true],
  ["colour, kernels 5, no skip", configOf({ ...colour, ...noSkip, firstKernel: 5, kernels: [5], depth: 3 }), true],
  [
    "colour, kernel 7 then 3, dilations 1 2, a condition",
    configOf({ ...colour, firstKernel: 7, dilations: [1, 2], depth: 3, condition: vector }),
    true,
  ],
  ["grey, kernels 3, a map", configOf({ depth: 6, condition: map }), true],
  [
    "two channels, kernels 5, no skip, a class",
    configOf({
      ...colour,
      ...noSkip,
      channels: 2,
      firstKernel: 5,
      kernels: [5],
      depth: 3,
      condition: { kind: "class", classes: ["a", "b"] },
    }),
    true,
  ],
  ["colour, one layer", configOf({ ...colour, depth: 1 }), false],
  [
    "two channels, kernel 3 then 7, dilation 2",
    configOf({ ...colour, channels: 2, features: 8, kernels: [7], dilations: [2], depth: 2 }),
    false,
  ],
];

/** Whether output i changes when sub-pixel j does: [i][j]. One image a run, so that all runs are the same arithmetic at the same places. */
async function dependencies(config: GatedConfig, dtype: "float32" | "float64"): Promise<boolean[][]> {
  const { channels, levels } = config;
  const size = config.height * config.width * channels;
  const session = await openModel(randomModel(config, 3), "logits", { dtype });
  const base = randomPixels(config);
  const random = randomFrom(9);
  const h = Array.from({ length: config.condition ? conditionNumbersOf(config.condition) : 0 }, () => 2 * random.uniform() - 1);
  const run = (pixels: Uint8Array): Promise<number[]> => session.run(pixels, h);
  const before = await run(base);
  const matrix: boolean[][] = Array.from({ length: size }, () => []);
  for (let j = 0; j < size; j++) {
    const after = await run(base.with(j, (base[j]! + 1) % levels));
    for (let i = 0; i < size; i++) {
      matrix[i]![j] = false;
      for (let k = i * levels; k < (i + 1) * levels; k++) if (after[k] !== before[k]) matrix[i]![j] = true;
    }
  }
  await session.close();
  return matrix;
}

describe.each(CONFIGS)("%s", (_, config, covers) => {
  const field = receptiveField(config);
  const size = field.length;

  test("the rules let a sub-pixel see only earlier ones, and all of them once the layers cover the image", () => {
    let missing = 0;
    field.forEach((seen, i) => {
      expect(Math.max(-1, ...seen)).toBeLessThan(i);
      missing += i - seen.size;
    });
    expect(missing === 0).toBe(covers);
  });

  test("every output depends on exactly the sub-pixels that the rules let it see", async () => {
    const found = await dependencies(config, "float64");
    const wrong: string[] = [];
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        if (found[i]![j] !== field[i]!.has(j)) wrong.push(`${i} ${found[i]![j] ? "depends" : "does not depend"} on ${j}`);
    expect(wrong).toEqual([]);
  });

  test("in float32 too, no output depends on anything else", async () => {
    const found = await dependencies(config, "float32");
    const wrong: string[] = [];
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) if (found[i]![j] && !field[i]!.has(j)) wrong.push(`${i} on ${j}`);
    expect(wrong).toEqual([]);
  });
});
