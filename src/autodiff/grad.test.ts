/** The reverse walk: sums over paths, targets on the way, and what it refuses. */

import { expect, test } from "vitest";
import { evaluate, numbers } from "../onnx/evaluate.test-support.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { add, exp, mul, neg, reduceMax, reduceSum, relu, reshape, sub, tanh } from "../onnx/ops.ts";
import { printGraph } from "../onnx/print.ts";
import { tensor } from "../tensor.ts";
import { grad } from "./grad.ts";

const x = tensor("float64", [2], Float64Array.of(1, -2));

async function derivatives(build: (x: Value, g: Graph) => { loss: Value; by: Value[] }): Promise<number[][]> {
  const out = await evaluate(
    (g) => {
      const { loss, by } = build(g.input("x", "float64", [2]), g);
      return Object.fromEntries(grad(loss, by).map((d, i) => [`d${i}`, d]));
    },
    { x },
  );
  return Object.values(out).map(numbers);
}

test("derivatives add up over every path from the input to the loss", async () => {
  // x^2 + 3 x - x, whose parts meet twice.
  const found = await derivatives((x) => ({ loss: reduceSum(sub(add(mul(x, x), mul(x, 3)), x)), by: [x] }));
  expect(found).toEqual([[2 + 2, -4 + 2]]);
});

test("a target may be an input, a value on the way, or the loss itself, all at once", async () => {
  const found = await derivatives((x) => {
    const y = mul(x, x);
    const loss = reduceSum(mul(y, 5));
    return { loss, by: [x, y, loss] };
  });
  expect(found).toEqual([[10, -20], [5, 5], [1]]);
});

test("a target asked for twice is given twice", async () => {
  const found = await derivatives((x) => ({ loss: reduceSum(exp(neg(x))), by: [x, x] }));
  expect(found[0]).toEqual(found[1]);
});

test("branches that lead to no target are not walked: no derivative of theirs is built or asked for", () => {
  const graph = new Graph();
  const [x, y] = [graph.input("x", "float64", [3]), graph.input("y", "float64", [3])];
  // reduceMax has no rule, and none is needed for x.
  const loss = reduceSum(mul(x, reduceMax(tanh(y))));
  const before = graph.nodes.length;
  grad(loss, [x]);
  const added = graph.nodes.slice(before);
  expect(added.map((node) => node.op)).toEqual(["Reshape", "Expand", "Mul"]);
  expect(added.every((node) => node.scope.startsWith("grad"))).toBe(true);
});

test("a derivative's nodes are in the scope of what they differentiate", () => {
  const graph = new Graph();
  const x = graph.input("x", "float64", [3]);
  const y = graph.scope("layer1", () => tanh(x));
  grad(reduceSum(y), [x]);
  expect(graph.nodes.at(-1)!.scope).toBe("grad/layer1");
});

test("a deep chain is walked without recursion", () => {
  const graph = new Graph();
  const x = graph.input("x", "float64", []);
  let y = x;
  for (let i = 0; i < 20_000; i++) y = add(y, 1);
  expect(grad(y, [x])[0]!.shape).toEqual([]);
});

test("a missing rule names the operator and the value, and prints the graph", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2, 3]);
  const loss = reduceSum(relu(reduceMax(x, { axes: [1] })));
  expect(() => grad(loss, [x])).toThrow(
    "expected a derivative rule for operator ReduceMax but the table has none; it makes " +
      `${graph.nodes[0]!.output.name} in:\n${printGraph(graph)}`,
  );
});

test("a target that the loss does not depend on is named, with the graph", () => {
  const graph = new Graph();
  const [x, y] = [graph.input("x", "float32", [2]), graph.input("y", "float32", [4])];
  const loss = reduceSum(x);
  expect(() => grad(loss, [x, y])).toThrow(
    "expected the loss to depend on y:[4] but it does not\ninput x:float32[2]\ninput y:float32[4]\nv3:float32[] = " +
      "ReduceSum(x, [0], keepdims=0)",
  );
});

test("the loss is a scalar", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2]);
  expect(() => grad(exp(x), [x])).toThrow("expected a scalar loss but received v1:float32[2]");
  expect(() => grad(reshape(reduceSum(x), [1]), [x])).toThrow("expected a scalar loss");
});
