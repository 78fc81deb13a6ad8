/** The front door: sampling, completing, scoring, and the walks for a codec, in this thread and in others. */

import { afterAll, expect, test } from "vitest";
import { randomFrom } from "../random.ts";
import { createEngine, type Engine } from "./engine.ts";
import { configOf, randomModel, randomPixels } from "./naive.test-support.ts";

const colour = randomModel(
  configOf({ channels: 3, depth: 4, dilations: [1, 2], condition: { kind: "vector", size: 4 } }),
  1,
);
const SIZE = { height: 5, width: 7 };
const PER_IMAGE = 5 * 7 * 3;

const engines: Record<string, Engine> = {
  "calling thread": createEngine(colour),
  "one thread": createEngine(colour, { threads: 1 }),
  "two threads, batches of 3": createEngine(colour, { threads: 2, batch: 3 }),
  reference: createEngine(colour, { kernel: "reference" }),
};
const [here] = Object.values(engines) as [Engine];
afterAll(async () => {
  for (const engine of Object.values(engines)) await engine.close();
});

const conditions = Array.from({ length: 8 }, (_, i) => i % 4);
const truth = await here.sample({ count: 8, ...SIZE, seed: 3, conditions });

test.each(Object.entries(engines))("%s: the same samples, completions, scores and intervals", async (_, engine) => {
  expect(await engine.sample({ count: 8, ...SIZE, seed: 3, conditions })).toEqual(truth);
  expect(await engine.complete({ images: truth, rows: 2, seed: 4, conditions })).toEqual(
    await here.complete({ images: truth, rows: 2, seed: 4, conditions }),
  );
  const bits = await here.score({ images: truth, conditions });
  expect(await engine.score({ images: truth, conditions })).toEqual(bits);
  const rows: number[] = [];
  await engine.forced(
    truth.pixels,
    truth,
    (row, starts, frequencies) => {
      rows.push(row);
      for (let i = 0; i < 7 * 3; i++) {
        for (let image = 0; image < 8; image++) {
          expect(starts[i * 8 + image]! + frequencies[i * 8 + image]!).toBeLessThanOrEqual(2 ** 24);
          expect(24 - Math.log2(frequencies[i * 8 + image]!)).toBe(bits[image * PER_IMAGE + row * 7 * 3 + i]);
        }
      }
    },
    { conditions },
  );
  expect(rows).toEqual([0, 1, 2, 3, 4]);
});

test("image i of a seed does not depend on the count, the batch, or where a call begins", async () => {
  for (const [first, count, batch] of [
    [0, 1, 64],
    [5, 1, 64],
    [2, 3, 2],
    [1, 7, 1],
  ] as const) {
    const part = await createEngine(colour, { batch }).sample({
      count,
      first,
      ...SIZE,
      seed: 3,
      conditions: conditions.slice(first, first + count),
    });
    expect(part.pixels).toEqual(truth.pixels.slice(first * PER_IMAGE, (first + count) * PER_IMAGE));
  }
  expect((await here.sample({ count: 8, ...SIZE, seed: 4, conditions })).pixels).not.toEqual(truth.pixels);
});

test("decoding with a sampler's numbers gives the sample: one loop, another source", async () => {
  const streams = Array.from({ length: 8 }, (_, i) => randomFrom(3, i));
  const pixels = await here.stepwise(
    { count: 8, ...SIZE },
    (_, cumulative, levels) => {
      const K = here.levels;
      for (const [image, stream] of streams.entries()) {
        const target = stream.bits() >>> 8;
        levels[image] = cumulative.subarray(image * (K + 1), (image + 1) * (K + 1)).findLastIndex((c) => c <= target);
      }
    },
    { conditions },
  );
  expect(pixels).toEqual(truth.pixels);
});

test("a completion keeps the given pixels to the bit, for rows and for any mask", async () => {
  const images = { ...SIZE, pixels: randomPixels(colour.config, 3, 5, 7) };
  for (let trial = 0; trial < 8; trial++) {
    const random = randomFrom(trial);
    const mask = Uint8Array.from({ length: 35 }, () => random.below(2));
    const { pixels } = await here.complete({ images, mask, seed: trial });
    for (const [i, level] of images.pixels.entries())
      if (mask[Math.floor(i / 3) % 35] !== 0) expect(pixels[i]).toBe(level);
    const rows = random.below(6);
    const below = (await here.complete({ images, rows, seed: trial })).pixels;
    for (let image = 0; image < 3; image++) {
      const from = image * PER_IMAGE;
      expect(below.slice(from, from + rows * 21)).toEqual(images.pixels.slice(from, from + rows * 21));
    }
  }
});

test("completing a sample from a part of itself, with its seed, gives it back", async () => {
  for (const rows of [0, 1, 3, 5])
    expect(await here.complete({ images: truth, rows, seed: 3, conditions })).toEqual(truth);
});

test("a vector condition that is one-hot is its class", async () => {
  const vectors = conditions.map((c) => Float32Array.from({ length: 4 }, (_, i) => (i === c ? 1 : 0)));
  expect(await here.sample({ count: 8, ...SIZE, seed: 3, conditions: vectors })).toEqual(truth);
  const all = await here.sample({ count: 2, ...SIZE, seed: 3, conditions: 0 });
  expect(all.pixels.slice(0, PER_IMAGE)).toEqual(truth.pixels.slice(0, PER_IMAGE));
});

test("a low temperature takes the likeliest level; temperature 1 changes nothing", async () => {
  expect(await here.sample({ count: 8, ...SIZE, seed: 3, conditions, temperature: 1 })).toEqual(truth);
  const cold = await here.sample({ count: 2, ...SIZE, seed: 3, temperature: 1e-4 });
  const pixels = await here.stepwise({ count: 2, ...SIZE }, (_, cumulative, levels) => {
    for (const image of [0, 1]) {
      const widths = Array.from(
        { length: here.levels },
        (_, k) => cumulative[image * (here.levels + 1) + k + 1]! - cumulative[image * (here.levels + 1) + k]!,
      );
      levels[image] = widths.indexOf(Math.max(...widths));
    }
  });
  expect(cold.pixels).toEqual(pixels);
});

test.each(Object.entries(engines))("%s: rows that are watched add up to the images", async (_, engine) => {
  const grown = new Uint8Array(truth.pixels.length);
  const rows = new Array<number>(8).fill(0);
  await engine.sample({
    count: 8,
    ...SIZE,
    seed: 3,
    conditions,
    onRow: ({ first, count, row, levels }) => {
      const each = levels.length / count;
      for (let i = 0; i < count; i++) {
        expect(rows[first + i]!++).toBe(row);
        grown.set(levels.subarray(i * each, (i + 1) * each), (first + i) * PER_IMAGE + row * each);
      }
    },
  });
  expect(grown).toEqual(truth.pixels);
});

test.each(["calling thread", "two threads, batches of 3"])(
  "%s: progress counts rows, an abort stops between rows, and the engine goes on afterwards",
  async (name) => {
    const engine = engines[name]!;
    const seen: number[] = [];
    const controller = new AbortController();
    const stopped = engine.sample({
      count: 8,
      height: 4000,
      width: 7,
      signal: controller.signal,
      onProgress: ({ done, total }) => {
        expect(total).toBe(8 * 4000);
        seen.push(done);
        if (seen.length === 5) controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ kind: "interrupted", message: "stopped on request" });
    expect(seen.length).toBeLessThan(4000);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    await expect(engine.sample({ count: 1, ...SIZE, signal: AbortSignal.abort() })).rejects.toMatchObject({
      kind: "interrupted",
    });
    expect(await engine.sample({ count: 8, ...SIZE, seed: 3, conditions })).toEqual(truth);
  },
);

test.each(["calling thread", "one thread"])(
  "%s: what a listener or source throws comes out, and the engine goes on afterwards",
  async (name) => {
    const engine = engines[name]!;
    const boom = new Error("boom");
    await expect(
      engine.forced(truth.pixels, truth, () => {
        throw boom;
      }),
    ).rejects.toBe(boom);
    await expect(
      engine.stepwise({ count: 1, ...SIZE }, () => {
        throw boom;
      }),
    ).rejects.toBe(boom);
    expect(await engine.sample({ count: 8, ...SIZE, seed: 3, conditions })).toEqual(truth);
  },
);

test("closing an engine ends what it was doing; it can be used again", async () => {
  const engine = createEngine(colour, { threads: 2 });
  const pending = engine.sample({ count: 8, height: 4000, width: 7 });
  const closed = expect(pending).rejects.toMatchObject({
    kind: "interrupted",
    message: "stopped: the engine was closed",
  });
  await engine.close();
  await closed;
  expect(await engine.sample({ count: 8, ...SIZE, seed: 3, conditions })).toEqual(truth);
  await engine.close();
});

test("jobs of several sizes at the same time do not disturb each other", async () => {
  const jobs = [1, 2, 3].map((count) =>
    here.sample({ count, ...SIZE, seed: 3, conditions: conditions.slice(0, count) }),
  );
  for (const [i, images] of (await Promise.all(jobs)).entries())
    expect(images.pixels).toEqual(truth.pixels.slice(0, (i + 1) * PER_IMAGE));
});

test("errors say what was expected, for what, and what came", async () => {
  const bad = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => "nothing",
      (error) => `${error.kind}: ${error.message}`,
    );
  expect(await bad(here.sample({ count: 0, ...SIZE }))).toBe(
    "usage: expected an integer of at least 1 for count but received 0",
  );
  expect(await bad(here.sample({ count: 1, ...SIZE, temperature: 0 }))).toBe(
    "usage: expected a positive temperature but received 0",
  );
  expect(await bad(here.sample({ count: 2, ...SIZE, conditions: [1] }))).toBe(
    "usage: expected 2 conditions, one an image, but received 1",
  );
  expect(await bad(here.sample({ count: 1, ...SIZE, conditions: 4 }))).toBe(
    "usage: expected an integer from 0 to 3 for the class of image 0 but received 4",
  );
  expect(await bad(here.sample({ count: 1, ...SIZE, conditions: new Float32Array(3) }))).toBe(
    "usage: image 0: expected a condition of 4 numbers an image but received 3",
  );
  expect(await bad(here.score({ images: { ...SIZE, pixels: new Uint8Array(100) } }))).toBe(
    "data: expected whole images of 5x7 pixels and 3 channels, 105 levels each, but received 100 levels",
  );
  expect(await bad(here.score({ images: { ...SIZE, pixels: new Uint8Array(210).fill(9, 150) } }))).toBe(
    "data: expected levels below 4 but image 1 has 9",
  );
  expect(await bad(here.complete({ images: truth }))).toBe("usage: expected either rows or a mask for a completion");
  expect(await bad(here.complete({ images: truth, mask: new Uint8Array(3) }))).toBe(
    "usage: expected a mask of 5x7 pixels but received 3",
  );
  expect(await bad(createEngine(randomModel(configOf())).sample({ count: 1, ...SIZE, conditions: 0 }))).toBe(
    "usage: expected no conditions: the model has none",
  );
  const huge = randomModel(configOf());
  for (const name of ["head.logits0.W", "head.logits.b"]) huge.parameters.get(name)!.data.fill(3e38 as never);
  expect(await bad(createEngine(huge).sample({ count: 1, ...SIZE }))).toMatch(
    /^model: expected finite logits but image 0 has NaN or infinite ones at row \d, column \d, channel 0: the model's weights overflow$/,
  );
});
