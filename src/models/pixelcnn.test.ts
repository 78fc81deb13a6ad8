/**
 * The Gated PixelCNN of docs/model.md: its numbers, its parameters; the laws that every family keeps are in
 * family-laws.test.ts.
 */

import { describe, expect, test } from "vitest";
import { countOf } from "../network/parameters.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { printGraph } from "../onnx/print.ts";
import { randomFrom } from "../random.ts";
import { sizeOf, tensor } from "../tensor.ts";
import type { GatedConfig } from "./config.ts";
import { pixelcnnLogits, pixelcnnLogProbability } from "./log-probability.ts";
import { naiveLogits, naiveLogProbability } from "./naive.test-support.ts";
import { pixelcnnParameters } from "./networks.ts";
import { configOf, openModel, randomModel, randomPixels, runModel } from "./random-model.test-support.ts";

const vector = { kind: "vector", size: 3 } as const;
const colour = { channels: 3, skip: 12, head: { features: 18 } };
const H = [0.8, -1.3, 0.4];

const CONFIGS: [string, GatedConfig][] = [
  ["grey", configOf()],
  [
    "grey, kernels 5 and 7, dilations 1 and 2, no skip",
    configOf({ firstKernel: 5, kernels: [7, 3], dilations: [1, 2], skip: 0 }),
  ],
  ["grey, one layer, no skip", configOf({ depth: 1, skip: 0 })],
  ["grey, one row, 256 levels", configOf({ height: 1, levels: 256 })],
  ["binary with a condition", configOf({ levels: 2, condition: vector })],
  ["colour", configOf(colour)],
  [
    "colour, kernel 7, dilation 2, no skip, a condition",
    configOf({ ...colour, firstKernel: 7, dilations: [2], skip: 0, condition: vector }),
  ],
  ["two channels, one column", configOf({ channels: 2, width: 1 })],
];

describe.each(CONFIGS)("%s", (_, config) => {
  const model = randomModel(config, 5);
  const h = config.condition ? H : null;

  // float32: rounding of a few layers of sums. float64: the same, 2^29 times finer, with room.
  test.each([
    ["float32", 1e-5, Math.fround],
    ["float64", 1e-12, (x: number) => x],
  ] as const)("the graph in %s is the naive forward of docs/model.md", async (dtype, tolerance, round) => {
    const pixels = randomPixels(config, 2);
    const size = pixels.length / 2;
    const found = await runModel(model, "logits", pixels, { dtype, batch: 2, ...(h ? { h: [...h, ...h] } : {}) });
    const expected = [0, 1].flatMap((b) =>
      naiveLogits(config, model.parameters, pixels.subarray(b * size, (b + 1) * size), h, round).flat(),
    );
    expect(found).toHaveLength(expected.length);
    for (const [i, logit] of expected.entries())
      expect(Math.abs(found[i]! - logit)).toBeLessThan(tolerance * Math.max(1, Math.abs(logit)));
  });

  test("log p is the sum over sub-pixels of the log-softmax of the level that is there", async () => {
    const pixels = randomPixels(config);
    const [found] = await runModel(model, "logProbability", pixels, h ? { h } : {});
    const expected = naiveLogProbability(naiveLogits(config, model.parameters, pixels, h), pixels);
    // float64 against an input scaled in float32.
    expect(Math.abs(found! - expected)).toBeLessThan(1e-6 * Math.abs(expected));
  });

  test("log p of one pass is the product of prefix passes with garbage after the prefix", async () => {
    const pixels = randomPixels(config);
    const { levels } = config;
    const session = await openModel(model, "logits", { dtype: "float32" });
    const random = randomFrom(11);
    let sum = 0;
    for (let at = 0; at < pixels.length; at++) {
      const garbled = pixels.map((v, i) => (i < at ? v : random.below(levels)));
      const logits = (await session.run(garbled, h ?? [])).slice(at * levels, (at + 1) * levels);
      sum += naiveLogProbability([logits], pixels.subarray(at, at + 1));
    }
    await session.close();
    const [whole] = await runModel(model, "logProbability", pixels, { dtype: "float32", ...(h ? { h } : {}) });
    // float32 sums of up to 105 terms.
    expect(Math.abs(whole! - sum)).toBeLessThan(1e-5 * Math.abs(sum));
  });

  test("images of a batch do not look at each other", async () => {
    const pixels = randomPixels(config, 3);
    const size = pixels.length / 3;
    const hs = h ? [H, [0, 0, 0], [1, 1, -1]] : [[], [], []];
    const together = await runModel(model, "logProbability", pixels, { batch: 3, h: hs.flat() });
    for (const b of [0, 1, 2]) {
      const [alone] = await runModel(model, "logProbability", pixels.subarray(b * size, (b + 1) * size), { h: hs[b]! });
      // float64; a product of more rows may add in another order.
      expect(Math.abs(together[b]! - alone!)).toBeLessThan(1e-12 * Math.abs(alone!));
    }
  });
});

test("a condition is asked for exactly when the config has one", () => {
  const config = configOf({ ...colour, levels: 3, condition: vector });
  const graph = new Graph();
  const pixels = graph.input("pixels", "uint8", [1, 5, 7, 3]);
  const h = graph.input("h", "float32", [1, 3]);
  const lookup = () => h;
  expect(() => pixelcnnLogits(config, lookup, { pixels })).toThrow(
    "expected a condition of 3 numbers an image but received none",
  );
  expect(() => pixelcnnLogits({ ...config, condition: null }, lookup, { pixels, condition: h })).toThrow(
    "expected no condition for an unconditional model but received one",
  );
});

describe("parameters", () => {
  test("are those of docs/model.md, by name and shape: grey", () => {
    const config = configOf({
      firstKernel: 7,
      depth: 2,
      features: 4,
      skip: 6,
      head: { features: 8 },
      condition: vector,
    });
    const found = Object.fromEntries(pixelcnnParameters(config).map(({ name, shape }) => [name, shape]));
    const both = (name: string, shape: number[]): Record<string, number[]> => ({
      [`${name}_f`]: shape,
      [`${name}_g`]: shape,
    });
    expect(found).toEqual({
      ...both("layer1.vertical.W", [4, 7, 1, 4]),
      ...both("layer1.vertical.b", [4]),
      ...both("layer1.vertical.V", [3, 4]),
      ...both("layer1.horizontal.W", [3, 1, 4]),
      ...both("layer1.horizontal.b", [4]),
      ...both("layer1.horizontal.V", [3, 4]),
      ...both("layer1.link.W", [8, 4]),
      "layer1.residual0.W": [4, 4],
      "layer1.residual.b": [4],
      "layer1.skip0.W": [4, 6],
      ...both("layer2.vertical.W", [2, 3, 4, 4]),
      ...both("layer2.vertical.b", [4]),
      ...both("layer2.vertical.V", [3, 4]),
      ...both("layer2.horizontal.W", [1, 4, 4]),
      ...both("layer2.horizontal.b", [4]),
      ...both("layer2.horizontal.V", [3, 4]),
      ...both("layer2.link.W", [8, 4]),
      ...both("layer2.centre0.W", [4, 4]),
      "layer2.skip0.W": [4, 6],
      "skip.b": [6],
      "head.hidden0.W": [6, 8],
      "head.hidden.b": [8],
      "head.logits0.W": [8, 4],
      "head.logits.b": [1, 4],
    });
  });
  test("come in a block a colour group, each with the inputs that its mask leaves", () => {
    const config = configOf({ ...colour, depth: 2, features: 6, skip: 0, head: { features: 9 }, levels: 5 });
    const shapes = new Map(pixelcnnParameters(config).map(({ name, shape }) => [name, shape.join()]));
    const blocks = (name: (c: number) => string) => [0, 1, 2].map((c) => shapes.get(name(c)) ?? null);
    expect(blocks((c) => `layer1.centre${c}.W_f`)).toEqual([null, "1,2", "2,2"]);
    expect(blocks((c) => `layer2.centre${c}.W_g`)).toEqual(["2,2", "4,2", "6,2"]);
    expect(blocks((c) => `layer2.residual${c}.W`)).toEqual(["2,2", "4,2", "6,2"]);
    expect(blocks((c) => `head.hidden${c}.W`)).toEqual(["2,3", "4,3", "6,3"]);
    expect(blocks((c) => `head.logits${c}.W`)).toEqual(["3,5", "6,5", "9,5"]);
    expect(shapes.get("head.logits.b")).toBe("3,5");
  });
  test("every one of them moves log p: none is left unused", async () => {
    for (const config of [
      configOf({ condition: vector }),
      configOf({ ...colour, skip: 0, features: 12, head: { features: 36 } }),
    ]) {
      const model = randomModel(config, 6);
      const pixels = randomPixels(config);
      const h = config.condition ? { h: H } : {};
      const [before] = await runModel(model, "logProbability", pixels, h);
      for (const { name, shape } of pixelcnnParameters(config)) {
        const { data } = model.parameters.get(name)!;
        const changed = new Map(model.parameters).set(
          name,
          tensor(
            "float32",
            shape,
            data.map((v) => v * 1.25),
          ),
        );
        const [after] = await runModel({ config, parameters: changed }, "logProbability", pixels, h);
        expect(after, name).not.toBe(before);
      }
    }
  });
});

test(
  "no product has an operand that a mask made zero: the graph holds no mask, and multiplies only by what a tap " +
    "or block sees",
  () => {
    const config = configOf({ ...colour, depth: 2 });
    const graph = new Graph();
    const specs = pixelcnnParameters(config);
    const values = new Map(specs.map(({ name, shape }) => [name, graph.input(name, "float32", shape)]));
    const pixels = graph.input("pixels", "uint8", [1, 5, 7, 3]);
    const pair = ([f, g]: readonly Value[]) => {
      const columns = f!.shape.at(-1)!;
      return graph.apply("Pair", [f!, g!], "float32", [sizeOf(f!.shape) / columns, 2 * columns]);
    };
    const lookup = (name: string) => values.get(name) ?? pair(["f", "g"].map((half) => values.get(`${name}_${half}`)!));
    graph.output("y", pixelcnnLogProbability(config, lookup, { pixels }));
    // Inner sizes of all products, times their outputs, are exactly the weights (biases apart): one multiplication a
    // weight and position.
    const products = graph.nodes.filter((node) => node.op === "Gemm" || node.op === "MatMul");
    const multiplied = products.reduce(
      (sum, node) => sum + node.inputs[0]!.shape.at(-1)! * node.output.shape.at(-1)!,
      0,
    );
    expect(multiplied).toBe(countOf(specs.filter((spec) => spec.decays)));
    expect(printGraph(graph)).not.toMatch(/ = (Conv|Mul)\(.*mask/i);
  },
);
