import { describe, expect, test } from "vitest";
import { datasetFromArrays } from "../data/dataset.ts";
import type { GatedConfig } from "../models/config.ts";
import { type NaiveCondition, naiveLogits } from "../models/naive.test-support.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import type { ParameterMap } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { sizeOf } from "../tensor.ts";
import { completeByFullPasses, drawLevel, sampleByFullPasses } from "./full-pass.ts";
import { likelihood } from "./likelihood.ts";

/** Random weights, biases included. */
function randomParameters(model: GatedConfig, seed = 1): ParameterMap {
  const random = randomFrom(seed);
  return new Map(
    pixelcnnParameters(model).map(({ name, shape }) => [
      name,
      { dtype: "float32", shape, data: Float32Array.from({ length: sizeOf(shape) }, () => random.uniform() * 2 - 1) },
    ]),
  );
}

const small = (channels: number, levels: number, height = 3, width = 4): GatedConfig =>
  resolvePixelcnn({
    height,
    width,
    channels,
    levels,
    features: 6,
    depth: 2,
    firstKernel: 3,
    kernels: [3],
    skip: 6,
    head: { features: 6 },
  });

describe("sampling by full passes", () => {
  const model = small(3, 5);
  const parameters = randomParameters(model);
  const size = 3 * 4 * 3;

  test("an image depends on its own seed and number alone: not on the batch, the chunk or the threads", async () => {
    const all = await sampleByFullPasses({ config: model, parameters }, { count: 5, seed: 7, batch: 5, threads: 1 });
    expect(
      await sampleByFullPasses({ config: model, parameters }, { count: 5, seed: 7, batch: 2, threads: 2 }),
    ).toEqual(all);
    const last = await sampleByFullPasses({ config: model, parameters }, { count: 1, seed: 7, first: 4 });
    expect(last).toEqual(all.slice(4 * size));
    expect(await sampleByFullPasses({ config: model, parameters }, { count: 5, seed: 8 })).not.toEqual(all);
    expect(Math.max(...all)).toBeLessThan(5);
  });

  test(
    "completion keeps the given pixels to the bit, whatever stands in the others, and gives a sample back with " +
      "its seed",
    async () => {
      const sampled = await sampleByFullPasses({ config: model, parameters }, { count: 3, seed: 2 });
      const mask = Uint8Array.from({ length: 12 }, (_, p) => (p % 3 === 1 || p > 8 ? 1 : 0));
      const known = (i: number): boolean => mask[Math.floor((i % size) / 3)] === 1;
      const given = sampled.map((v, i) => (known(i) ? v : 255));
      const before = given.slice();
      const completed = await completeByFullPasses({ config: model, parameters }, { pixels: given, mask, seed: 9 });
      expect(completed.every((v, i) => !known(i) || v === sampled[i])).toBe(true);
      expect(completed).not.toEqual(sampled);
      expect(given).toEqual(before);
      const prefix = Uint8Array.from({ length: 12 }, (_, p) => (p < 5 ? 1 : 0));
      expect(
        await completeByFullPasses({ config: model, parameters }, { pixels: sampled, mask: prefix, seed: 2 }),
      ).toEqual(sampled);
    },
  );

  test("temperature 0 takes the likeliest level each time, whatever the seed", async () => {
    const one = await sampleByFullPasses({ config: model, parameters }, { count: 2, seed: 1, temperature: 0 });
    expect(await sampleByFullPasses({ config: model, parameters }, { count: 2, seed: 5, temperature: 0 })).toEqual(one);
    expect(one.slice(0, size)).toEqual(one.slice(size));
  });

  test("progress ends at every sub-pixel of every image, and a signal stops it with its reason", async () => {
    const seen: number[][] = [];
    await sampleByFullPasses(
      { config: model, parameters },
      { count: 3, onProgress: ({ done, total }) => void seen.push([done, total]) },
    );
    expect(seen.at(-1)).toEqual([3 * size, 3 * size]);
    const stop = new AbortController();
    const reason = new Error("enough");
    const stopped = sampleByFullPasses(
      { config: model, parameters },
      {
        count: 3,
        signal: stop.signal,
        onProgress: () => stop.abort(reason),
      },
    );
    await expect(stopped).rejects.toMatchObject({ kind: "interrupted", cause: reason });
  });

  test("wrong input is named", async () => {
    const mask = new Uint8Array(12);
    await expect(sampleByFullPasses({ config: model, parameters }, { count: 0 })).rejects.toThrow(
      "expected an integer of at least 1 for the number of images but received 0",
    );
    await expect(sampleByFullPasses({ config: model, parameters }, { count: 1, temperature: -1 })).rejects.toThrow(
      "expected a temperature of at least 0 but received -1",
    );
    await expect(
      completeByFullPasses({ config: model, parameters }, { pixels: new Uint8Array(35), mask }),
    ).rejects.toThrow("expected whole images of 3x4x3 but received 35 sub-pixels");
    await expect(
      completeByFullPasses({ config: model, parameters }, { pixels: new Uint8Array(size), mask: mask.subarray(1) }),
    ).rejects.toThrow("expected a mask of 3x4 = 12 pixels but received 11");
    await expect(
      completeByFullPasses({ config: model, parameters }, { pixels: new Uint8Array(size).fill(5), mask: mask.fill(1) }),
    ).rejects.toThrow("expected levels below 5 but received 5 in image 0");
  });
});

describe("with conditions", () => {
  const CLASSES = ["a", "b", "c"];
  const config: GatedConfig = { ...small(2, 3, 2, 2), condition: { kind: "class", classes: CLASSES } };
  const parameters = randomParameters(config, 2);
  const size = 2 * 2 * 2;

  /**
   * Image i of seed 5 drawn by hand: logits of the naive forward, with and without, joined, and the level that owns the
   * number drawn.
   */
  function drawn(
    i: number,
    value: NaiveCondition,
    guidance: number,
    temperature: number,
    given: Uint8Array | null = null,
  ): number[] {
    const random = randomFrom(5, i);
    const pixels = new Uint8Array(size);
    for (let at = 0; at < size; at++) {
      const uniform = (random.bits() + 0.5) / 2 ** 32;
      const [c, u] = [value, null].map((h) => naiveLogits(config, parameters, pixels, h)[at]!) as [number[], number[]];
      const weights = c.map((logit, k) => Math.exp(((1 + guidance) * logit - guidance * u[k]!) / temperature));
      const all = weights.reduce((a, b) => a + b);
      const ends = weights.map((_, k) => weights.slice(0, k + 1).reduce((a, b) => a + b) / all);
      const level = ends.findIndex((end) => uniform < end);
      pixels[at] = given && at < 4 ? given[at]! : level;
    }
    return [...pixels];
  }
  const VALUES: NaiveCondition[] = [0, 2, [0.5, 0.5, 0], null];
  const conditions = VALUES.map((value) =>
    Array.isArray(value) ? Float32Array.from(value) : (value as number | null),
  );

  test.each([
    [0, 1],
    [1.5, 1],
    [3, 0.7],
  ])("and guidance %d at temperature %d: logits are (1 + g) with it - g without", async (guidance, temperature) => {
    const options = { count: 4, seed: 5, guidance, temperature, conditions, batch: 3, threads: 1 };
    const found = await sampleByFullPasses({ config, parameters }, options);
    const expected = VALUES.map((value, i) => drawn(i, value, guidance, temperature));
    expect([...found]).toEqual(expected.flat());
    // Guidance does nothing to what has no condition.
    if (guidance > 0) expect(expected[3]).toEqual(drawn(3, null, 0, temperature));
  });

  test("guidance changes what is drawn; one condition stands for all images; completion takes them too", async () => {
    const options = { count: 4, seed: 5, threads: 1 };
    const [plain, guided] = await Promise.all(
      [0, 3].map((guidance) => sampleByFullPasses({ config, parameters }, { ...options, conditions: 1, guidance })),
    );
    expect(guided).not.toEqual(plain);
    expect([...plain!]).toEqual([0, 1, 2, 3].flatMap((i) => drawn(i, 1, 0, 1)));
    expect([...(await sampleByFullPasses({ config, parameters }, options))]).toEqual(
      [0, 1, 2, 3].flatMap((i) => drawn(i, null, 0, 1)),
    );
    const given = Uint8Array.from({ length: 2 * size }, (_, i) => i % 3);
    const mask = Uint8Array.of(1, 1, 0, 0);
    const request = { pixels: given, mask, seed: 5, guidance: 2, conditions: [2, 0], threads: 1 };
    expect([...(await completeByFullPasses({ config, parameters }, request))]).toEqual(
      [2, 0].flatMap((value, i) => drawn(i, value, 2, 1, given.subarray(i * size))),
    );
  });

  test("that cannot be: the words", async () => {
    const say = (model: GatedConfig, options: object): Promise<string> =>
      sampleByFullPasses(
        { config: model, parameters: randomParameters(model, 2) },
        { count: 2, threads: 1, ...options },
      ).then(
        () => "nothing",
        (error) => `${error.kind}: ${error.message}`,
      );
    const plain = { ...config, condition: null };
    expect(await say(plain, { conditions: 1 })).toBe(
      "usage: expected no condition for an unconditional model but received one",
    );
    expect(await say(plain, { guidance: 1 })).toBe(
      "usage: expected a condition for guidance to strengthen but received none",
    );
    expect(await say(config, { guidance: 1 })).toBe(
      "usage: expected a condition for guidance to strengthen but received none",
    );
    expect(await say(config, { guidance: 1, conditions: [null, null] })).toBe(
      "usage: expected a condition for guidance to strengthen but received none",
    );
    expect(await say(config, { guidance: -1, conditions: 1 })).toBe(
      "usage: expected a guidance of at least 0 but received -1",
    );
    expect(await say(config, { conditions: 3 })).toBe("usage: expected a class from 0 to 2 (a, b, c) but received 3");
    expect(await say(config, { conditions: [1] })).toBe(
      "usage: expected a condition for each of 2 images but received 1",
    );
    expect(await say(config, { conditions: null })).toBe("nothing");
  });
});

test("samples of a 2x2 binary model come as often as it says: chi-square", async () => {
  const model = small(1, 2, 2, 2);
  const parameters = randomParameters(model, 3);
  const count = 6000;
  const pixels = await sampleByFullPasses({ config: model, parameters }, { count, seed: 4, batch: 3000 });
  const every = Uint8Array.from({ length: 64 }, (_, i) => (Math.floor(i / 4) >> (i % 4)) & 1);
  const parts = { name: "every image", split: "all", height: 2, width: 2, channels: 1, levels: 2, classes: null };
  const { each } = await likelihood({ config: model, parameters }, datasetFromArrays(parts, every));
  const observed = new Float64Array(16);
  for (let i = 0; i < count; i++)
    observed[pixels[4 * i]! + 2 * pixels[4 * i + 1]! + 4 * pixels[4 * i + 2]! + 8 * pixels[4 * i + 3]!]!++;
  const chi = observed.reduce(
    (sum, n, i) => sum + (n - count * Math.exp(-each[i]!)) ** 2 / (count * Math.exp(-each[i]!)),
    0,
  );
  // 15 degrees of freedom: above 37.7 in one of a thousand; the seed is fixed, so it is in none of them.
  expect(chi).toBeLessThan(37.7);
});

test("a level owns its probability of the numbers from 0 to 1", () => {
  const logits = [Math.log(0.25), Math.log(0.5), Number.NEGATIVE_INFINITY, Math.log(0.25)];
  expect([0, 0.24, 0.26, 0.74, 0.76, 0.9999999].map((u) => drawLevel(logits, u, 1))).toEqual([0, 0, 1, 1, 3, 3]);
  // Halving the temperature squares the odds: 1 : 4 : 0 : 1.
  expect([0.16, 0.17, 0.83, 0.84].map((u) => drawLevel(logits, u, 0.5))).toEqual([0, 1, 1, 3]);
});
