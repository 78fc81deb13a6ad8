/** Graphs: what is made once, names, scopes, and the text of a small one. */

import { expect, test } from "vitest";
import { PixelcnnError } from "../errors.ts";
import { convolve, gate, tapsAt } from "./composites.ts";
import { Graph } from "./graph.ts";
import { add, concat, exp, gemm, mul, relu, slice } from "./ops.ts";
import { printGraph } from "./print.ts";
import { neededValues } from "./proto.ts";

test("equal nodes are made once, also in another scope; other inputs, attributes or types make another", () => {
  const graph = new Graph();
  const [x, y] = [graph.input("x", "float32", [2, 2]), graph.input("y", "float32", [2, 2])];
  const sum = add(x, y);
  expect(add(x, y)).toBe(sum);
  expect(graph.scope("elsewhere", () => add(x, y))).toBe(sum);
  expect(add(y, x)).not.toBe(sum);
  expect(gemm(x, y, { transA: true })).not.toBe(gemm(x, y));
  expect(slice(x, 0, 0, 1)).not.toBe(slice(x, 0, 1, 2));
  expect(graph.nodes).toHaveLength(6);
});

test("small equal constants are made once; another type, shape or sign of zero makes another", () => {
  const graph = new Graph();
  const one = graph.constant("float32", [], [1]);
  expect(graph.constant("float32", [], [1])).toBe(one);
  expect(graph.constant("float32", [], Float32Array.of(1))).toBe(one);
  for (const other of [
    graph.constant("float64", [], [1]),
    graph.constant("float32", [1], [1]),
    graph.constant("float32", [], [2]),
    graph.constant("float32", [], [0]),
    graph.constant("float32", [], [-0]),
  ])
    expect(other).not.toBe(one);
  expect(graph.constants).toHaveLength(6);
});

test("a constant's data must fill its shape", () => {
  expect(() => new Graph().constant("float32", [2, 2], [1, 2, 3])).toThrow(
    "expected 4 elements for a float32 tensor of shape [2,2] but received 3",
  );
});

test("names of inputs and of outputs are new ones", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [1]);
  expect(() => graph.input("x", "float32", [1])).toThrow(
    'expected a new name for a graph input but received "x" twice',
  );
  graph.output("x", x);
  expect(() => graph.output("x", x)).toThrow('expected a new name for a graph output but received "x" twice');
});

test("dimensions are whole numbers", () => {
  expect(() => new Graph().input("x", "float32", [1.5])).toThrow("expected whole dimensions but received [1.5]");
  expect(() => new Graph().input("x", "float32", [-1])).toThrow(PixelcnnError);
});

test("a value of another graph is refused by name", () => {
  const [a, b] = [new Graph("first"), new Graph("second")];
  const [x, y] = [a.input("x", "float32", [1]), b.input("y", "float32", [1])];
  expect(() => add(x, y)).toThrow("expected all inputs of Add in graph first but y is of graph second");
});

test("a scope ends when its builder throws", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [1]);
  expect(() =>
    graph.scope("outer", () => {
      throw new Error("stop");
    }),
  ).toThrow("stop");
  expect(exp(x).node!.scope).toBe("");
});

test("the text of a graph holds inputs, every operator with its types, attributes and scope, and outputs", () => {
  const graph = new Graph();
  const [x, w] = [graph.input("x", "float32", [4, 3]), graph.input("w", "float32", [2, 3])];
  const hidden = graph.scope("layer1", () => graph.scope("vertical", () => gemm(x, w, { transB: true })));
  const half = slice(concat([relu(hidden), hidden], 1), 1, 1, 3);
  graph.output("y", mul(half, 0.5));
  graph.output("large", add(half, graph.constant("float32", [3, 4, 2], new Float32Array(24))));
  expect(printGraph(graph)).toBe(
    `
input x:float32[4,3]
input w:float32[2,3]
v2:float32[4,2] = Gemm(x, w, transB=1)  # layer1/vertical
v3:float32[4,2] = Relu(v2)
v4:float32[4,4] = Concat(v3, v2, axis=1)
v7:float32[4,2] = Slice(v4, [1], [3], [1])
v9:float32[4,2] = Mul(v7, 0.5)
v11:float32[3,4,2] = Add(v7, c10:float32[3,4,2])
output y = v9
output large = v11`.trim(),
  );
});

test("only what the outputs need is needed", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2]);
  const [used, unused] = [exp(x), relu(x)];
  graph.output("y", used);
  expect(neededValues(graph)).toEqual(new Set([x, used]));
  expect(neededValues(graph).has(unused)).toBe(false);
});

test("a composite is remembered with its inputs and settings, and is made once", () => {
  const graph = new Graph();
  const [x, w] = [graph.input("x", "float32", [1, 6, 2]), graph.input("w", "float32", [4, 4])];
  const taps = tapsAt(2, 3, [
    [0, -1],
    [0, 0],
  ]);
  const q = convolve(x, w, { taps });
  const y = gate(q);
  expect(graph.composites.get(q)).toEqual({ op: "Convolve", inputs: [x, w], settings: taps });
  expect(graph.composites.get(y)).toEqual({ op: "Gate", inputs: [q], settings: null });
  const nodes = graph.nodes.length;
  expect(gate(convolve(x, w, { taps }))).toBe(y);
  expect(graph.nodes).toHaveLength(nodes);
});
