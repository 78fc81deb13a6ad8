/** Embedders: derivatives end to end, and what embeddings of drawn people are like. */

import { describe, expect, test } from "vitest";
import { type EmbedderConfig, embeddingsOf } from "./embedder.ts";
import {
  checkLossDerivatives,
  lossOf,
  randomLevels,
  randomParameters,
  runModelGraph,
} from "./families.test-support.ts";
import { modelParameters, resolveModel } from "./families.ts";
import { syntheticIdentities } from "./synthetic-identities.test-support.ts";

const configOf = (changes: object = {}): EmbedderConfig =>
  resolveModel({
    family: "embedder",
    height: 4,
    width: 5,
    channels: 1,
    levels: 6,
    size: 3,
    encoder: { features: [4, 5], hidden: 6 },
    ...changes,
  }) as EmbedderConfig;

test("the loss's derivatives by every weight are those of central differences", async () => {
  const config = configOf({ margin: 0.8 });
  const parameters = randomParameters(modelParameters(config), 2);
  const found = await checkLossDerivatives(config, parameters, randomLevels(config, 7), {
    labels: [0, 0, 1, 1, 1, 2, 0],
  });
  for (const [name, values] of found) expect(Math.max(...values.map(Math.abs)), name).toBeGreaterThan(1e-3);
});

test("embeddings have length one", async () => {
  const config = configOf({ channels: 3, size: 5 });
  const { shape, y } = await runModelGraph(
    config,
    randomParameters(modelParameters(config)),
    randomLevels(config, 4),
    (lookup, images) => embeddingsOf(config, lookup, images),
  );
  expect(shape).toEqual([4, 5]);
  for (let b = 0; b < 4; b++) expect(Math.hypot(...y.slice(5 * b, 5 * b + 5))).toBeCloseTo(1, 10);
});

test("the loss is B times the mean over pairs of what the embeddings' distances say", async () => {
  const config = configOf({ margin: 0.5 });
  const parameters = randomParameters(modelParameters(config), 4);
  const pixels = randomLevels(config, 3);
  const { y } = await runModelGraph(config, parameters, pixels, (lookup, images) =>
    embeddingsOf(config, lookup, images),
  );
  const d = (a: number, b: number): number =>
    [0, 1, 2].reduce((sum, k) => sum + (y[3 * a + k]! - y[3 * b + k]!) ** 2, 0);
  // Two images of one person and one of another: either is the anchor once, and the third is the only negative.
  const mean = (Math.max(0, d(0, 1) - d(0, 2) + 0.5) + Math.max(0, d(1, 0) - d(1, 2) + 0.5)) / 2;
  expect(mean).toBeGreaterThan(0.1);
  expect(await lossOf(config, parameters, pixels, { labels: [3, 3, 8] })).toBeCloseTo(3 * mean, 10);
});

describe("drawn people", () => {
  const drawn = async (options: Partial<Parameters<typeof syntheticIdentities>[0]> = {}) => {
    const data = syntheticIdentities({ people: 4, imagesEach: 3, seed: 2, ...options });
    return { data, ...(await data.batch(Array.from({ length: data.length }, (_, i) => i))) };
  };
  test("are the same for the same seed, whoever is drawn beside them", async () => {
    const all = await drawn();
    expect((await drawn()).pixels).toEqual(all.pixels);
    expect((await drawn({ people: 2, firstPerson: 2 })).pixels).toEqual(all.pixels.slice(all.pixels.length / 2));
    expect((await drawn({ seed: 3 })).pixels).not.toEqual(all.pixels);
    expect(Array.from(all.labels)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    expect(all.data.classes).toEqual(["person0", "person1", "person2", "person3"]);
  });
  test("have images that differ, in grey and in colour, at any number of levels", async () => {
    const { data, pixels } = await drawn({ channels: 3, levels: 8 });
    const each = data.height * data.width * 3;
    const images = Array.from({ length: data.length }, (_, i) => pixels.subarray(i * each, (i + 1) * each).join());
    expect(new Set(images).size).toBe(12);
    expect(Math.max(...pixels)).toBe(7);
  });
});

test("a config has defaults, and says what is wrong with it", () => {
  expect(configOf()).toMatchObject({ margin: 0.2 });
  expect(resolveModel({ family: "embedder", height: 8, width: 8, channels: 1, levels: 2 })).toMatchObject({ size: 32 });
  expect(() => configOf({ margin: 0 })).toThrow(/margin: .*but received 0/);
  expect(() => configOf({ latents: 3 })).toThrow("the top level: unknown key latents");
});
