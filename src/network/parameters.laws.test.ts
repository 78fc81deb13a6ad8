/**
 * Parameters as one flat vector: nothing is lost, nothing moves, and a gate's halves lie side by side as its one
 * product wants them.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import type { GatedConfig } from "../models/config.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { compile, openSession } from "../onnx/session.ts";
import { randomFrom } from "../random.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { blockValues, joinFlat, lookupFlat, lookupIn } from "./lookup.ts";
import {
  bias,
  checkParameters,
  countOf,
  flatBlocks,
  flatten,
  initialise,
  matrix,
  type ParameterMap,
  type ParameterSpec,
  unflatten,
} from "./parameters.ts";

const models: fc.Arbitrary<GatedConfig> = fc
  .record({
    channels: fc.integer({ min: 1, max: 3 }),
    levels: fc.integer({ min: 2, max: 5 }),
    groups: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 2 })),
    depth: fc.integer({ min: 1, max: 3 }),
    firstKernel: fc.constantFrom(3, 5),
    condition: fc.option(fc.record({ kind: fc.constant("vector" as const), size: fc.integer({ min: 1, max: 3 }) })),
  })
  .map(({ channels, groups: [features, skip, hidden], ...rest }) =>
    resolvePixelcnn({
      height: 2,
      width: 3,
      channels,
      features: features * channels,
      skip: skip * channels,
      head: { features: hidden * channels },
      ...rest,
    }),
  );
const specLists = models.map(pixelcnnParameters);

/** Every number of every parameter another one, so that two that change places are seen. */
function numbered(specs: readonly ParameterSpec[]): ParameterMap {
  let n = 0;
  return new Map(
    specs.map(({ name, shape }) => [
      name,
      tensor(
        "float32",
        shape,
        Float32Array.from({ length: sizeOf(shape) }, () => ++n),
      ),
    ]),
  );
}

describe("flatten and unflatten", () => {
  test("undo each other, from either side, and copy", () => {
    fc.assert(
      fc.property(specLists, (specs) => {
        const parameters = numbered(specs);
        const flat = flatten(specs, parameters);
        expect(flat).toHaveLength(countOf(specs));
        const back = unflatten(specs, flat);
        expect([...back]).toEqual([...parameters]);
        const order = Float32Array.from({ length: flat.length }, (_, i) => i);
        expect(flatten(specs, unflatten(specs, order))).toEqual(order);
        flat.fill(0);
        expect([...back]).toEqual([...parameters]);
      }),
    );
  });

  test("the weights that decay come first, and every parameter lies in one block", () => {
    fc.assert(
      fc.property(specLists, (specs) => {
        const blocks = flatBlocks(specs);
        const decaying = countOf(specs.filter((s) => s.decays));
        let at = 0;
        for (const block of blocks) {
          expect(block.decays, block.name).toBe(at < decaying);
          for (const part of block.parts) expect(part.decays, part.name).toBe(block.decays);
          expect(block.rows * block.columns).toBe(countOf(block.parts));
          at += block.rows * block.columns;
        }
        expect(at).toBe(countOf(specs));
        expect(blocks.flatMap((b) => b.parts.map((part) => part.name)).sort()).toEqual(specs.map((s) => s.name).sort());
      }),
    );
  });

  test("joined parts lie side by side, row by row, in their order, wherever they stand in the list", () => {
    const specs = [
      { ...matrix("a.W_f", [2, 2], 2), joined: "a.W" },
      matrix("b.W", [1, 3], 1),
      { ...matrix("a.W_g", [2, 2], 2), joined: "a.W" },
      { ...bias("a.b_f", [2]), joined: "a.b" },
      { ...bias("a.b_g", [2]), joined: "a.b" },
    ];
    const values = new Map([
      ["a.W_f", tensor("float32", [2, 2], Float32Array.of(1, 2, 3, 4))],
      ["a.W_g", tensor("float32", [2, 2], Float32Array.of(10, 20, 30, 40))],
      ["b.W", tensor("float32", [1, 3], Float32Array.of(7, 8, 9))],
      ["a.b_f", tensor("float32", [2], Float32Array.of(5, 6))],
      ["a.b_g", tensor("float32", [2], Float32Array.of(50, 60))],
    ]);
    expect([...flatten(specs, values)].sort((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60,
    ]);
    const text = [...flatten(specs, values)].join(" ");
    expect(text).toContain("1 2 10 20 3 4 30 40");
    expect(text).toContain("5 6 50 60");
    expect(text).toContain("7 8 9");
  });

  test("a name that ends in _f alone is no part", () => {
    const specs = [matrix("only_f", [2, 2], 2), matrix("x", [1], 1)];
    expect(flatBlocks(specs).map((b) => [b.name, b.parts.length])).toEqual([
      ["only_f", 1],
      ["x", 1],
    ]);
  });

  test("a vector of another length is refused", () => {
    expect(() => unflatten([bias("b", [3])], new Float32Array(4))).toThrow(
      "expected 3 numbers for the parameters but received 4",
    );
  });
});

test(
  "in a graph, a lookup in the flat vector and one among single values give the same parameters, parts side by " +
    "side; joining the blocks gives the vector back",
  async () => {
    await fc.assert(
      fc.asyncProperty(models, async (model) => {
        const specs = pixelcnnParameters(model);
        const parameters = numbered(specs);
        const flat = flatten(specs, parameters);
        const graph = new Graph("lookup");
        const vector = graph.input("flat", "float32", [flat.length]);
        const fromFlat = lookupFlat(specs, vector);
        const constants = new Map(
          [...parameters].map(([name, t]): [string, Value] => [name, graph.constant("float32", t.shape, t.data)]),
        );
        const fromValues = lookupIn(specs, constants);
        const expected: Record<string, Tensor> = {};
        for (const { name, parts, rows, columns } of flatBlocks(specs)) {
          const pair = parts.length === 2;
          graph.output(`flat ${name}`, fromFlat(name));
          graph.output(`values ${name}`, fromValues(name));
          const [f, g] = parts.map((part) => parameters.get(part.name)!);
          const half = columns / 2;
          const data = pair
            ? Float32Array.from({ length: rows * columns }, (_, i) => {
                const [row, column] = [Math.floor(i / columns), i % columns];
                return column < half ? f!.data[row * half + column]! : g!.data[row * half + column - half]!;
              })
            : f!.data;
          const value = tensor("float32", pair ? [rows, columns] : f!.shape, data);
          for (const source of ["flat", "values"]) expected[`${source} ${name}`] = value;
        }
        graph.output("joined", joinFlat(blockValues(specs, fromFlat)));
        expected.joined = tensor("float32", [flat.length], flat);
        const session = await openSession(compile(graph), { threads: 1 });
        try {
          expect(await session.run({ flat: tensor("float32", [flat.length], flat) })).toEqual(expected);
        } finally {
          await session.close();
        }
      }),
      { numRuns: 15 },
    );
  },
);

test("a parameter that the model does not declare is a mistake that names it", () => {
  const graph = new Graph("missing");
  const specs = [matrix("a.W", [2, 2], 2)];
  const lookup = lookupFlat(specs, graph.input("flat", "float32", [4]));
  expect(() => lookup("a.V")).toThrow("expected a parameter a.V but the model declares none");
  expect(() => lookupIn(specs, new Map())("a.V")).toThrow("expected a parameter a.V but the model declares none");
  expect(() => lookupIn(specs, new Map())("a.W")).toThrow("expected a parameter a.W but the model declares none");
});

describe("fresh values", () => {
  test(
    "are the same for the same seed, biases and logits 0, the others within their bound and of the variance that " +
      "it means",
    () => {
      const specs = pixelcnnParameters(
        resolvePixelcnn({
          height: 8,
          width: 8,
          channels: 3,
          levels: 4,
          features: 48,
          depth: 2,
          skip: 48,
          head: { features: 48 },
        }),
      );
      const parameters = initialise(specs, randomFrom(1));
      expect([...initialise(specs, randomFrom(1))]).toEqual([...parameters]);
      expect([...initialise(specs, randomFrom(2))]).not.toEqual([...parameters]);
      for (const { name, bound } of specs) {
        const { data } = parameters.get(name)!;
        const zero = /\.b(_[fg])?$|head\.logits/.test(name);
        expect(bound === 0, name).toBe(zero);
        const variance = data.reduce((sum, x) => sum + x * x, 0) / data.length;
        expect(data.every((x) => Math.abs(x) <= bound)).toBe(true);
        // A sample variance of n uniform numbers is within 4 standard errors: 4 sqrt(0.8 / n) of the variance bound^2
        // / 3.
        if (!zero)
          expect(Math.abs(variance / (bound ** 2 / 3) - 1), name).toBeLessThan(4 * Math.sqrt(0.8 / data.length));
      }
    },
  );

  test("give outputs of about unit variance: the variance is 1 / fan-in, times the gain squared", () => {
    expect(matrix("W", [2, 3], 12).bound ** 2 / 3).toBeCloseTo(1 / 12, 12);
    expect(matrix("W", [2, 3], 12, 0.5).bound ** 2 / 3).toBeCloseTo(0.25 / 12, 12);
  });
});

describe("parameters that do not fit", () => {
  const specs = [matrix("layer1.W", [2, 3], 2), bias("layer1.b", [3])];
  const right = (): Map<string, Tensor<"float32">> => new Map(initialise(specs, randomFrom(1)));
  const refusal = (parameters: ParameterMap): string => {
    try {
      checkParameters(specs, parameters);
    } catch (error) {
      expect(error).toBeInstanceOf(PixelcnnError);
      expect((error as PixelcnnError).kind).toBe("model");
      expect(() => flatten(specs, parameters)).toThrow((error as Error).message);
      return (error as Error).message;
    }
    throw new Error("expected a refusal");
  };

  test("pass when they are right", () => {
    expect(() => checkParameters(specs, right())).not.toThrow();
  });

  test("are named: missing, of another shape, too many", () => {
    const missing = right();
    missing.delete("layer1.b");
    expect(refusal(missing)).toBe("expected a parameter layer1.b of shape [3] but the model has none");
    const turned = right().set("layer1.W", tensor("float32", [3, 2], new Float32Array(6)));
    expect(refusal(turned)).toBe("expected shape [2,3] for parameter layer1.W but received [3,2]");
    const more = right().set("layer2.W", tensor("float32", [1], new Float32Array(1)));
    expect(refusal(more)).toBe('expected no parameter "layer2.W": a model of this config has none of that name');
  });
});
