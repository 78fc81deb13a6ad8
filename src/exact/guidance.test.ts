/**
 * Guidance: the logits with and without a condition, joined in the documented order, whatever the batch and the
 * threads.
 */

import { afterAll, expect, test } from "vitest";
import { conditionNumbers } from "../models/condition.ts";
import type { GatedConfig } from "../models/config.ts";
import { randomFrom } from "../random.ts";
import { Canvas } from "./canvas.ts";
import { numbersOfConditions } from "./conditions.ts";
import { createEngine, type Engine, type EngineOptions } from "./engine.ts";
import { stepwise } from "./loop.ts";
import { configOf, float32, naiveLogits, randomConditions, randomModel, randomPixels } from "./naive.test-support.ts";
import type { ExactModel } from "./plan.ts";
import { createPlan } from "./plan.ts";
import { cumulativeFrequencies } from "./reference.ts";

const HEIGHT = 5;
const WIDTH = 7;
const SIZE = { height: HEIGHT, width: WIDTH };
const f = Math.fround;

const kinds: [string, GatedConfig][] = [
  ["classes, grey", configOf({ condition: { kind: "class", classes: ["shirt", "shoe", "bag"] } })],
  ["a vector, colour", configOf({ channels: 3, depth: 4, dilations: [1, 2], condition: { kind: "vector", size: 4 } })],
  ["a map, grey", configOf({ ...SIZE, condition: { kind: "map", height: 3, width: 4, channels: 2, features: 5 } })],
];

const engines: Engine[] = [];
afterAll(async () => void (await Promise.all(engines.map((engine) => engine.close()))));
function engineOf(model: ExactModel, options?: EngineOptions): Engine {
  const engine = createEngine(model, options);
  engines.push(engine);
  return engine;
}

/** The naive tables of one image under guidance, a table a sub-pixel. */
function naiveTables(
  model: ReturnType<typeof randomModel<GatedConfig>>,
  pixels: Uint8Array,
  numbers: Float32Array,
  guidance: number,
  temperature: number,
): Uint32Array[] {
  const [conditioned, bare] = [numbers, null].map((h) => naiveLogits(model, pixels, HEIGHT, h, float32));
  return conditioned!.map((row, step) => {
    const joined = row.map((c, k) => f(f(f(1 + guidance) * c) - f(f(guidance) * bare![step]![k]!)));
    const out = new Uint32Array(model.config.levels + 1);
    expect(cumulativeFrequencies(Float32Array.from(joined), f(1 / temperature), out)).toBe(true);
    return out;
  });
}

test.each(kinds)(
  "%s: guided tables are, to the bit, those of the two naive passes joined, in both kernels",
  (_, config) => {
    const model = randomModel(config, 2);
    const plan = createPlan(model);
    const count = 4;
    const pixels = randomPixels(config, count, HEIGHT, WIDTH);
    const perImage = pixels.length / count;
    const conditions = numbersOfConditions(plan, randomConditions(config, count), { count, ...SIZE })!;
    const D = conditions.length / count;
    for (const kernel of ["wasm", "reference"] as const) {
      const canvas = new Canvas(plan, kernel, count, WIDTH, true);
      canvas.begin({ conditions, guidance: 1.7, temperature: 0.8 });
      const tables: Uint32Array[][] = Array.from({ length: count }, () => []);
      const size = config.levels + 1;
      const watch = stepwise(
        canvas,
        HEIGHT,
        (_, cumulative, levels) => {
          for (const [image, own] of tables.entries()) {
            levels[image] = pixels[image * perImage + own.length]!;
            own.push(cumulative.slice(image * size, (image + 1) * size));
          }
        },
        new Uint8Array(pixels.length),
      );
      expect([...watch].length).toBe(HEIGHT);
      for (const [image, own] of tables.entries()) {
        const numbers = conditions.subarray(image * D, (image + 1) * D);
        const known = pixels.subarray(image * perImage, (image + 1) * perImage);
        expect(own).toEqual(naiveTables(model, known, numbers, 1.7, 0.8));
      }
    }
  },
);

test.each(kinds)(
  "%s: a guided sample is drawn from its joined tables, and is another than without guidance",
  async (_, config) => {
    const model = randomModel(config, 2);
    const engine = engineOf(model);
    const conditions = randomConditions(config, 2);
    const { pixels } = await engine.sample({ count: 2, ...SIZE, seed: 6, conditions, guidance: 2 });
    const perImage = pixels.length / 2;
    for (const image of [0, 1]) {
      const own = pixels.subarray(image * perImage, (image + 1) * perImage);
      const stream = randomFrom(6, image);
      const numbers = conditionNumbers(config.condition!, conditions[image]!);
      for (const [i, table] of naiveTables(model, own, numbers, 2, 1).entries()) {
        const target = stream.bits() >>> 8;
        expect(own[i]).toBe(table.findLastIndex((c) => c <= target));
      }
    }
    expect(pixels).not.toEqual((await engine.sample({ count: 2, ...SIZE, seed: 6, conditions })).pixels);
  },
);

const ways: [string, EngineOptions][] = [
  ["one at a time", { batch: 1 }],
  ["3 at a time", { batch: 3 }],
  ["one thread", { threads: 1 }],
  ["two threads, 3 at a time", { threads: 2, batch: 3 }],
  ["the reference kernel", { kernel: "reference" }],
];
test.each(ways)("%s: the same guided samples and completions", async (_, options) => {
  for (const [, config] of kinds) {
    const model = randomModel(config, 2);
    const [here, other] = [engineOf(model, { batch: 16 }), engineOf(model, options)];
    const count = options.kernel === "reference" ? 4 : 16; // it is slow
    const conditions = randomConditions(config, count);
    const guided = { seed: 3, conditions, guidance: 1.5, temperature: 0.9 };
    const drawn = await here.sample({ count, ...SIZE, ...guided });
    expect(await other.sample({ count, ...SIZE, ...guided })).toEqual(drawn);
    expect(await other.complete({ images: drawn, rows: 2, ...guided })).toEqual(drawn);
    const images = { ...SIZE, pixels: randomPixels(config, count, HEIGHT, WIDTH) };
    const completed = await here.complete({ images, rows: 2, ...guided });
    expect(await other.complete({ images, rows: 2, ...guided })).toEqual(completed);
    const perImage = completed.pixels.length / count;
    for (let image = 0; image < count; image++) {
      const given = [image * perImage, image * perImage + (2 * perImage) / HEIGHT] as const;
      expect(completed.pixels.slice(...given)).toEqual(images.pixels.slice(...given));
    }
    // Image 2 alone.
    const alone = await other.sample({ count: 1, ...SIZE, ...guided, first: 2, conditions: [conditions[2]!] });
    expect(alone.pixels).toEqual(drawn.pixels.slice(2 * perImage, 3 * perImage));
    await other.close();
  }
});

test("guidance 0 is none: the same images, and no second pass to pay for", async () => {
  for (const [, config] of kinds) {
    const engine = engineOf(randomModel(config, 2));
    const conditions = randomConditions(config, 3);
    const plain = await engine.sample({ count: 3, ...SIZE, conditions });
    expect(await engine.sample({ count: 3, ...SIZE, conditions, guidance: 0 })).toEqual(plain);
    expect(await engine.sample({ count: 3, ...SIZE, conditions, guidance: undefined })).toEqual(plain);
    // A guided run in between leaves nothing behind.
    await engine.sample({ count: 3, ...SIZE, conditions, guidance: 3 });
    expect(await engine.sample({ count: 3, ...SIZE, conditions })).toEqual(plain);
  }
  expect((await engineOf(randomModel(configOf())).sample({ count: 1, ...SIZE, guidance: 0 })).pixels.length).toBe(35);
});

test("memory counts both passes, and wide guided images run fewer at a time", async () => {
  const config = configOf({ depth: 2, condition: { kind: "vector", size: 2 } });
  const engine = engineOf(randomModel(config));
  const plain = engine.memoryFor({ count: 32, width: 1000 });
  const guided = engine.memoryFor({ count: 32, width: 1000, guided: true });
  expect(guided / plain).toBeGreaterThan(1.9);
  expect(guided / plain).toBeLessThan(2.1);
  expect(guided).toBeGreaterThanOrEqual(engine.memoryFor({ count: 64, width: 1000 }));
  // 40 of these fit in a batch's 512 MiB, twice 40 do not.
  const width = Math.floor((2 ** 29 * 0.8 * 1000) / engine.memoryFor({ count: 40, width: 1000 }));
  const images = { height: 1, width, pixels: new Uint8Array(40 * width) };
  for (const [guidance, batches] of [
    [0, [40]],
    [1, [20, 40]],
  ] as const) {
    const seen: number[] = [];
    await engine.complete({ images, rows: 1, conditions: 0, guidance, onProgress: ({ done }) => seen.push(done) });
    expect(seen).toEqual(batches);
  }
});

test("what guidance cannot be is refused", async () => {
  const [[, config]] = kinds as [[string, GatedConfig]];
  const engine = engineOf(randomModel(config));
  const say = (options: Partial<Parameters<Engine["sample"]>[0]>, by = engine): Promise<string> =>
    by.sample({ count: 2, ...SIZE, conditions: 1, ...options }).then(
      () => "nothing",
      (error) => `${error.kind}: ${error.message}`,
    );
  for (const guidance of [-1, NaN, Infinity, 1e39])
    expect(await say({ guidance })).toBe(`usage: expected a finite guidance of at least 0 but received ${guidance}`);
  for (const conditions of [undefined, null, [null, null]])
    expect(await say({ guidance: 1, conditions })).toBe(
      "usage: expected conditions for guidance, which goes from no condition to a condition, but received none",
    );
  expect(await say({ guidance: 1, conditions: undefined }, engineOf(randomModel(configOf())))).toBe(
    "usage: expected no guidance: the model has no condition",
  );
  const images = { ...SIZE, pixels: new Uint8Array(35) };
  await expect(engine.complete({ images, rows: 2, guidance: -1, conditions: 0 })).rejects.toMatchObject({
    kind: "usage",
  });
  const model = randomModel(config);
  model.parameters.get("head.logits.b")!.data.fill(9 as never);
  expect(await say({ guidance: 3e38 }, engineOf(model))).toMatch(
    /^model: expected finite logits but image \d has NaN or infinite ones at row \d, column \d, channel 0: .*, or the guidance is too strong$/,
  );
});
