/** The plain PixelCNN's own numbers, against loops written by hand; its laws are in family-laws.test.ts. */

import { describe, expect, test } from "vitest";
import type { ParameterMap } from "../network/parameters.ts";
import type { PlainConfig } from "./config.ts";
import { pixelcnnParameters } from "./networks.ts";
import { randomModel, randomPixels, runModel } from "./random-model.test-support.ts";
import { resolvePixelcnn } from "./schema.ts";

const image = { height: 5, width: 7, channels: 1, levels: 4 };
const vector = { kind: "vector", size: 3 } as const;
const configOf = (changes: object = {}): PlainConfig =>
  resolvePixelcnn({
    family: "pixelcnn",
    ...image,
    features: 6,
    depth: 3,
    firstKernel: 7,
    head: { features: 18 },
    ...changes,
  } as const) as PlainConfig;

type Features = number[][][];

/** Outputs of every sub-pixel: arXiv 1601.06759, sections 3.3 to 3.5, as loops that share nothing with the steps. */
function naiveLogits(
  config: PlainConfig,
  parameters: ParameterMap,
  pixels: Uint8Array,
  h: readonly number[] | null,
): number[][] {
  const {
    height: H,
    width: W,
    channels: C,
    levels: K,
    features: F,
    depth: L,
    firstKernel,
    kernels,
    dilations,
  } = config;
  const weight = (name: string, row: number, o: number): number => {
    const { data, shape } = parameters.get(name)!;
    return data[row * shape.at(-1)! + o]!;
  };
  const list = (n: number, value: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => value(i));
  const everywhere = (at: (i: number, j: number) => number[]): Features =>
    Array.from({ length: H }, (_, i) => Array.from({ length: W }, (_, j) => at(i, j)));
  const relu = (map: Features): Features => everywhere((i, j) => map[i]![j]!.map((v) => Math.max(0, v)));

  /** V h and n x n taps d apart: the rows above, the left, and of the pixel itself the groups that the mask leaves. */
  const masked = (map: Features, name: string, n: number, d: number, mask: "A" | "B", outputs: number): Features =>
    everywhere((i, j) =>
      list(outputs, (o) => {
        const c = Math.floor(o / (outputs / C));
        const r = (n - 1) / 2;
        const inputs = map[0]![0]!.length;
        let sum = weight(`${name}.b`, 0, o);
        h?.forEach((v, k) => {
          sum += v * weight(`${name}.V`, k, o);
        });
        for (let k = 0; k <= r; k++)
          for (let m = 0; m < (k < r ? n : r); m++) {
            const [kind, tap] = k < r ? ["above", k * n + m] : ["left", m];
            map[i + (k - r) * d]?.[j + (m - r) * d]?.forEach((v, f) => {
              sum += v * weight(`${name}.${kind}.W`, Number(tap) * inputs + f, o);
            });
          }
        const seen = ((mask === "A" ? c : c + 1) * inputs) / C;
        for (let f = 0; f < seen; f++)
          sum += map[i]![j]![f]! * weight(`${name}.centre${c}.W`, f, o - (c * outputs) / C);
        return sum;
      }),
    );
  /** A 1x1 of which group c sees the groups up to its own. */
  const oneByOne = (map: Features, name: string, outputs: number): Features =>
    everywhere((i, j) =>
      list(outputs, (o) => {
        const c = Math.floor(o / (outputs / C));
        let sum = Number(parameters.get(`${name}.b`)!.data[o]);
        for (let f = 0; f < ((c + 1) * map[i]![j]!.length) / C; f++)
          sum += map[i]![j]![f]! * weight(`${name}${c}.W`, f, o - (c * outputs) / C);
        return sum;
      }),
    );

  const x = everywhere((i, j) => list(C, (c) => (2 * pixels[(i * W + j) * C + c]!) / (K - 1) - 1));
  let stream = masked(x, "layer1", firstKernel, 1, "A", 2 * F);
  for (let l = 2; l <= L; l++) {
    const [n, d] = [kernels[(l - 2) % kernels.length]!, dilations[(l - 2) % dilations.length]!];
    const inner = oneByOne(relu(stream), `layer${l}.in`, F);
    const y = masked(relu(inner), `layer${l}`, n, d, "B", F);
    const out = oneByOne(relu(y), `layer${l}.out`, 2 * F);
    const before = stream;
    stream = everywhere((i, j) => list(2 * F, (f) => before[i]![j]![f]! + out[i]![j]![f]!));
  }
  const hidden = oneByOne(relu(stream), "head.hidden", config.head.features);
  return oneByOne(relu(hidden), "head.logits", C * K)
    .flat()
    .flatMap((all) => Array.from({ length: C }, (_, c) => all.slice(c * K, (c + 1) * K)));
}

const colour = { channels: 3, levels: 3 };
test.each([
  ["grey", configOf()],
  ["grey, kernels 3 5 7, dilations 1 2", configOf({ firstKernel: 3, kernels: [5, 7], dilations: [1, 2], depth: 4 })],
  ["grey, a vector", configOf({ condition: vector })],
  ["colour", configOf(colour)],
  [
    "colour, kernels 5 3, dilation 2, a vector",
    configOf({ ...colour, firstKernel: 5, dilations: [2], condition: vector }),
  ],
  ["two channels, one row, one layer", configOf({ height: 1, channels: 2, depth: 1 })],
] as const)("%s: the graph in float64 is the loops of the paper", async (_, config) => {
  const model = randomModel(config, 5);
  const pixels = randomPixels(config);
  const h = config.condition ? [0.8, -1.3, 0.4] : null;
  const found = await runModel(model, "logits", pixels, h ? { h } : {});
  const expected = naiveLogits(config, model.parameters, pixels, h).flat();
  expect(found).toHaveLength(expected.length);
  // Both add in float64, in other orders: some hundred roundings of 1e-16 each, and room.
  for (const [i, v] of expected.entries())
    expect(Math.abs(found[i]! - v)).toBeLessThan(1e-12 * Math.max(1, Math.abs(v)));
});

describe("parameters", () => {
  const shapesOf = (config: PlainConfig): Record<string, number[]> =>
    Object.fromEntries(pixelcnnParameters(config).map(({ name, shape }) => [name, [...shape]]));

  test("are those of the paper's table 1, by name and shape: grey", () => {
    expect(shapesOf(configOf({ depth: 2, features: 4, head: { features: 8 }, condition: vector }))).toEqual({
      "layer1.b": [8],
      "layer1.V": [3, 8],
      "layer1.above.W": [3, 7, 1, 8],
      "layer1.left.W": [3, 1, 8],
      "layer2.in.b": [4],
      "layer2.in0.W": [8, 4],
      "layer2.b": [4],
      "layer2.V": [3, 4],
      "layer2.above.W": [1, 3, 4, 4],
      "layer2.left.W": [1, 4, 4],
      "layer2.centre0.W": [4, 4],
      "layer2.out.b": [8],
      "layer2.out0.W": [4, 8],
      "head.hidden.b": [8],
      "head.hidden0.W": [8, 8],
      "head.logits.b": [1, 4],
      "head.logits0.W": [8, 4],
    });
  });
  test("come in a block a colour group, each with the inputs that its mask leaves", () => {
    const shapes = shapesOf(configOf({ ...colour, depth: 2, features: 6, head: { features: 9 }, levels: 5 }));
    const blocks = (name: (c: number) => string) => [0, 1, 2].map((c) => shapes[name(c)]?.join() ?? null);
    expect(blocks((c) => `layer1.centre${c}.W`)).toEqual([null, "1,4", "2,4"]);
    expect(blocks((c) => `layer2.in${c}.W`)).toEqual(["4,2", "8,2", "12,2"]);
    expect(blocks((c) => `layer2.centre${c}.W`)).toEqual(["2,2", "4,2", "6,2"]);
    expect(blocks((c) => `layer2.out${c}.W`)).toEqual(["2,4", "4,4", "6,4"]);
    expect(blocks((c) => `head.hidden${c}.W`)).toEqual(["4,3", "8,3", "12,3"]);
    expect(blocks((c) => `head.logits${c}.W`)).toEqual(["3,5", "6,5", "9,5"]);
    expect(shapes["head.logits.b"]).toEqual([3, 5]);
  });
});
