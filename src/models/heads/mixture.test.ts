/** The mixture head's graphs, against a mixture in whole numbers of 400 digits and against central differences. */

import { describe, expect, test } from "vitest";
import { checkDerivatives } from "../../autodiff/central-differences.test-support.ts";
import { grad } from "../../autodiff/grad.ts";
import { evaluate, numbers } from "../../onnx/evaluate.test-support.ts";
import type { Graph, Value } from "../../onnx/graph.ts";
import { reduceSum } from "../../onnx/ops.ts";
import { randomFrom } from "../../random.ts";
import { type DTypes, type Tensor, tensor } from "../../tensor.ts";
import { describeLayers, identityOf, pixelcnnParameters } from "../networks.ts";
import { resolvePixelcnn } from "../schema.ts";
import { mixture } from "./mixture.ts";
import { mixtureGraphs } from "./mixture-graphs.ts";
import { mixtureLogProbabilities } from "./naive-mixture.test-support.ts";

const configOf = (channels: number, levels: number, components: number) => ({
  channels,
  levels,
  head: { kind: "mixture" as const, features: 1, components },
});
type Config = ReturnType<typeof configOf>;

/** Outputs of one pixel: of each channel weights, means, log-scales and coefficients. */
function randomOutputs(
  { channels, head: { components: M } }: Config,
  seed: number,
  { far = 1.2, narrow = -5 } = {},
): number[] {
  const random = randomFrom(seed);
  const list = (low: number, high: number): number[] =>
    Array.from({ length: M }, () => Math.fround(low + (high - low) * random.uniform()));
  const channel = (c: number): number[] => [
    ...list(-2, 2),
    ...list(-far, far),
    ...list(narrow, 6),
    ...Array.from({ length: c }, () => list(-2, 2)).flat(),
  ];
  return Array.from({ length: channels }, (_, c) => channel(c)).flat();
}

const pixelsOf = (graph: Graph, pixels: readonly number[], C: number): Value =>
  graph.constant("uint8", [pixels.length / C, 1, 1, C], Uint8Array.from(pixels));

/** Outputs of several pixels. */
function tableOf<D extends "float32" | "float64">(rows: readonly (readonly number[])[], dtype: D): Tensor<D> {
  const Numbers = dtype === "float64" ? Float64Array : Float32Array;
  return tensor(dtype, [rows.length, rows[0]!.length], Numbers.from(rows.flat()) as unknown as DTypes[D]);
}

async function run(
  what: "logits" | "logProbability",
  config: Config,
  rows: readonly (readonly number[])[],
  pixels: readonly number[],
  dtype: "float32" | "float64" = "float64",
): Promise<number[]> {
  const table = tableOf(rows, dtype);
  const { y } = await evaluate(
    (g) => {
      const outputs = g.input("outputs", dtype, table.shape);
      return { y: mixtureGraphs[what](outputs, { pixels: pixelsOf(g, pixels, config.channels) }, config) };
    },
    { outputs: table },
  );
  return numbers(y!);
}

/** Naive log-probabilities of all levels of each channel of one pixel. */
function naive(config: Config, outputs: readonly number[], pixel: readonly number[]): number[][] {
  const { channels, levels, head } = config;
  const { components } = head;
  let first = 0;
  return Array.from({ length: channels }, (_, c) => {
    const own = outputs.slice(first, first + (3 + c) * components);
    first += own.length;
    const seen = pixel.slice(0, c).map((level) => (2 * level) / (levels - 1) - 1);
    return mixtureLogProbabilities({ levels, components, outputs: own, seen });
  });
}

describe.each([
  [1, 2, 2],
  [1, 3, 1],
  [1, 256, 3],
  [3, 5, 2],
  [4, 16, 2],
])("%i channels, %i levels, %i components", (C, K, M) => {
  const config = configOf(C, K, M);
  const random = randomFrom(9);
  const levelsOf = (count: number): number[] =>
    Array.from({ length: count * C }, (_, i) => [0, K - 1, random.below(K)][i % 3]!);

  test("a channel has as many outputs as its components want", () => {
    expect(mixture.outputsOf(config)).toEqual(Array.from({ length: C }, (_, c) => M * (3 + c)));
  });

  test.each([
    ["float64", 1e-9],
    ["float32", 1e-3],
  ] as const)("log-probabilities of all levels are the naive ones: %s", async (dtype, tolerance) => {
    // Some means lie far outside.
    const rows = Array.from({ length: 16 }, (_, i) => randomOutputs(config, i, { far: i % 4 === 0 ? 30 : 1.2 }));
    const pixels = levelsOf(rows.length);
    const found = await run("logits", config, rows, pixels, dtype);
    const expected = rows.flatMap((row, n) => naive(config, row, pixels.slice(n * C, (n + 1) * C)).flat());
    expect(found).toHaveLength(expected.length);
    // Relative, for the tails go down to thousands of nats, where a float32 has seven digits.
    for (const [i, v] of expected.entries())
      if (v > -250) expect(Math.abs(found[i]! - v) / Math.max(1, Math.abs(v)), `${i}: ${v}`).toBeLessThan(tolerance);
    const asked = await run("logProbability", config, rows, pixels, dtype);
    for (const [i, level] of pixels.entries())
      expect(Math.abs(asked[i]! - found[i * K + level]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(asked[i]!)));
  });

  test("derivatives are those of central differences", async () => {
    const rows = Array.from({ length: 12 }, (_, i) => randomOutputs(config, i, { narrow: -2.5 }));
    const pixels = levelsOf(rows.length);
    const build = ({ a }: Record<string, Value>, graph: Graph): Value =>
      mixtureGraphs.logProbability(a!, { pixels: pixelsOf(graph, pixels, C) }, config);
    await checkDerivatives({ a: tableOf(rows, "float64") }, build, 1e-7);
  });
});

test("the levels' probabilities sum to 1 from a scale of 1e-4 to one of 1e4, wherever the mean is", async () => {
  for (const K of [2, 5, 256]) {
    const config = configOf(1, K, 1);
    const rows = [1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1e3, 1e4].flatMap((scale) =>
      [-1e6, -3, -1, -0.3, 0, 0.123, 0.5, 1, 2, 1e6].map((mean) => [0.7, mean, Math.log(scale)]),
    );
    for (const [dtype, tolerance] of [
      ["float64", 1e-10],
      ["float32", 1e-4],
    ] as const) {
      const found = await run("logits", config, rows, new Array(rows.length).fill(0), dtype);
      for (const [n, [, mean, logScale]] of rows.entries()) {
        const total = found.slice(n * K, (n + 1) * K).reduce((sum, l) => sum + Math.exp(l), 0);
        expect(Math.abs(total - 1), `${dtype}, mean ${mean}, log-scale ${logScale}`).toBeLessThan(tolerance);
      }
    }
  }
});

test("the first and the last level absorb what lies beyond them", async () => {
  const config = configOf(1, 256, 1);
  const rows = [-1e4, -8, 8, 1e4].map((mean) => [0, mean, -1]);
  const found = await run("logits", config, rows, [0, 0, 0, 0]);
  for (const n of rows.keys()) {
    const each = found.slice(256 * n, 256 * (n + 1));
    expect(each[n < 2 ? 0 : 255]).toBeCloseTo(0, 6);
    expect(Math.max(...each.slice(1, 255))).toBeLessThan(-10);
  }
});

test("derivatives are finite 200 bins off, at every scale, in float32", async () => {
  const config = configOf(1, 256, 1);
  const scales = [-12, -7, -6.9, -3, 0, 3, 6.9, 12];
  const rows = scales.flatMap((logScale) => [-0.9, 0.7].map((mean) => [0, mean, logScale]));
  const pixels = rows.map((_, i) => [210, 20][i % 2]!);
  const { y } = await evaluate(
    (g) => {
      const outputs = g.input("outputs", "float32", [rows.length, 3]);
      const logP = mixtureGraphs.logProbability(outputs, { pixels: pixelsOf(g, pixels, 1) }, config);
      return { y: grad(reduceSum(logP), [outputs])[0]! };
    },
    { outputs: tableOf(rows, "float32") },
  );
  expect(numbers(y!)).toHaveLength(3 * rows.length);
  for (const [i, v] of numbers(y!).entries()) {
    expect(Number.isFinite(v), `${i}`).toBe(true);
    // A mean so far away is pulled by 1 / scale, 1097 at most: never lost.
    if (i % 3 === 1) expect(Math.abs(v)).toBeGreaterThan(1e-9);
  }
});

test("the levels that training hides from the network do not move the means either", async () => {
  const config = configOf(3, 5, 2);
  const row = randomOutputs(config, 3);
  const logP = async (sees: number, pixels: readonly number[]): Promise<number[]> => {
    const { y } = await evaluate(
      (g) => {
        const outputs = g.input("outputs", "float64", [1, row.length]);
        const given = { pixels: pixelsOf(g, pixels, 3), sees: g.constant("float64", [1], [sees]) };
        return { y: mixtureGraphs.logits(outputs, given, config) };
      },
      { outputs: tableOf([row], "float64") },
    );
    return numbers(y!);
  };
  expect(await logP(0, [4, 1, 0])).toEqual(await logP(0, [0, 3, 2]));
  expect(await logP(1, [4, 1, 0])).not.toEqual(await logP(1, [0, 3, 2]));
  // Red knows no other channel, green red alone.
  expect((await logP(1, [4, 1, 0])).slice(0, 10)).toEqual((await logP(1, [4, 3, 2])).slice(0, 10));
  expect((await logP(1, [4, 1, 0])).slice(10)).not.toEqual((await logP(1, [4, 3, 2])).slice(10));
});

test("each channel's outputs have a matrix of their own width, and one bias begins with means spread evenly", () => {
  const config = resolvePixelcnn({
    ...{ family: "gated-pixelcnn", height: 4, width: 4, channels: 3, levels: 256, features: 6, skip: 6 },
    head: { kind: "mixture", features: 24, components: 2 },
  } as const);
  const specs = pixelcnnParameters(config).filter(({ name }) => name.includes("mixture"));
  expect(specs.map(({ name, shape }) => [name, shape])).toEqual([
    ["head.mixture.b", [24]],
    ["head.mixture0.W", [8, 6]],
    ["head.mixture1.W", [16, 8]],
    ["head.mixture2.W", [24, 10]],
  ]);
  const begin = [0, 0, -0.5, 0.5, -Math.LN2, -Math.LN2];
  expect(specs[0]!.start).toEqual([...begin, ...begin, 0, 0, ...begin, 0, 0, 0, 0]);
  expect(describeLayers(config)).toMatch(/, a mixture of 2 logistics$/);
  // A digest of its own, and a version; the categorical head's has neither.
  expect(identityOf(config)).toMatchObject({ head: { kind: "mixture", features: 24, components: 2, bins: 1 } });
  expect(identityOf({ ...config, head: { kind: "categorical", features: 24 } })).toMatchObject({
    head: { kind: "categorical", features: 24 },
  });
});

test("a head without a kind is categorical, and what a head does not have is refused", () => {
  const resolve = (head: object) =>
    resolvePixelcnn({ family: "gated-pixelcnn", height: 4, width: 4, channels: 1, levels: 4, head } as never);
  expect(resolve({ features: 8 })).toMatchObject({ head: { kind: "categorical", features: 8 } });
  expect(resolve({ kind: "mixture" })).toMatchObject({ head: { kind: "mixture", features: 64, components: 10 } });
  expect(() => resolve({ components: 3 })).toThrow("head: unknown key components");
  expect(() => resolve({ kind: "mixture", components: 0 })).toThrow("head.components: expected");
  expect(() => resolve({ kind: "gaussian" })).toThrow("head.kind: expected");
});
