/** Every rule of the table against central differences in float64, and the subgradients at ties. */

import { describe, expect, test } from "vitest";
import { convolve, gate, gatherTaps, logSumExp, softplus, tapsAt } from "../onnx/composites.ts";
import { evaluate, numbers } from "../onnx/evaluate.test-support.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import * as ops from "../onnx/ops.ts";
import { type Recurrence, recurrence } from "../onnx/recurrence.ts";
import { type Shape, tensor } from "../tensor.ts";
import {
  type Build,
  checkDerivatives,
  derivatives,
  expectClose,
  type Inputs,
  positive,
  randomTensor,
} from "./central-differences.test-support.ts";
import { grad } from "./grad.ts";
import { compositeRules, rules } from "./rules.ts";

type Case = readonly [claim: string, inputs: Inputs, build: Build];

/** Inputs a, b, ... of these shapes: zeros, negatives and positives. */
const any = (...shapes: Shape[]): Inputs =>
  Object.fromEntries(shapes.map((shape, i) => ["abc"[i]!, randomTensor(shape, i + 1)]));
/**
 * The same, 0.1 or more away from zero, no two equal, and a lone number small: some of the others are above it, some
 * below.
 */
const apart = (...shapes: Shape[]): Inputs =>
  Object.fromEntries(
    shapes.map((shape, i) => {
      const drawn = randomTensor(shape, i + 1, 0.1);
      return ["abc"[i]!, drawn.data.length === 1 ? tensor("float64", shape, Float64Array.of(-0.17)) : drawn];
    }),
  );

/** The shapes in which a binary operator repeats its operands. */
const BROADCASTS: readonly [string, Shape, Shape][] = [
  ["equal shapes", [2, 3], [2, 3]],
  ["a row", [2, 3], [3]],
  ["a column first", [2, 1], [2, 3]],
  ["both repeated", [2, 1, 3], [4, 1]],
  ["a scalar", [2, 3], []],
  ["an axis of size 1 that stays", [1, 3], [1, 1]],
];
const binary = (inputs: typeof any, f: (a: Value, b: Value) => Value): Case[] =>
  BROADCASTS.map(([claim, a, b]) => [claim, inputs(a, b), ({ a, b }) => f(a!, b!)]);
const unary = (f: (a: Value) => Value, inputs: Inputs = any([2, 3])): Case[] => [
  ["each element", inputs, ({ a }) => f(a!)],
];
const negative = (graph: Graph, a: Value): Value => ops.less(a, graph.constant("float64", [], [0]));

const CASES: Record<string, Case[]> = {
  Add: binary(any, ops.add),
  Sub: binary(any, ops.sub),
  Mul: [...binary(any, ops.mul), ["a square", any([2, 3]), ({ a }) => ops.mul(a!, a!)]],
  Div: [...binary(apart, ops.div), ["a number over it", apart([3]), ({ a }) => ops.div(2, a!)]],
  Max: [...binary(apart, ops.max), ["a number", apart([6]), ({ a }) => ops.max(a!, 0)]],
  Min: [...binary(apart, ops.min), ["a number", apart([6]), ({ a }) => ops.min(0, a!)]],
  Where: [
    [
      "by the sign of another",
      apart([2, 3], [2, 3], [2, 3]),
      ({ a, b, c }, g) => ops.where(negative(g, c!), a!, ops.add(b!, c!)),
    ],
    [
      "repeated values",
      any([1, 3], [2, 1]),
      ({ a, b }, g) => ops.where(g.constant("bool", [2, 3], [1, 0, 0, 1, 1, 0]), a!, b!),
    ],
    ["a repeated condition", any([2, 3], []), ({ a, b }, g) => ops.where(g.constant("bool", [2, 1], [1, 0]), a!, b!)],
    [
      "a condition larger than both",
      any([3], [1]),
      ({ a, b }, g) => ops.where(g.constant("bool", [2, 1], [1, 0]), a!, b!),
    ],
  ],
  Neg: unary(ops.neg),
  Exp: unary(ops.exp),
  Log: unary(ops.log, { a: positive(randomTensor([2, 3], 1, 0.1)) }),
  Sqrt: unary(ops.sqrt, { a: positive(randomTensor([2, 3], 1, 0.1)) }),
  Tanh: unary(ops.tanh),
  Sigmoid: unary(ops.sigmoid),
  Relu: unary(ops.relu, apart([2, 3])),
  Abs: unary(ops.abs, apart([2, 3])),
  Gemm: [
    ...[0, 1, 2, 3].flatMap((turned): Case[] => {
      const [transA, transB] = [turned % 2 === 1, turned >= 2];
      const [a, b]: Shape[] = [transA ? [3, 2] : [2, 3], transB ? [4, 3] : [3, 4]];
      const name = `${transA ? "aT" : "a"} ${transB ? "bT" : "b"}`;
      return [
        [name, any(a!, b!), ({ a, b }) => ops.gemm(a!, b!, { transA, transB })],
        [`${name} + a row`, any(a!, b!, [4]), ({ a, b, c }) => ops.gemm(a!, b!, { transA, transB, c: c! })],
      ];
    }),
    ["a column added", any([2, 3], [3, 4], [2, 1]), ({ a, b, c }) => ops.gemm(a!, b!, { c: c! })],
    ["a matrix added", any([2, 3], [3, 4], [2, 4]), ({ a, b, c }) => ops.gemm(a!, b!, { c: c! })],
    ["a [1, n] added", any([2, 3], [3, 4], [1, 4]), ({ a, b, c }) => ops.gemm(a!, b!, { c: c! })],
    ["a matrix with itself", any([3, 2]), ({ a }) => ops.gemm(a!, a!, { transA: true })],
  ],
  MatMul: [
    ["matrices", any([2, 3], [3, 4]), ({ a, b }) => ops.matmul(a!, b!)],
    ["stacks", any([2, 2, 3], [2, 3, 1]), ({ a, b }) => ops.matmul(a!, b!)],
    ["a stack and a matrix", any([2, 2, 3], [3, 2]), ({ a, b }) => ops.matmul(a!, b!)],
    ["leading axes repeated on both sides", any([2, 1, 1, 3], [3, 3, 2]), ({ a, b }) => ops.matmul(a!, b!)],
  ],
  ReduceSum: [
    ["every axis", any([2, 3]), ({ a }) => ops.reduceSum(a!)],
    ["the first", any([2, 3]), ({ a }) => ops.reduceSum(a!, { axes: [0] })],
    ["the last, kept", any([2, 3]), ({ a }) => ops.reduceSum(a!, { axes: [-1], keepAxes: true })],
    ["two of three", any([2, 3, 2]), ({ a }) => ops.reduceSum(a!, { axes: [0, 2] })],
  ],
  Softmax: [
    ["rows", any([2, 3]), ({ a }) => ops.softmax(a!)],
    ["equal logits", { a: tensor("float64", [2, 2], new Float64Array(4)) }, ({ a }) => ops.softmax(a!)],
  ],
  LogSoftmax: [
    ["rows", any([2, 3]), ({ a }) => ops.logSoftmax(a!)],
    ["the last of three axes", any([2, 2, 3]), ({ a }) => ops.logSoftmax(a!)],
  ],
  Reshape: [["as any shape", any([2, 6]), ({ a }) => ops.mul(ops.reshape(a!, [3, 4]), ops.reshape(a!, [3, 4]))]],
  Expand: [
    ["an axis of size 1, and new ones", any([3, 1]), ({ a }) => ops.expand(a!, [2, 3, 2])],
    ["a scalar", any([]), ({ a }) => ops.expand(ops.exp(a!), [2, 2])],
  ],
  Transpose: [
    ["a matrix", any([2, 3]), ({ a }) => ops.transpose(a!, [1, 0])],
    ["a turn of three axes", any([2, 3, 4]), ({ a }) => ops.transpose(a!, [2, 0, 1])],
  ],
  Slice: [
    ["rows", any([4, 2]), ({ a }) => ops.slice(a!, 0, 1, 3)],
    ["overlapping columns", any([2, 4]), ({ a }) => ops.mul(ops.slice(a!, 1, 0, 3), ops.slice(a!, -1, 1, 4))],
  ],
  Pad: [
    ["zeros around", any([2, 3]), ({ a }) => ops.exp(ops.pad(a!, [1, 0], [0, 2]))],
    ["a shift", any([3, 2]), ({ a }) => ops.pad(a!, [1, 0], [-1, 0])],
    ["a shift both ways", any([3, 3]), ({ a }) => ops.pad(a!, [-1, 2], [1, -2])],
    ["cuts alone", any([4, 3]), ({ a }) => ops.pad(a!, [-1, 0], [-1, -1])],
  ],
  Concat: [
    ["rows", any([1, 2], [3, 2]), ({ a, b }) => ops.concat([a!, b!], 0)],
    ["columns, one part twice", any([2, 1], [2, 3]), ({ a, b }) => ops.concat([a!, b!, a!], 1)],
  ],
};

const ROW = tapsAt(2, 3, [
  [0, -1],
  [0, 0],
]);
const AROUND = tapsAt(2, 3, [
  [-1, -2],
  [-1, 1],
  [1, 0],
]);
const SELF = tapsAt(2, 3, [[0, 0]]);
/** Recurrences over 2x3: rows, and diagonals from either side. */
const ROWS: Recurrence = {
  height: 2,
  width: 3,
  from: [-1, 0],
  cell: "lstm",
  reads: [
    [-1, -1],
    [-1, 0],
    [-1, 1],
  ],
};
const beside = (right: number): Recurrence => ({
  ...ROWS,
  from: [0, right],
  reads: [
    [-1, 0],
    [0, right],
  ],
});
const blend = (settings: Recurrence): Recurrence => ({ ...settings, cell: "blend" });
const recurs =
  (settings: Recurrence): Build =>
  ({ a, b }) =>
    recurrence(a!, b ?? null, settings);

const COMPOSITE_CASES: Record<string, Case[]> = {
  Recurrence: [
    ["an LSTM down the rows", any([12, 8], [6, 8]), recurs(ROWS)],
    ["an LSTM along diagonals from the left", any([12, 4], [2, 4]), recurs(beside(-1))],
    ["an LSTM along diagonals from the right", any([6, 8], [4, 8]), recurs(beside(1))],
    ["an LSTM of one row, whose forget gates do nothing", any([3, 4]), recurs({ ...ROWS, height: 1, reads: [] })],
    ["an LSTM that reads no states, only its memory", any([6, 4]), recurs({ ...ROWS, reads: [] })],
    ["a blend down the rows", any([6, 4], [6, 4]), recurs(blend(ROWS))],
    ["a blend along diagonals that reads no states", any([12, 2]), recurs(blend({ ...beside(-1), reads: [] }))],
    [
      "one behind another",
      any([6, 4], [3, 4], [2, 4]),
      ({ a, b, c }) => {
        const first = recurrence(a!, b!, ROWS);
        return recurrence(ops.concat([first, first, first, first], 1), c!, beside(1));
      },
    ],
  ],
  Gate: [["both halves", any([3, 4]), ({ a }) => gate(a!)]],
  Softplus: unary(softplus, apart([2, 3])),
  LogSumExp: [
    ["the last axis", any([3, 4]), ({ a }) => logSumExp(a!)],
    ["of three", any([2, 1, 3]), ({ a }) => logSumExp(a!)],
  ],
  Convolve: [
    ["no bias", any([2, 6, 2], [4, 3]), ({ a, b }) => convolve(a!, b!, { taps: ROW })],
    ["a bias a feature", any([1, 6, 2], [6, 2], [2]), ({ a, b, c }) => convolve(a!, b!, { taps: AROUND, bias: c! })],
    [
      "a bias a position",
      any([2, 6, 1], [3, 2], [12, 2]),
      ({ a, b, c }) => convolve(a!, b!, { taps: AROUND, bias: c! }),
    ],
    ["the position itself alone", any([2, 6, 2], [2, 2]), ({ a, b }) => convolve(a!, b!, { taps: SELF })],
    [
      "one after another",
      any([1, 6, 2], [4, 2], [6, 1]),
      ({ a, b, c }) =>
        convolve(ops.tanh(ops.reshape(convolve(a!, b!, { taps: ROW }), [1, 6, 2])), c!, { taps: AROUND }),
    ],
  ],
};

const flat = (table: Record<string, Case[]>) =>
  Object.entries(table).flatMap(([op, cases]) => cases.map((c) => [op, ...c] as const));

describe("reverse mode equals central differences", () => {
  test.each([...flat(CASES), ...flat(COMPOSITE_CASES)])("%s: %s", async (op, _, inputs, build) => {
    const graph = new Graph();
    const placed = Object.fromEntries(
      Object.entries(inputs).map(([name, { shape }]) => [name, graph.input(name, "float64", shape)]),
    );
    build(placed, graph);
    const made = [...graph.nodes.map((node) => node.op), ...[...graph.composites.values()].map((c) => c.op)];
    expect(made, "the case holds the operator that it is for").toContain(op);
    const found = await checkDerivatives(inputs, build);
    // A function that does not move proves nothing.
    for (const list of Object.values(found)) expect(list.some((d) => Math.abs(d) > 1e-3)).toBe(true);
  });
});

/** Operators without a case above, and why. */
const APART: Record<string, string> = {
  Cast: "its input and output differ in type; tested below",
  Equal: "no cotangent: a comparison is flat",
  Greater: "no cotangent: a comparison is flat",
  Less: "no cotangent: a comparison is flat",
};
/** Operators of ops.ts without a rule, and why. */
const NO_RULE: Record<string, string> = {
  ReduceMax: "it may be a constant shift only; a derivative is asked of its argument",
  Gather: "only convolutions and recurrences gather values, and have rules of their own",
};

test("every rule of the table has a case", () => {
  expect(Object.keys(rules).sort()).toEqual([...Object.keys(CASES), ...Object.keys(APART)].sort());
  expect(Object.keys(compositeRules).sort()).toEqual(Object.keys(COMPOSITE_CASES).sort());
});

test("every operator of ops.ts has a rule, or is named here as having none", () => {
  const operators = Object.keys(ops)
    .filter((name) => name !== "broadcastShape")
    .map((name) => (name === "matmul" ? "MatMul" : name[0]!.toUpperCase() + name.slice(1)));
  expect(operators.sort()).toEqual([...Object.keys(rules), ...Object.keys(NO_RULE)].sort());
});

describe("at a tie", () => {
  const at = (...values: number[]) => tensor("float64", [values.length], Float64Array.from(values));
  /** Derivatives of the plain sum of the outputs. */
  const derivativesOfSum = async (inputs: Inputs, build: (...x: Value[]) => Value): Promise<number[][]> => {
    const names = Object.keys(inputs);
    const out = await evaluate((g) => {
      const x = names.map((name) => g.input(name, "float64", inputs[name]!.shape));
      return Object.fromEntries(grad(ops.reduceSum(build(...x)), x).map((d, i) => [`by_${names[i]}`, d]));
    }, inputs);
    return names.map((name) => numbers(out[`by_${name}`]!));
  };

  test("relu has derivative 0 at 0 and at -0", async () => {
    expect(await derivativesOfSum({ a: at(-1, -0, 0, 1) }, (a) => ops.relu(a!))).toEqual([[0, 0, 0, 1]]);
  });
  test("abs has derivative 0 at 0", async () => {
    expect(await derivativesOfSum({ a: at(-2, 0, -0, 2) }, (a) => ops.abs(a!))).toEqual([[-1, 0, 0, 1]]);
  });
  test("of two equals the second is the maximum and the first the minimum", async () => {
    const inputs = { a: at(1, 1, 0, 0), b: at(1, 2, 1, -0) };
    expect(await derivativesOfSum(inputs, (a, b) => ops.max(a!, b!))).toEqual([
      [0, 0, 0, 0],
      [1, 1, 1, 1],
    ]);
    expect(await derivativesOfSum(inputs, (a, b) => ops.min(a!, b!))).toEqual([
      [1, 1, 1, 1],
      [0, 0, 0, 0],
    ]);
  });
  test("the maximum or minimum of a value with itself has derivative 1", async () => {
    expect(await derivativesOfSum({ a: at(-1, 0, 1) }, (a) => ops.max(a!, a!))).toEqual([[1, 1, 1]]);
    expect(await derivativesOfSum({ a: at(-1, 0, 1) }, (a) => ops.min(a!, a!))).toEqual([[1, 1, 1]]);
  });
  test("a comparison passes nothing back, whatever becomes of its result", async () => {
    const step = (a: Value): Value => ops.add(ops.mul(ops.cast(ops.greater(a, 0), "float64"), 5), ops.mul(a, 2));
    expect(await derivativesOfSum({ a: at(-1, 0, 1) }, (a) => step(a!))).toEqual([[2, 2, 2]]);
  });
});

test("a cast between real types passes its cotangent back in the input's type", async () => {
  const graph = new Graph();
  const x = graph.input("x", "float64", [2]);
  const y = ops.cast(ops.mul(ops.cast(x, "float32"), 3), "float64");
  const [d] = grad(ops.reduceSum(y), [x]);
  expect(d!.dtype).toBe("float64");
  const out = await evaluate(
    (g) => {
      const z = g.input("x", "float64", [2]);
      return { d: grad(ops.reduceSum(ops.cast(ops.mul(ops.cast(z, "float32"), 3), "float64")), [z])[0]! };
    },
    { x: tensor("float64", [2], Float64Array.of(1, -2)) },
  );
  expect(numbers(out.d!)).toEqual([3, 3]);
});

test("a cast to whole numbers passes nothing back", () => {
  const graph = new Graph();
  const x = graph.input("x", "float64", [2]);
  const loss = ops.reduceSum(ops.cast(ops.cast(x, "int32"), "float64"));
  expect(() => grad(loss, [x])).toThrow("expected the loss to depend on x:[2] but it does not");
});

describe("a composite's own rule equals the rules of its parts", () => {
  test("a gate", async () => {
    const inputs = any([3, 6]);
    const parts: Build = ({ a }) => ops.mul(ops.tanh(ops.slice(a!, 1, 0, 3)), ops.sigmoid(ops.slice(a!, 1, 3, 6)));
    // Both float64: rounding of a handful of operations.
    expectClose(await derivatives(inputs, ({ a }) => gate(a!)), await derivatives(inputs, parts), 1e-14);
  });

  test("a softplus, and its slope of a half at 0", async () => {
    const parts: Build = ({ a }) => ops.log(ops.add(ops.exp(a!), 1));
    const inputs = any([3, 6]);
    expectClose(await derivatives(inputs, ({ a }) => softplus(a!)), await derivatives(inputs, parts), 1e-14);
  });

  test("a log of a sum of exponentials", async () => {
    const parts: Build = ({ a }) => ops.log(ops.reduceSum(ops.exp(a!), { axes: [-1], keepAxes: true }));
    const inputs = any([3, 6]);
    expectClose(await derivatives(inputs, ({ a }) => logSumExp(a!)), await derivatives(inputs, parts), 1e-14);
  });

  /** The same convolution as shifts of the whole image (pads of d and -d), joined and multiplied. */
  const byShifts = (
    a: Value,
    w: Value,
    offsets: readonly (readonly [number, number])[],
    [H, W]: readonly [number, number],
  ): Value => {
    const [B, , F] = a.shape as [number, number, number];
    const image = ops.reshape(a, [B, H, W, F]);
    const shifted = offsets.map(([di, dj]) =>
      Math.abs(di) >= H || Math.abs(dj) >= W ? ops.mul(image, 0) : ops.pad(image, [0, -di, -dj, 0], [0, di, dj, 0]),
    );
    return ops.gemm(ops.reshape(ops.concat(shifted, 3), [B * H * W, offsets.length * F]), w);
  };
  test.each([
    [
      "left half row",
      [
        [0, -2],
        [0, -1],
      ],
    ],
    [
      "rows above, dilated",
      [
        [-2, -2],
        [-2, 0],
        [-2, 2],
        [0, -2],
        [0, 0],
        [0, 2],
      ],
    ],
    [
      "a tap that always falls outside",
      [
        [-3, 0],
        [0, 0],
      ],
    ],
  ] as [string, [number, number][]][])("a convolution: %s", async (_, offsets) => {
    const inputs = any([2, 12, 2], [offsets.length * 2, 3]);
    const composite: Build = ({ a, b }) => convolve(a!, b!, { taps: tapsAt(3, 4, offsets) });
    const parts: Build = ({ a, b }) => byShifts(a!, b!, offsets, [3, 4]);
    expectClose(await derivatives(inputs, composite), await derivatives(inputs, parts), 1e-13);
  });
});

test("a tall product cut into pieces (GPUs) is the whole product, whatever the pieces", async () => {
  const cases: Case[] = [CASES.Gemm!, COMPOSITE_CASES.Convolve!, COMPOSITE_CASES.Recurrence!].flatMap((list) =>
    list.map(([claim, inputs, build]): Case => [claim, inputs, build]),
  );
  for (const [, inputs, build] of cases) {
    const whole = await derivatives(inputs, build);
    for (const splitInner of [2, 3]) expectClose(await derivatives(inputs, build, { splitInner }), whole, 1e-14);
  }
});

test("a derivative by one input alone is the one found among all", async () => {
  for (const [op, , inputs, build] of [...flat(CASES), ...flat(COMPOSITE_CASES)]) {
    if (Object.keys(inputs).length === 1) continue;
    const all = await derivatives(inputs, build);
    for (const name of Object.keys(inputs))
      expect(await derivatives(inputs, build, { by: [name] }), op).toEqual({ [name]: all[name]! });
  }
});

test("gathered values have no rule of their own", () => {
  const graph = new Graph();
  const x = graph.input("x", "float64", [1, 6, 1]);
  expect(() => grad(ops.reduceSum(gatherTaps(x, ROW)), [x])).toThrow("expected a derivative rule for operator Gather");
});
