/** Each operator's shape rule, element type and error words, and that the runtime agrees with the rule. */

import { expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { type DType, type Shape, sizeOf, type Tensor } from "../tensor.ts";
import { numbers, run } from "./evaluate.test-support.ts";
import { Graph, type Value } from "./graph.ts";
import * as ops from "./ops.ts";

/** A float32 input of a shape, named by it. */
type Make = (shape: Shape, dtype?: DType) => Value;
type Case = [claim: string, build: (x: Make, graph: Graph) => Value, dtype: DType, shape: Shape];

const RULES: Record<string, Case[]> = {
  add: [
    ["equal shapes", (x) => ops.add(x([2, 3]), x([2, 3])), "float32", [2, 3]],
    ["a row", (x) => ops.add(x([2, 3]), x([3])), "float32", [2, 3]],
    ["a column and a row", (x) => ops.add(x([2, 1]), x([1, 3])), "float32", [2, 3]],
    ["a scalar of rank 0", (x) => ops.add(x([]), x([4, 1, 2])), "float32", [4, 1, 2]],
    ["a number", (x) => ops.add(x([2]), 1), "float32", [2]],
    ["a number first, in float64", (x) => ops.add(1, x([2], "float64")), "float64", [2]],
  ],
  sub: [["a number first", (x) => ops.sub(1, x([2, 2])), "float32", [2, 2]]],
  mul: [["ranks 3 and 1", (x) => ops.mul(x([2, 3, 4]), x([4])), "float32", [2, 3, 4]]],
  div: [["both stretched", (x) => ops.div(x([3, 1, 4]), x([2, 1])), "float32", [3, 2, 4]]],
  max: [["a number", (x) => ops.max(x([3]), 0), "float32", [3]]],
  min: [["a row", (x) => ops.min(x([3]), x([2, 3])), "float32", [2, 3]]],
  equal: [["bool", (x) => ops.equal(x([2, 1], "int32"), x([1, 3], "int32")), "bool", [2, 3]]],
  greater: [["bool", (x) => ops.greater(x([2, 3]), 0), "bool", [2, 3]]],
  less: [["bool", (x) => ops.less(0, x([2, 3])), "bool", [2, 3]]],
  neg: [["its input's", (x) => ops.neg(x([2, 3])), "float32", [2, 3]]],
  exp: [["its input's", (x) => ops.exp(x([2, 3])), "float32", [2, 3]]],
  log: [["its input's", (x) => ops.log(x([2, 3])), "float32", [2, 3]]],
  sqrt: [["its input's", (x) => ops.sqrt(x([2, 3])), "float32", [2, 3]]],
  tanh: [["its input's", (x) => ops.tanh(x([2, 3], "float64")), "float64", [2, 3]]],
  sigmoid: [["its input's", (x) => ops.sigmoid(x([])), "float32", []]],
  relu: [["its input's", (x) => ops.relu(x([1])), "float32", [1]]],
  abs: [["its input's", (x) => ops.abs(x([2, 3])), "float32", [2, 3]]],
  where: [
    ["the condition is stretched", (x) => ops.where(x([2, 1], "bool"), x([3]), 0), "float32", [2, 3]],
    ["the values are stretched", (x) => ops.where(x([2, 3], "bool"), x([]), x([1])), "float32", [2, 3]],
  ],
  cast: [
    ["another type", (x) => ops.cast(x([2], "uint8"), "float32"), "float32", [2]],
    ["a comparison's result", (x) => ops.cast(x([2], "bool"), "float64"), "float64", [2]],
  ],
  gemm: [
    ["[m, k] [k, n]", (x) => ops.gemm(x([2, 3]), x([3, 4])), "float32", [2, 4]],
    ["both transposed", (x) => ops.gemm(x([3, 2]), x([4, 3]), { transA: true, transB: true }), "float32", [2, 4]],
    ["a third operand, a row", (x) => ops.gemm(x([2, 3]), x([3, 4]), { c: x([4]) }), "float32", [2, 4]],
    ["a third operand, a column", (x) => ops.gemm(x([2, 3]), x([3, 4]), { c: x([2, 1]) }), "float32", [2, 4]],
    ["a third operand, whole", (x) => ops.gemm(x([2, 3]), x([3, 4]), { c: x([2, 4]) }), "float32", [2, 4]],
  ],
  matmul: [
    ["matrices", (x) => ops.matmul(x([2, 3]), x([3, 4])), "float32", [2, 4]],
    ["leading axes", (x) => ops.matmul(x([5, 1, 2, 3]), x([6, 3, 4])), "float32", [5, 6, 2, 4]],
  ],
  reduceSum: [
    ["every axis", (x) => ops.reduceSum(x([2, 3])), "float32", []],
    ["one axis", (x) => ops.reduceSum(x([2, 3]), { axes: [0] }), "float32", [3]],
    ["the last, kept", (x) => ops.reduceSum(x([2, 3]), { axes: [-1], keepAxes: true }), "float32", [2, 1]],
    ["axes in any order", (x) => ops.reduceSum(x([2, 3, 4]), { axes: [2, 0] }), "float32", [3]],
  ],
  reduceMax: [
    ["every axis", (x) => ops.reduceMax(x([2, 3])), "float32", []],
    ["kept", (x) => ops.reduceMax(x([2, 3, 4]), { axes: [1, -1], keepAxes: true }), "float32", [2, 1, 1]],
  ],
  softmax: [["its input's", (x) => ops.softmax(x([2, 3])), "float32", [2, 3]]],
  logSoftmax: [["its input's", (x) => ops.logSoftmax(x([2, 3])), "float32", [2, 3]]],
  reshape: [
    ["as asked", (x) => ops.reshape(x([2, 6]), [3, 1, 4]), "float32", [3, 1, 4]],
    ["to a scalar", (x) => ops.reshape(x([1, 1]), []), "float32", []],
  ],
  transpose: [
    ["output axis i is input axis order[i]", (x) => ops.transpose(x([2, 3, 4]), [2, 0, 1]), "float32", [4, 2, 3]],
  ],
  expand: [["as asked", (x) => ops.expand(x([3, 1]), [2, 3, 4]), "float32", [2, 3, 4]]],
  slice: [
    ["a range", (x) => ops.slice(x([5, 3]), 0, 1, 4), "float32", [3, 3]],
    ["of the last axis", (x) => ops.slice(x([5, 3]), -1, 2, 3), "float32", [5, 1]],
  ],
  pad: [
    ["zeros around", (x) => ops.pad(x([2, 3]), [1, 0], [0, 2]), "float32", [3, 5]],
    ["a shift keeps the shape", (x) => ops.pad(x([4, 3]), [1, 0], [-1, 0]), "float32", [4, 3]],
    ["cuts alone", (x) => ops.pad(x([4, 3]), [-1, -1], [-2, 0]), "float32", [1, 2]],
  ],
  concat: [
    ["sizes add up", (x) => ops.concat([x([2, 1]), x([2, 3]), x([2, 2])], 1), "float32", [2, 6]],
    ["a negative axis", (x) => ops.concat([x([1, 2]), x([3, 2])], -2), "float32", [4, 2]],
  ],
  gather: [
    ["rows", (x, g) => ops.gather(x([3, 2]), g.constant("int32", [2, 2], [0, 2, 1, 1])), "float32", [2, 2, 2]],
    ["by int64", (x, g) => ops.gather(x([3]), g.constant("int64", [], [1])), "float32", []],
  ],
};

function maker(graph: Graph): Make {
  let n = 0;
  return (shape, dtype = "float32") => graph.input(`x${n++}`, dtype, shape);
}

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array };
const ones = ({ dtype, shape }: Value): Tensor => ({
  dtype,
  shape,
  data: new ARRAYS[dtype as keyof typeof ARRAYS](sizeOf(shape)).fill(1),
});

const cases = Object.entries(RULES).flatMap(([op, list]) => list.map((c) => [op, ...c] as const));

test("every operator of ops.ts is in the table of shape rules", () => {
  const operators = Object.keys(ops).filter((name) => name !== "broadcastShape");
  expect(Object.keys(RULES).sort()).toEqual(operators.sort());
});

test.each(cases)(
  "%s, %s: the shape and the element type are what the rule says and what the runtime makes",
  async (...c) => {
    const [, , build, dtype, shape] = c;
    const graph = new Graph();
    const value = build(maker(graph), graph);
    expect(value.dtype).toBe(dtype);
    expect(value.shape).toEqual(shape);
    graph.output("y", value);
    graph.output("shape", graph.apply("Shape", [value], "int64", [shape.length]));
    const { y, shape: actual } = await run(
      graph,
      Object.fromEntries(graph.inputs.map((input) => [input.name, ones(input)])),
    );
    expect(numbers(actual!)).toEqual(shape);
    expect(y!.data).toHaveLength(sizeOf(shape));
  },
);

const WRONG: [words: string, build: (x: Make, graph: Graph) => Value][] = [
  [
    "expected shapes that broadcast for Add but received x0:float32[2,3], x1:float32[2]",
    (x) => ops.add(x([2, 3]), x([2])),
  ],
  [
    "expected equal element types for Mul but received x0:float32[2], x1:float64[2]",
    (x) => ops.mul(x([2]), x([2], "float64")),
  ],
  ["expected at least one Value for Sub but received two numbers", () => ops.sub(1, 2)],
  ["expected a bool condition for Where but received x0:float32[2]", (x) => ops.where(x([2]), x([2]), 0)],
  [
    "expected shapes that broadcast for Where but received x0:bool[3], x1:float32[2], c2:float32[]",
    (x) => ops.where(x([3], "bool"), x([2]), 0),
  ],
  [
    "expected two matrices of one type for Gemm but received x0:float32[2], x1:float32[2,2]",
    (x) => ops.gemm(x([2]), x([2, 2])),
  ],
  [
    "expected equal inner sizes for Gemm but received x0:float32[2,3], x1:float32[2,3]",
    (x) => ops.gemm(x([2, 3]), x([2, 3])),
  ],
  [
    "expected equal inner sizes (a transposed) (b transposed) for Gemm but received x0:float32[2,3], x1:float32[2,3]",
    (x) => ops.gemm(x([2, 3]), x([2, 3]), { transA: true, transB: true }),
  ],
  [
    "expected a third operand that broadcasts to [2,4] for Gemm but received x2:float32[3]",
    (x) => ops.gemm(x([2, 3]), x([3, 4]), { c: x([3]) }),
  ],
  [
    "expected two tensors of rank 2 or more and one type for MatMul but received x0:float32[2], x1:float32[2,2]",
    (x) => ops.matmul(x([2]), x([2, 2])),
  ],
  [
    "expected equal inner sizes and leading axes that broadcast for MatMul but received x0:float32[2,2,3], " +
      "x1:float32[3,3,4]",
    (x) => ops.matmul(x([2, 2, 3]), x([3, 3, 4])),
  ],
  [
    "expected distinct axes of the tensor but [0,-2] for ReduceSum but received x0:float32[2,3]",
    (x) => ops.reduceSum(x([2, 3]), { axes: [0, -2] }),
  ],
  [
    "expected distinct axes of the tensor but [2] for ReduceMax but received x0:float32[2,3]",
    (x) => ops.reduceMax(x([2, 3]), { axes: [2] }),
  ],
  ["expected 5 elements for shape [5] for Reshape but received x0:float32[2,3]", (x) => ops.reshape(x([2, 3]), [5])],
  [
    "expected an order of all axes but [0] for Transpose but received x0:float32[2,3]",
    (x) => ops.transpose(x([2, 3]), [0]),
  ],
  [
    "expected distinct axes of the tensor but [0,0] for Transpose but received x0:float32[2,3]",
    (x) => ops.transpose(x([2, 3]), [0, 0]),
  ],
  [
    "expected a shape that broadcasts to [2,4] for Expand but received x0:float32[3]",
    (x) => ops.expand(x([3]), [2, 4]),
  ],
  [
    "expected a shape that broadcasts to [3] for Expand but received x0:float32[2,3]",
    (x) => ops.expand(x([2, 3]), [3]),
  ],
  [
    "expected a non-empty range of axis 1 but 2..2 for Slice but received x0:float32[2,3]",
    (x) => ops.slice(x([2, 3]), 1, 2, 2),
  ],
  [
    "expected a non-empty range of axis 0 but 0..3 for Slice but received x0:float32[2,3]",
    (x) => ops.slice(x([2, 3]), 0, 0, 3),
  ],
  [
    "expected distinct axes of the tensor but [2] for Slice but received x0:float32[2,3]",
    (x) => ops.slice(x([2, 3]), 2, 0, 1),
  ],
  [
    "expected one pad before and after each axis but [1], [0,0] for Pad but received x0:float32[2,3]",
    (x) => ops.pad(x([2, 3]), [1], [0, 0]),
  ],
  [
    "expected pads that leave something but [-1,0], [-1,0] for Pad but received x0:float32[2,3]",
    (x) => ops.pad(x([2, 3]), [-1, 0], [-1, 0]),
  ],
  ["expected at least one part for Concat but received none", () => ops.concat([], 0)],
  [
    "expected one type and equal sizes off axis 0 for Concat but received x0:float32[2,3], x1:float32[2,4]",
    (x) => ops.concat([x([2, 3]), x([2, 4])], 0),
  ],
  [
    "expected a tensor and whole-number indices for Gather but received x0:float32[3], x1:float32[2]",
    (x) => ops.gather(x([3]), x([2])),
  ],
];

test.each(WRONG)("%s", (words, build) => {
  const graph = new Graph();
  expect(() => build(maker(graph), graph)).toThrow(new PixelcnnError("internal", words));
});

test("what would change nothing adds no node", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2, 3]);
  const same = [
    ops.reshape(x, [2, 3]),
    ops.transpose(x, [0, 1]),
    ops.expand(x, [2, 3]),
    ops.slice(x, 1, 0, 3),
    ops.pad(x, [0, 0], [0, 0]),
    ops.concat([x], 0),
    ops.cast(x, "float32"),
    ops.reduceSum(x, { axes: [] }),
  ];
  expect(same.every((value) => value === x)).toBe(true);
  expect(graph.nodes).toEqual([]);
});
