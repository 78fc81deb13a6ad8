/** Codes and reconstructions of whole data sets: every image once, in order, whatever the batch and the threads. */

import { beforeAll, describe, expect, test } from "vitest";
import { type Dataset, datasetFromArrays } from "../data/dataset.ts";
import type { Progress } from "../jobs.ts";
import { latentsOf } from "../models/autoencoder.ts";
import { randomLevels, randomParameters, runModelGraph } from "../models/families.test-support.ts";
import { type ModelConfig, modelParameters, resolveModel } from "../models/families.ts";
import { decode, encode } from "./encode.ts";

const image = { height: 6, width: 5, channels: 1, levels: 4 };
const config = resolveModel({
  family: "autoencoder",
  ...image,
  latents: 3,
  encoder: { features: [4, 5], hidden: 6 },
  decoder: { kind: "deconvolution", features: [12, 8] },
}) as Extract<ModelConfig, { family: "autoencoder" }>;
const parameters = randomParameters(modelParameters(config));
const COUNT = 11;
const pixels = randomLevels(config, COUNT);
const dataOf = (levels = pixels.data, changes: object = {}): Dataset =>
  datasetFromArrays({ name: "random", split: "all", classes: null, ...image, ...changes }, levels);

let expected: number[];
beforeAll(async () => {
  expected = (await runModelGraph(config, parameters, pixels, (lookup, images) => latentsOf(config, lookup, images))).y;
});

test.each([
  { batch: 1, threads: 2 },
  { batch: 4, threads: 1 },
  { batch: 11, threads: 2 },
  { batch: 64, threads: 1 },
])("codes are those of the network in float64, in order: $batch images a call, $threads threads", async (options) => {
  const seen: number[] = [];
  const onProgress = ({ done, total }: Progress): void => {
    expect(total).toBe(COUNT);
    seen.push(done);
  };
  const codes = await encode({ config, parameters }, dataOf(), { ...options, onProgress });
  expect(codes).toHaveLength(COUNT * 3);
  codes.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 5);
  });
  expect(seen.at(-1)).toBe(COUNT);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
});

test("reconstructions have every code's image in its place, as levels", async () => {
  const codes = Float32Array.from(expected);
  const all = await decode({ config, parameters }, codes, { batch: 4, threads: 2 });
  expect(all).toHaveLength(COUNT * 30);
  expect(Math.min(...all)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...all)).toBeLessThanOrEqual(3);
  const one = await decode({ config, parameters }, codes.slice(15, 18), { threads: 1 });
  one.forEach((value, i) => {
    expect(value).toBeCloseTo(all[5 * 30 + i]!, 5);
  });
  expect(new Set(Array.from({ length: COUNT }, (_, i) => all.subarray(30 * i, 30 * i + 30).join())).size).toBe(COUNT);
});

describe("what cannot be done is refused in words", () => {
  test("a data set of another size", async () => {
    await expect(encode({ config, parameters }, dataOf(pixels.data, { height: 5, width: 6 }))).rejects.toThrow(
      "expected images of height 6, as the model's config says, but random has height 5",
    );
  });
  test("a model without an encoder, whatever the images' size", async () => {
    const plain = resolveModel({ height: 3, width: 3, channels: 1, levels: 2 });
    await expect(encode({ config: plain, parameters: new Map() }, dataOf())).rejects.toThrow(
      "expected an auto-encoder or an embedder to encode with but received a gated-pixelcnn, which has no encoder",
    );
  });
  test("codes of another size", async () => {
    await expect(decode({ config, parameters }, new Float32Array(7))).rejects.toThrow(
      "expected 3 numbers an image, the latents of its auto-encoder, but received 7 in all",
    );
  });
  test("a request to stop", async () => {
    await expect(encode({ config, parameters }, dataOf(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      kind: "interrupted",
      message: "stopped on request",
    });
  });
});

test("no images have no codes", async () => {
  expect(await encode({ config, parameters }, dataOf(new Uint8Array(0)))).toHaveLength(0);
});
