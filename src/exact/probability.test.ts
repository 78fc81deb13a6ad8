/** The engine as a probability model: sums to one, samples what it scores, and depends on exactly what it should. */

import { expect, test } from "vitest";
import { type GatedConfig, layersOf } from "../models/config.ts";
import { createEngine } from "./engine.ts";
import { configOf, randomConditions, randomModel, randomPixels } from "./naive.test-support.ts";

/** All images of a size, [levels^(H W C), H, W, C]. */
function allImages(config: Pick<GatedConfig, "channels" | "levels">, height: number, width: number): Uint8Array {
  const places = height * width * config.channels;
  const count = config.levels ** places;
  return Uint8Array.from(
    { length: count * places },
    (_, i) => Math.floor(Math.floor(i / places) / config.levels ** (places - 1 - (i % places))) % config.levels,
  );
}

function withMap(height: number, width: number): GatedConfig {
  const condition = { kind: "map", height, width, channels: 2, features: 4 };
  return configOf({ height: 2, width: 2, levels: 2, condition });
}

test.each([
  ["2x2 binary", configOf({ levels: 2 }), 2, 2],
  ["1x2 colour of 3 levels", configOf({ channels: 3, levels: 3 }), 1, 2],
  ["2x2 binary, a vector", configOf({ levels: 2, condition: { kind: "vector", size: 3 } }), 2, 2],
  [
    "2x2 binary, a vector through m(h)",
    configOf({ levels: 2, height: 2, width: 2, condition: { kind: "vector", size: 3, features: 4 } }),
    2,
    2,
  ],
  ["2x2 binary, classes", configOf({ levels: 2, condition: { kind: "class", classes: ["a", "b", "c", "d"] } }), 2, 2],
  ["2x2 binary, a map of its size", withMap(2, 2), 2, 2],
  ["2x2 binary, a larger map", withMap(3, 5), 2, 2],
  ["2x2 binary, a map of half its height", withMap(1, 2), 2, 2],
  ["2x2 binary, a map of one cell", withMap(1, 1), 2, 2],
] as const)("%s: the probabilities of all images sum to 1", async (_, config, height, width) => {
  const engine = createEngine(randomModel(config, 8));
  const pixels = allImages(config, height, width);
  const [, ...given] = new Set([
    null,
    ...randomConditions(config, 8),
    ...(config.condition?.kind === "class" ? [0, 1, 2, 3] : []),
  ]);
  expect(given.length).toBeGreaterThanOrEqual(config.condition === null ? 0 : 6);
  for (const conditions of [undefined, ...given]) {
    const bits = await engine.score({ images: { height, width, pixels }, conditions });
    const places = height * width * config.channels;
    let sum = 0;
    for (let i = 0; i < bits.length; i += places) sum += 2 ** -bits.slice(i, i + places).reduce((a, b) => a + b);
    // Each table sums to 2^24 exactly: what is left is the rounding of log2 and 2^x in float64.
    expect(Math.abs(sum - 1)).toBeLessThan(1e-12);
  }
});

test("sampled images cost as many bits as their entropy, on average", async () => {
  const engine = createEngine(randomModel(configOf({ levels: 2 }), 8), { batch: 1000 });
  const images = await engine.sample({ count: 20000, height: 2, width: 2, seed: 2 });
  const bits = await engine.score({ images });
  const all = await engine.score({ images: { height: 2, width: 2, pixels: allImages(engine.config, 2, 2) } });
  const costs = Array.from({ length: 16 }, (_, i) => all.slice(4 * i, 4 * i + 4).reduce((a, b) => a + b));
  const entropy = costs.reduce((sum, cost) => sum + cost * 2 ** -cost, 0);
  const spread = Math.sqrt(costs.reduce((sum, cost) => sum + (cost - entropy) ** 2 * 2 ** -cost, 0) / 20000);
  expect(Math.abs(bits.reduce((a, b) => a + b) / 20000 - entropy)).toBeLessThan(4 * spread);
});

/**
 * Whether sub-pixel (i, j, c) may see (a, b, e), from the rules of docs/model.md alone: which inputs the features of a
 * position of each stack can reach, layer by layer.
 */
function reachOf(config: GatedConfig, height: number, width: number): Set<number>[] {
  const C = config.channels;
  const inside = (i: number, j: number): boolean => i >= 0 && i < height && j >= 0 && j < width;
  const at = (i: number, j: number): number => i * width + j;
  const pixels = height * width;
  const union = (into: Set<number>, from: Set<number>): void => from.forEach((x) => void into.add(x));
  const empty = (n: number): Set<number>[] => Array.from({ length: n }, () => new Set<number>());
  let v: Set<number>[] = Array.from(
    { length: pixels },
    (_, p) => new Set(Array.from({ length: C }, (_, c) => p * C + c)),
  );
  /** Per pixel and group. */
  let h: Set<number>[] = Array.from({ length: pixels * C }, (_, x) => new Set([x]));
  const skip = empty(pixels * C);
  for (const [l, { kernel, dilation }] of layersOf(config).entries()) {
    const radius = (kernel - 1) / 2;
    const up = radius + 1;
    const vertical = empty(pixels);
    const horizontal = empty(pixels * C);
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        for (let k = 0; k < up; k++) {
          for (let m = 0; m < kernel; m++) {
            const row = l === 0 ? i - up + k : i - (up - 1 - k) * dilation;
            const column = j + (m - radius) * dilation;
            if (inside(row, column)) union(vertical[at(i, j)]!, v[at(row, column)]!);
          }
        }
        for (let c = 0; c < C; c++) {
          const own = horizontal[at(i, j) * C + c]!;
          union(own, vertical[at(i, j)]!);
          for (let m = 0; m < radius; m++) {
            const column = j - (radius - m) * dilation;
            if (inside(i, column)) for (let e = 0; e < C; e++) union(own, h[at(i, column) * C + e]!);
          }
          for (let e = 0; e < (l === 0 ? c : c + 1); e++) union(own, h[at(i, j) * C + e]!);
        }
      }
    }
    // The 1x1s after the gate, and the residual, see groups up to their own: the sets already grow with the group.
    for (const [x, set] of horizontal.entries()) {
      if (l > 0) union(set, h[x]!);
      union(skip[x]!, set);
    }
    v = vertical;
    h = horizontal;
  }
  return config.skip > 0 ? skip : h;
}

// Wide enough that no ReLU closes all features of a group.
const wide = { channels: 3, features: 24, head: { kind: "categorical", features: 24 } };

test.each([
  ["grey, kernels 3", configOf({ firstKernel: 3 }), 5, 7],
  ["grey, kernels 5 7, dilations 1 2", configOf({ kernels: [5, 7], dilations: [1, 2] }), 5, 7],
  ["grey, no skip, dilation 2 alone", configOf({ skip: 0, dilations: [2] }), 5, 7],
  ["colour", configOf({ ...wide, skip: 24, firstKernel: 3, depth: 2 }), 4, 5],
  ["colour, no skip, dilation 2", configOf({ ...wide, skip: 0, dilations: [1, 2] }), 4, 5],
] as const)(
  "%s: a sub-pixel depends on exactly the earlier sub-pixels of its receptive field",
  async (_, config, height, width) => {
    const engine = createEngine(randomModel(config, 9), { batch: 4096 });
    const places = height * width * config.channels;
    const base = randomPixels(config, 1, height, width, 11);
    // Image j differs from the base in sub-pixel j only; twice, so that a chance equality of a change is out of the
    // question.
    const changed = [1, 2].map((by) => {
      const pixels = new Uint8Array(places * places);
      for (let j = 0; j < places; j++) {
        pixels.set(base, j * places);
        pixels[j * places + j] = (base[j]! + by) % config.levels;
      }
      return pixels;
    });
    const intervals = async (pixels: Uint8Array, count: number): Promise<number[][]> => {
      const tables: number[][] = Array.from({ length: count }, () => []);
      // A source that gives the known levels sees every whole table.
      await engine.stepwise({ count, height, width }, ({ row, column, channel }, cumulative, levels) => {
        const at = (row * width + column) * config.channels + channel;
        for (let image = 0; image < count; image++) {
          tables[image]!.push(
            cumulative
              .slice(image * (config.levels + 1), (image + 1) * (config.levels + 1))
              .reduce((hash, c) => (Math.imul(hash, 31) + c) | 0, 7),
          );
          levels[image] = pixels[image * places + at]!;
        }
      });
      return tables;
    };
    const [truth] = await intervals(base, 1);
    const [one, two] = await Promise.all(changed.map((pixels) => intervals(pixels, places)));
    const expected = reachOf(config, height, width);
    for (let j = 0; j < places; j++) {
      for (let i = 0; i < places; i++) {
        const depends = one![j]![i] !== truth![i] || two![j]![i] !== truth![i];
        if (depends !== (expected[i]!.has(j) && j < i))
          expect.fail(`sub-pixel ${i} ${depends ? "depends" : "does not depend"} on sub-pixel ${j}`);
        if (expected[i]!.has(j) && j >= i) expect.fail(`the rules let sub-pixel ${i} see ${j}`);
      }
    }
    // Deep enough layers leave no blind spot: the rows above are seen on both sides.
    expect(expected.at(-1)!.size).toBeGreaterThan(places / 3);
  },
);
