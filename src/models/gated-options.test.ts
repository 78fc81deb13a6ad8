/**
 * Options of the Gated PixelCNN: what a config may say of them, what decides a model's identity, and which images an
 * engine takes. Their laws are in family-laws.test.ts, their bits in exact/engine.golden.test.ts.
 */

import { describe, expect, test } from "vitest";
import { createEngine } from "../exact/engine.ts";
import { grayBits } from "../network/level-inputs.ts";
import { hasColumn } from "./config.ts";
import { checkPixelcnn, identityOf } from "./networks.ts";
import { randomModel } from "./random-model.test-support.ts";
import { blindSpotOf, reachOf } from "./receptive-field.ts";
import { resolvePixelcnn } from "./schema.ts";

const base = { height: 4, width: 6, channels: 1, levels: 4, features: 4, depth: 3, skip: 4, head: { features: 6 } };
const resolved = (changes: object) => resolvePixelcnn({ ...base, ...changes });

test.each([
  [{ position: 4 }, "position: expected a layer from 2 to 3 for position but received 4"],
  [{ position: 1 }, "position: expected at least 2 but received 1"],
  [{ columnEvery: 0 }, "columnEvery: expected at least 1 but received 0"],
  [
    { position: 2, condition: { kind: "map", height: 2, width: 3, channels: 1 } },
    "position: expected none beside a condition that differs by place, which tells positions apart, but received 2",
  ],
])("a config with %j is refused", (changes, message) => {
  expect(() => resolved(changes)).toThrow(message);
});

describe("a model's identity", () => {
  const identity = (changes: object): string => JSON.stringify(identityOf(resolved(changes)));
  test("does not name options that are off", () => {
    for (const option of ["columnEvery", "position", "bits", "perceptron", "height"])
      expect(identity({})).not.toContain(`"${option}"`);
  });
  test.each([{ columnEvery: 2 }, { position: 2 }, { bits: 2 }, { perceptron: 8 }])("names %j", (changes) => {
    expect(identity(changes)).toContain(JSON.stringify(changes).slice(1, -1));
  });
  test("names the image's size where a map of positions fixes it", () => {
    expect(identity({ position: 2 })).toContain('"height":4,"width":6');
    const { height: _, ...sizeless } = resolved({ position: 2 });
    expect(() => checkPixelcnn(sizeless)).toThrow(
      "expected the image's height and width beside a map of positions but received undefined and 6",
    );
  });
});

test("a model with a map of positions refuses images of another size, others do not", async () => {
  const engine = createEngine(randomModel(resolved({ position: 2 })));
  const message =
    "expected images of 4x6 pixels, since the model has learned numbers for each position, but received 5x6";
  await expect(engine.sample({ count: 1, height: 5, width: 6, seed: 1 })).rejects.toThrow(message);
  const images = { height: 5, width: 6, pixels: new Uint8Array(30) };
  await expect(engine.score({ images })).rejects.toThrow(message);
  await expect(engine.complete({ images, rows: 1, seed: 1 })).rejects.toThrow(message);
  const free = createEngine(randomModel(resolved({ columnEvery: 1, bits: 2, perceptron: 8 })));
  expect((await free.sample({ count: 1, height: 9, width: 2, seed: 1 })).pixels).toHaveLength(18);
});

test("guidance of 0 draws what no guidance draws, with positions beside a class", async () => {
  const config = resolved({ position: 2, columnEvery: 2, condition: { kind: "class", classes: ["a", "b"] } });
  const engine = createEngine(randomModel(config, 4));
  const ask = { count: 5, seed: 2, conditions: [0, 1, 0, 1, 1] };
  const plain = await engine.sample(ask);
  // The two lanes of an image are joined with factors 1 + 0 and 0.
  expect(await engine.sample({ ...ask, guidance: 0 })).toEqual(plain);
  // Far too small to change a draw, but large enough that both lanes are computed.
  expect(await engine.sample({ ...ask, guidance: 1e-30 })).toEqual(plain);
});

test("every n-th layer from 1 + n on has states down the columns", () => {
  const layersWith = (columnEvery: number): number[] =>
    Array.from({ length: 9 }, (_, i) => i).flatMap((i) => (hasColumn({ columnEvery }, i) ? [i + 1] : []));
  expect(layersWith(1)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  expect(layersWith(2)).toEqual([3, 5, 7, 9]);
  expect(layersWith(4)).toEqual([5, 9]);
  expect(hasColumn({}, 4)).toBe(false);
});

test("states down the columns let a shallow network see every row above", () => {
  const shallow = { ...base, height: 20, depth: 2, firstKernel: 3 };
  expect(reachOf(resolvePixelcnn(shallow) as never).up).toEqual([1, 2, 3]);
  const up = reachOf(resolvePixelcnn({ ...shallow, columnEvery: 1 }) as never).up;
  expect(up.slice(0, 19)).toEqual(Array.from({ length: 19 }, (_, i) => i + 1));
  // A dilation that leaps over rows leaves none out any more.
  const leaping = { ...shallow, depth: 3, dilations: [4] };
  expect(blindSpotOf(resolvePixelcnn(leaping))).toContain("row");
  expect(blindSpotOf(resolvePixelcnn({ ...leaping, columnEvery: 1 })) ?? "").not.toContain("row 2");
});

test("bits are those of a Gray code, the highest first", () => {
  expect([...grayBits(4, 2)]).toEqual([-1, -1, -1, 1, 1, 1, 1, -1]);
  for (const levels of [2, 5, 16, 256]) {
    const bits = Math.ceil(Math.log2(levels));
    const table = grayBits(levels, bits);
    const rows = Array.from({ length: levels }, (_, v) => [...table.subarray(v * bits, (v + 1) * bits)]);
    expect(new Set(rows.map(String)).size).toBe(levels);
    for (let v = 1; v < levels; v++) expect(rows[v]!.filter((b, i) => b !== rows[v - 1]![i])).toHaveLength(1);
    // Fewer bits are the first of them.
    expect([...grayBits(levels, 1)]).toEqual(rows.map(([first]) => first));
  }
});
