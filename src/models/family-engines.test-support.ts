/** For tests: the laws of a family at work: engines and naive pass agree, and so do samples, resumed runs and files. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { decodeArchive, encodeImages } from "../codec/codec.ts";
import { openPxc, readGroup } from "../codec/container.ts";
import { enginePredictor } from "../codec/engine-predictor.ts";
import { type Dataset, datasetOf } from "../data/dataset.ts";
import { createEngine } from "../exact/engine.ts";
import { logSoftmax } from "../exact/naive.test-support.ts";
import { float64 } from "../network/naive.test-support.ts";
import { randomFrom } from "../random.ts";
import { createRun, loadState, saveCheckpoint } from "../runs/run-folder.ts";
import { resolveRun } from "../train/config.ts";
import { train } from "../train/loop.ts";
import { collect, stateOf } from "../train/resume.test-support.ts";
import type { RunState } from "../train/state.ts";
import type { PixelcnnConfig } from "./config.ts";
import {
  changed,
  type Family,
  type FamilyCase,
  given,
  naiveOf,
  naiveTables,
  numbersOf,
  randomNumbers,
  TINY_IMAGES,
  tinyOf,
  valuesOf,
} from "./family-cases.test-support.ts";
import { allImages, openModel, randomModel, randomPixels, runModel } from "./random-model.test-support.ts";

/** Equality to the bit. Says where the first difference is: printing two long lists takes minutes. */
function expectSame(what: string, received: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(received.length, what).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    if (received[i] !== expected[i]) expect.fail(`${what} differs first at ${i}: ${received[i]} for ${expected[i]}`);
}

/** Law 3. */
export function checkEngines<C extends PixelcnnConfig>({ config }: FamilyCase<C>): void {
  const { height, width, channels, levels: K } = config;
  const model = randomModel(config, 5);
  // Without a condition, two images as well.
  const values = config.condition ? valuesOf(config.condition) : [null, null];
  const count = values.length;
  const pixels = randomPixels(config, count);
  const perImage = pixels.length / count;
  const imageOf = (b: number): Uint8Array => pixels.subarray(b * perImage, (b + 1) * perImage);
  const logPOf = (rows: readonly (readonly number[])[], image: Uint8Array): number[] =>
    rows.map((row, s) => logSoftmax(row)[image[s]!]!);
  const total = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  let passes: number[][][] | undefined;
  let tables: Uint32Array[][] | undefined;
  /** The naive float64 pass of each image. */
  const naive = (): number[][][] => {
    passes ??= values.map((value, b) => naiveOf(model, imageOf(b), value, float64));
    return passes;
  };

  test("outputs and log p of the float64 graph are those of the naive pass", async () => {
    const options = { batch: count, ...numbersOf(config, values) };
    const found = await runModel(model, "logits", pixels, options);
    const expected = naive().flat(2);
    expect(found).toHaveLength(expected.length);
    // Both add in float64, in other orders: some hundred roundings of 1e-16 each, and room.
    for (const [i, v] of expected.entries())
      expect(Math.abs(found[i]! - v)).toBeLessThan(1e-12 * Math.max(1, Math.abs(v)));
    const sums = await runModel(model, "logProbability", pixels, options);
    for (const [b, rows] of naive().entries()) {
      const logP = total(logPOf(rows, imageOf(b)));
      expect(Math.abs(sums[b]! - logP)).toBeLessThan(1e-12 * Math.abs(logP));
    }
  });

  test("log p of one pass is the product of prefix passes with garbage behind the prefix", async () => {
    const image = imageOf(0);
    const { h } = numbersOf(config, [values[0]!]);
    const session = await openModel(model, "logits", { dtype: "float32" });
    const random = randomFrom(11);
    const each: number[][] = [];
    for (let at = 0; at < perImage; at++) {
      const garbled = image.map((v, i) => (i < at ? v : random.below(K)));
      each.push((await session.run(garbled, h)).slice(at * K, (at + 1) * K));
    }
    await session.close();
    const [whole] = await runModel(model, "logProbability", image, { dtype: "float32", ...(h ? { h } : {}) });
    // float32 sums of up to 105 terms.
    expect(Math.abs(whole! - total(logPOf(each, image)))).toBeLessThan(1e-5 * Math.abs(whole!));
  });

  test("the exact engine scores each sub-pixel as the naive pass does, to 1e-4", async () => {
    const bits = await createEngine(model).score({ images: { height, width, pixels }, ...given(config, values) });
    const worst = naive().flatMap((rows, b) =>
      logPOf(rows, imageOf(b)).map((logP, s) => {
        // Every level keeps one part of 2^24, and its interval is rounded at both ends: that much of its probability
        // comes on top of the arithmetic's own error.
        const floor = (K + 2) / 2 ** 24 / Math.exp(logP);
        return Math.abs(-bits[b * perImage + s]! * Math.LN2 - logP) - floor;
      }),
    );
    expect(Math.max(...worst)).toBeLessThan(1e-4);
  });

  test.each(["wasm", "reference"] as const)(
    "frequencies are, to the bit, those of the naive float32 pass: %s kernel, pixel by pixel and row by row",
    async (kernel) => {
      // The reference kernel is slow: the first image, and the one without a condition.
      const images = kernel === "wasm" ? values.map((_, b) => b) : [0, count - 1];
      const part = { count: images.length, height, width };
      const levels = Uint8Array.from(images.flatMap((b) => [...imageOf(b)]));
      const conditions = given(
        config,
        images.map((b) => values[b]!),
      );
      tables ??= values.map((value, b) => naiveTables(model, imageOf(b), value));
      const engine = createEngine(model, { kernel });
      await engine.stepwise(
        part,
        ({ row, column, channel }, cumulative, next) => {
          const s = (row * width + column) * channels + channel;
          for (const [place, b] of images.entries()) {
            const table = cumulative.subarray(place * (K + 1), (place + 1) * (K + 1));
            expectSame(`the table of sub-pixel ${s} of image ${b}`, table, tables![b]![s]!);
            next[place] = imageOf(b)[s]!;
          }
        },
        conditions,
      );
      let rows = 0;
      const forced = (row: number, starts: Uint32Array, frequencies: Uint32Array): void => {
        rows++;
        for (let i = 0; i < width * channels; i++)
          for (const [place, b] of images.entries()) {
            const s = row * width * channels + i;
            const [table, level] = [tables![b]![s]!, imageOf(b)[s]!];
            const interval = [starts, frequencies].map((list) => list[i * images.length + place]!);
            const expected = [table[level]!, table[level + 1]! - table[level]!];
            expectSame(`the interval of sub-pixel ${s} of image ${b}`, interval, expected);
          }
      };
      await engine.forced(levels, part, forced, conditions);
      expect(rows).toBe(height);
      await engine.close();
    },
  );
}

/** Law 4. */
export function checkSampler<C extends PixelcnnConfig>({ config }: FamilyCase<C>): void {
  test("the sampler draws what a naive sampler draws with the same seed", async () => {
    const size = { height: 2, width: 3 };
    const model = randomModel(changed(config, size), 6);
    const values = valuesOf(config.condition).slice(-2);
    const [seed, first, count] = [3, 4, values.length];
    const expected = values.flatMap((value, i) => {
      const random = randomFrom(seed, first + i);
      const pixels = new Uint8Array(size.height * size.width * config.channels);
      for (let s = 0; s < pixels.length; s++) {
        const table = naiveTables(model, pixels, value)[s]!;
        // 24 bits: the level whose interval holds the number.
        const number = random.bits() >>> 8;
        pixels[s] = table.findLastIndex((start) => start <= number);
      }
      return [...pixels];
    });
    const { pixels } = await createEngine(model).sample({ ...size, count, seed, first, ...given(config, values) });
    expect([...pixels]).toEqual(expected);
  });
}

/** Law 4, once a family. */
export function checkChiSquare<C extends PixelcnnConfig>(config: C): void {
  test("1e5 samples of a tiny binary model come as often as it says: chi-square", async () => {
    const [, size] = TINY_IMAGES[0];
    const model = randomModel(changed(config, { ...size, condition: null }), 8);
    const logP = await runModel(model, "logProbability", allImages(model.config), { batch: 16 });
    const count = 1e5;
    const expected = logP.map((l) => count * Math.exp(l));
    expect(Math.min(...expected)).toBeGreaterThan(5); // else chi-square says little
    const { pixels } = await createEngine(model, { batch: 1000 }).sample({ ...size, count, seed: 1 });
    const seen = new Array<number>(16).fill(0);
    for (let i = 0; i < pixels.length; i += 4)
      seen[8 * pixels[i]! + 4 * pixels[i + 1]! + 2 * pixels[i + 2]! + pixels[i + 3]!]!++;
    const statistic = seen.reduce((sum, n, i) => sum + (n - expected[i]!) ** 2 / expected[i]!, 0);
    expect(statistic).toBeLessThan(37.7); // 15 degrees of freedom, p = 0.001; the seed is fixed, so the result is too
  });
}

/** Images of random levels, each with the class or the numbers that a model asks for. */
function dataFor({ height, width, channels, levels, condition }: PixelcnnConfig, length = 11): Dataset {
  const size = height * width * channels;
  const classes = condition?.kind === "class" ? condition.classes : null;
  const [value] = valuesOf(condition);
  const vectorSize = classes === null && value instanceof Float32Array ? value.length : undefined;
  const parts = { name: "noise", split: "train", height, width, channels, levels, length, classes };
  return datasetOf(
    { ...parts, nameOf: String, ...(vectorSize === undefined ? {} : { vectorSize }) },
    async (indices, pixels, labels, _epoch, vectors) => {
      for (const [i, index] of indices.entries()) {
        const random = randomFrom(77, index);
        for (let s = 0; s < size; s++) pixels[i * size + s] = random.below(levels);
        if (classes) labels[i] = index % classes.length;
        if (vectorSize !== undefined) vectors.set(randomNumbers(vectorSize, index), i * vectorSize);
      }
    },
  );
}

/** Law 8; train/resume.test.ts goes on in another process, and with more threads. */
export function checkResume<C extends PixelcnnConfig>(family: Family<C>, { config }: FamilyCase<C>): void {
  const folder = mkdtempSync(join(tmpdir(), "pixelcnn-family-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  test("3 steps, a checkpoint and 3 steps are 6 steps, to the bit", async () => {
    const run = resolveRun({
      data: { source: "noise" },
      model: tinyOf(family, config),
      train: { batch: 4, rate: 1e-2, warmup: 3, weightDecay: 0.01, average: 0.9, clip: 5, budget: { steps: 6 } },
    });
    const data = dataFor(config);
    const bits = ({ step, weights, first, second, average }: RunState): unknown => ({
      step,
      lists: [weights, first, second, average].map((list) => Buffer.from(list.slice().buffer).toString("hex")),
    });
    await createRun(folder, run);
    const stopper = new AbortController();
    for await (const event of train({ config: run, data, threads: 1, signal: stopper.signal })) {
      if (event.type === "step" && event.step === 3) stopper.abort();
      if (event.type === "checkpoint") await saveCheckpoint(folder, run, event.state);
    }
    const from = await loadState(folder, run);
    expect(from.step).toBe(3);
    const resumed = stateOf(await collect({ config: run, data, threads: 1, from }));
    const whole = stateOf(await collect({ config: run, data, threads: 1 }));
    expect(whole.step).toBe(6);
    expect(bits(resumed)).toEqual(bits(whole));
    expect(bits(resumed)).not.toEqual(bits(from));
  });
}

/** Law 10. */
export function checkCodec<C extends PixelcnnConfig>({ config }: FamilyCase<C>): void {
  test(
    "the codec gives back drawn, constant and noise images, in no more than 1 % and 64 bits above the " + "score",
    async () => {
      const { height, width, channels, levels, condition } = config;
      const predictor = await enginePredictor(randomModel(config, 7));
      const values = [0, 1, 2, 3].map((i) => valuesOf(condition).at(i % valuesOf(condition).length)!);
      const count = values.length;
      const size = height * width * channels;
      const drawn = await predictor.engine.sample({ count, height, width, seed: 2, ...given(config, values) });
      const noise = randomPixels(config, count, 13);
      const constant = noise.map((_, i) => Math.floor(i / size) % levels);
      for (const [kind, pixels] of Object.entries({ drawn: drawn.pixels, constant, noise })) {
        const images = values.map((value, i) => ({
          height,
          width,
          pixels: pixels.slice(i * size, (i + 1) * size),
          ...(value === null ? {} : { condition: value }),
        }));
        const bytes = await encodeImages(predictor, images);
        const back = await decodeArchive(predictor, bytes);
        expect(back.map((image) => [...image.pixels])).toEqual(images.map((image) => [...image.pixels]));
        const file = openPxc(bytes);
        if (file.kind !== "archive") throw new Error("expected an archive");
        // Images with a condition make one group, those without another: the bound holds for both together.
        const payload = file.groups.reduce((sum, _, g) => sum + 8 * readGroup(file, g).payload.length, 0);
        const scored = await predictor.engine.score({ images: { height, width, pixels }, ...given(config, values) });
        const bits = scored.reduce((a, b) => a + b, 0);
        expect(payload, kind).toBeLessThanOrEqual(1.01 * bits + 64);
      }
      await predictor.close();
    },
  );
}
