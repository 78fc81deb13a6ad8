/**
 * The exact engine and the throughput engine give a conditioned model the same log-probabilities, to 1e-4. Of few
 * levels: with 256 the floor of 2^-24 under each level's probability alone adds up to more in an image.
 */

import { afterAll, describe, expect, test } from "vitest";
import { conditionNumbers } from "../models/condition.ts";
import type { GatedInput } from "../models/config.ts";
import { configOf, openModel, randomModel, randomPixels } from "../models/random-model.test-support.ts";
import { createEngine, type Engine } from "./engine.ts";
import { randomConditions } from "./naive.test-support.ts";

const engines: Engine[] = [];
afterAll(async () => void (await Promise.all(engines.map((engine) => engine.close()))));

const map = (height: number, width: number, channels = 2) =>
  ({ kind: "map", height, width, channels, features: 5 }) as const;
const kinds: [string, Partial<GatedInput>][] = [
  ["classes, grey", { condition: { kind: "class", classes: ["shirt", "shoe", "bag"] } }],
  ["a vector, colour", { channels: 3, condition: { kind: "vector", size: 4 } }],
  ["a vector that is scaled", { condition: { kind: "vector", size: 4, scale: 3.7 } }],
  ["a map of the image's size, grey, no skip", { skip: 0, condition: map(5, 7) }],
  ["a larger map, grey", { condition: map(6, 9) }],
  ["a map of half the size, colour, dilations 1 2", { channels: 3, dilations: [1, 2], depth: 4, condition: map(3, 4) }],
  ["a map of a quarter, grey", { condition: map(2, 2, 1) }],
  ["a map of one cell, grey", { condition: map(1, 1) }],
  ["a vector through m(h), colour", { channels: 3, condition: { kind: "vector", size: 4, features: 5, scale: 2.5 } }],
];

describe.each(kinds)("%s", (_, changes) => {
  const config = configOf(changes);
  const model = randomModel(config, 2);

  test("log-probabilities agree to 1e-4, with conditions and without", async () => {
    const count = 5;
    const pixels = randomPixels(config, count);
    const perImage = pixels.length / count;
    const engine = createEngine(model);
    engines.push(engine);
    const conditions = randomConditions(config, count);
    expect(conditions[3]).toBe(null);
    const bits = await engine.score({ images: { height: config.height, width: config.width, pixels }, conditions });
    const h = conditions.flatMap((condition) => [...conditionNumbers(config.condition!, condition)]);
    const opened = await openModel(model, "logProbability", { dtype: "float64", batch: count });
    const truth = await opened.run(pixels, h);
    await opened.close();
    let worst = 0;
    for (const [image, expected] of truth.entries()) {
      const nats = -Math.LN2 * bits.slice(image * perImage, (image + 1) * perImage).reduce((a, b) => a + b);
      worst = Math.max(worst, Math.abs(nats - expected));
    }
    expect(worst).toBeLessThan(1e-4);
  });
});
