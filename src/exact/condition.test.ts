/**
 * Models with a condition, of every kind: the bits of the naive pass, whatever the batch, threads and walk; and what is
 * refused.
 */

import { afterAll, describe, expect, test } from "vitest";
import { conditionNumbers } from "../models/condition.ts";
import type { GatedConfig } from "../models/config.ts";
import { type Condition, createEngine, type Engine, type EngineOptions } from "./engine.ts";
import { configOf, float32, naiveLogits, randomConditions, randomModel, randomPixels } from "./naive.test-support.ts";
import type { ExactModel } from "./plan.ts";
import { cumulativeFrequencies } from "./reference.ts";

const HEIGHT = 5;
const WIDTH = 7;
const COUNT = 16;
const SIZE = { height: HEIGHT, width: WIDTH };

const colour = { channels: 3, skip: 0, depth: 4, dilations: [1, 2] };
const mapOf = (height: number, width: number, channels = 2) => ({
  ...SIZE,
  condition: { kind: "map", height, width, channels, features: 5 },
});
const classes = configOf({ condition: { kind: "class", classes: ["shirt", "shoe", "bag"] } });
const vector = configOf({ condition: { kind: "vector", size: 5 } });
const map = configOf({ ...colour, ...mapOf(3, 4) });
const kinds: [string, GatedConfig][] = [
  ["classes, grey", classes],
  ["classes, colour", configOf({ ...colour, condition: { kind: "class", classes: ["shirt", "shoe"] } })],
  ["a vector, grey", vector],
  ["a map of the image's size, grey", configOf(mapOf(5, 7))],
  ["a map of half the size, colour", map],
  ["a map of a quarter, grey", configOf(mapOf(2, 2))],
  ["a map of one cell, grey", configOf(mapOf(1, 1))],
  [
    "a vector through m(h), colour",
    configOf({ ...colour, ...SIZE, condition: { kind: "vector", size: 5, features: 6, scale: 1.5 } }),
  ],
];

const engines: Engine[] = [];
afterAll(async () => void (await Promise.all(engines.map((engine) => engine.close()))));
function engineOf(model: ExactModel, options?: EngineOptions): Engine {
  const engine = createEngine(model, options);
  engines.push(engine);
  return engine;
}

/** All tables of the images, one after another: [count, H, W, C, K + 1]. */
async function tablesOf(
  engine: Engine,
  pixels: Uint8Array,
  conditions: readonly (Condition | null)[] | undefined,
  count = COUNT,
): Promise<Uint32Array> {
  const size = engine.levels + 1;
  const perImage = pixels.length / count;
  const tables = new Uint32Array(pixels.length * size);
  await engine.stepwise(
    { count, ...SIZE },
    ({ row, column, channel }, cumulative, levels) => {
      for (let image = 0; image < count; image++) {
        const at = image * perImage + (row * WIDTH + column) * engine.channels + channel;
        tables.set(cumulative.subarray(image * size, (image + 1) * size), at * size);
        levels[image] = pixels[at]!;
      }
    },
    { conditions },
  );
  return tables;
}

/** Printing two long arrays that differ takes minutes. */
function expectEqual(
  received: Uint32Array | Float64Array | Uint8Array,
  expected: Uint32Array | Float64Array | Uint8Array,
): void {
  const at = expected.findIndex((x, i) => x !== received[i]);
  if (at >= 0 || received.length !== expected.length)
    expect.fail(`differs first at ${at} of ${expected.length}: ${received[at]} for ${expected[at]}`);
}

describe.each(kinds)("%s", (_, config) => {
  const model = randomModel(config, 3);
  const conditions = randomConditions(config, COUNT);
  const pixels = randomPixels(config, COUNT, HEIGHT, WIDTH);
  const perImage = pixels.length / COUNT;
  const here = engineOf(model, { batch: COUNT });

  test("frequencies are, to the bit, the naive pass's: with a condition, a mixture, and without", async () => {
    const tables = await tablesOf(here, pixels, conditions);
    const size = config.levels + 1;
    for (const image of [0, 1, 3]) {
      const own = pixels.subarray(image * perImage, (image + 1) * perImage);
      const numbers = conditionNumbers(config.condition!, conditions[image]!);
      for (const [step, row] of naiveLogits(model, own, HEIGHT, numbers, float32).entries()) {
        const table = new Uint32Array(size);
        cumulativeFrequencies(Float32Array.from(row), 1, table);
        const from = (image * perImage + step) * size;
        expectEqual(tables.subarray(from, from + size), table);
      }
    }
    // The conditions matter: the tests of this file would see nothing if they did not.
    expect(conditions[3]).toBe(null);
    const without = await tablesOf(here, pixels, undefined);
    for (let image = 0; image < 5; image++) {
      const part = [image * perImage * size, (image + 1) * perImage * size] as const;
      expect(tables.subarray(...part).every((x, i) => x === without[part[0] + i])).toBe(image === 3);
    }
  });

  const ways: [string, EngineOptions][] = [
    ["one at a time", { batch: 1 }],
    ["3 at a time", { batch: 3 }],
    ["one thread", { threads: 1 }],
    ["two threads, 3 at a time", { threads: 2, batch: 3 }],
    ["the reference kernel", { kernel: "reference" }],
  ];
  test.each(ways)("%s: the same samples, completions, scores and intervals", async (_, options) => {
    const other = engineOf(model, options);
    const count = options.kernel === "reference" ? 4 : COUNT; // it is slow
    const given = { conditions: conditions.slice(0, count) };
    const images = { ...SIZE, pixels: pixels.subarray(0, count * perImage) };
    const drawn = await here.sample({ count, ...SIZE, seed: 2, ...given });
    expectEqual((await other.sample({ count, ...SIZE, seed: 2, ...given })).pixels, drawn.pixels);
    const completed = (await here.complete({ images, rows: 2, seed: 2, ...given })).pixels;
    expectEqual((await other.complete({ images, rows: 2, seed: 2, ...given })).pixels, completed);
    expectEqual((await other.complete({ images: drawn, rows: 2, seed: 2, ...given })).pixels, drawn.pixels);
    const bits = await here.score({ images, ...given });
    expectEqual(await other.score({ images, ...given }), bits);
    const watched = new Float64Array(bits.length);
    const perRow = perImage / HEIGHT;
    await other.forced(
      images.pixels,
      { count, ...SIZE },
      (row, _, frequencies) => {
        for (let i = 0; i < perRow; i++) {
          for (let image = 0; image < count; image++)
            watched[image * perImage + row * perRow + i] = 24 - Math.log2(frequencies[i * count + image]!);
        }
      },
      given,
    );
    expectEqual(watched, bits);
    await other.close();
  });

  test("forced equals stepwise: scores are of the tables", async () => {
    const tables = await tablesOf(here, pixels, conditions);
    const size = config.levels + 1;
    const bits = Float64Array.from(pixels, (level, at) => {
      const own = at * size + level;
      return 24 - Math.log2(tables[own + 1]! - tables[own]!);
    });
    expectEqual(await here.score({ images: { ...SIZE, pixels }, conditions }), bits);
  });

  test("no condition, for all or for one, has the bits of the model without V", async () => {
    const bare = randomModel(config, 3).parameters;
    for (const name of [...bare.keys()]) if (/\.V_|^map\./.test(name)) bare.delete(name);
    const truth = await tablesOf(
      engineOf({ config: { ...config, condition: null }, parameters: bare }),
      pixels,
      undefined,
    );
    expectEqual(await tablesOf(here, pixels, undefined), truth);
    expectEqual(await tablesOf(here, pixels, new Array<null>(COUNT).fill(null)), truth);
    // In one lock step with others.
    const some = await tablesOf(here, pixels, [...new Array<null>(COUNT - 1).fill(null), conditions[0]!]);
    const others = truth.length - truth.length / COUNT;
    expectEqual(some.subarray(0, others), truth.subarray(0, others));
  });

  test("one condition for all is that one for each; an engine runs with conditions, without, and with", async () => {
    const [condition] = conditions;
    const run = (given: Parameters<Engine["sample"]>[0]["conditions"]) =>
      here.sample({ count: 3, ...SIZE, seed: 4, conditions: given });
    const first = await run(condition);
    const without = await run(null);
    expect(await run([condition!, condition!, condition!])).toEqual(first);
    expect(await run(undefined)).toEqual(without);
    expect(await run(condition)).toEqual(first);
    expect(without).not.toEqual(first);
  });
});

test("weights of one class are that class; an engine tells what it can be conditioned on", async () => {
  const engine = engineOf(randomModel(classes, 3));
  const one = await engine.sample({ count: 2, ...SIZE, conditions: 1 });
  expect(await engine.sample({ count: 2, ...SIZE, conditions: Float32Array.of(0, 1, 0) })).toEqual(one);
  expect(engine.condition).toEqual({ kind: "class", classes: ["shirt", "shoe", "bag"] });
  expect(engine.conditionSize).toBe(3);
  expect(engineOf(randomModel(vector)).condition).toEqual({ kind: "vector", size: 5 });
  expect(engineOf(randomModel(map)).condition).toEqual({ kind: "map", height: 3, width: 4, channels: 2, features: 5 });
  expect(engineOf(randomModel(map)).conditionSize).toBe(24);
  expect(engineOf(randomModel(configOf())).condition).toBe(null);
});

test("classes and vectors at any size; a map fixes the size, and without it any size will do", async () => {
  for (const config of [classes, vector]) {
    const engine = engineOf(randomModel(config));
    const { pixels } = await engine.sample({ count: 1, height: 9, width: 2, conditions: randomConditions(config, 1) });
    expect(pixels.length).toBe(18);
  }
  const engine = engineOf(randomModel(map));
  const [condition] = randomConditions(map, 1);
  for (const [height, width] of [
    [9, 7],
    [5, 2],
  ] as const) {
    await expect(engine.sample({ count: 1, height, width, conditions: condition })).rejects.toMatchObject({
      kind: "usage",
      message:
        "expected images of 5x7 pixels, since its condition goes through m(h), which fixes the size, but " +
        `received ${height}x${width}`,
    });
    expect((await engine.sample({ count: 1, height, width, conditions: [null] })).pixels.length).toBe(
      height * width * 3,
    );
  }
});

test("conditions that do not fit are refused, by image and name", async () => {
  const say = async (config: GatedConfig, given: unknown): Promise<string> => {
    const conditions = given as Condition[];
    return engineOf(randomModel(config))
      .sample({ count: 2, ...SIZE, conditions })
      .then(
        () => "nothing",
        (error) => `${error.kind}: ${error.message}`,
      );
  };
  expect(await say(classes, [1, 3])).toBe(
    "usage: image 1: expected a class from 0 to 2 (shirt, shoe, bag) but received 3",
  );
  expect(await say(classes, [1, NaN])).toBe(
    "usage: image 1: expected a class from 0 to 2 (shirt, shoe, bag) but received NaN",
  );
  expect(await say(classes, [1, new Float32Array(2)])).toBe(
    "usage: image 1: expected 3 weights, one a class (shirt, shoe, bag), but received 2",
  );
  expect(await say(classes, [1, Float32Array.of(0.5, NaN, 0)])).toBe(
    "usage: image 1: expected finite numbers in a condition but number 1 is NaN",
  );
  expect(await say(classes, [1, "shoe"])).toBe(
    'usage: expected a number, a Float32Array or null for the condition of image 1 but received "shoe"',
  );
  expect(await say(classes, [1])).toBe("usage: expected 2 conditions, one an image, but received 1");
  expect(await say(map, 1)).toBe(
    "usage: image 0: expected a map of 3x4x2 numbers for the condition but received the number 1",
  );
  expect(await say(map, new Float32Array(12))).toBe(
    "usage: image 0: expected a map of 3x4x2 = 24 numbers an image but received 12",
  );
  expect(await say(configOf(), [null, 1])).toBe("usage: expected no conditions: the model has none");
});

test(
  "a cell of a map first changes the pixel as far to its left as the vertical stack reaches: the map is known " +
    "before the image",
  async () => {
    const config = configOf(mapOf(5, 7, 1));
    const engine = engineOf(randomModel(config, 3));
    const blank = new Float32Array(35);
    const pixels = randomPixels(config, 36, HEIGHT, WIDTH).fill(0);
    const maps = [blank, ...Array.from(blank, (_, cell) => Float32Array.from(blank, (_, i) => (i === cell ? 1 : 0)))];
    const tables = await tablesOf(engine, pixels, maps, 36);
    const size = 35 * (config.levels + 1);
    for (let cell = 0; cell < 35; cell++) {
      const first = tables.subarray((cell + 1) * size, (cell + 2) * size).findIndex((x, i) => x !== tables[i]);
      // Two layers of kernel 3 look one column to the right in the row itself, at features that have seen the map and
      // rows above.
      expect(Math.floor(first / (config.levels + 1))).toBe(cell - Math.min(2, cell % WIDTH));
    }
  },
);
