/**
 * Build a graph, differentiate it, read it, run it: the step graph's machinery on logistic regression.
 * `node examples/differentiate.ts`
 */

import { compile, Graph, grad, openSession, ops, printGraph, tensor } from "../src/graph.ts";

const graph = new Graph("logistic-regression");
const x = graph.input("x", "float32", [4, 2]);
const y = graph.input("y", "float32", [4, 1]);
const w = graph.input("w", "float32", [2, 1]);
const p = ops.sigmoid(ops.gemm(x, w));
const loss = ops.neg(ops.reduceSum(ops.add(ops.mul(y, ops.log(p)), ops.mul(ops.sub(1, y), ops.log(ops.sub(1, p))))));
const [gradient] = grad(loss, [w]);
graph.output("loss", loss);
graph.output("next", ops.sub(w, ops.mul(gradient!, 0.5)));
console.log(printGraph(graph));

const session = await openSession(compile(graph), { threads: 1 });
let weights = tensor("float32", [2, 1], new Float32Array(2));
const inputs = {
  x: tensor("float32", [4, 2], Float32Array.of(0, 1, 1, 0, 1, 1, 0, 0)),
  y: tensor("float32", [4, 1], Float32Array.of(0, 1, 1, 0)),
};
for (let step = 1; step <= 50; step++) {
  const outputs = await session.run({ ...inputs, w: weights });
  weights = outputs.next as typeof weights;
  if (step % 10 === 0) console.log(`step ${step}: loss ${outputs.loss!.data[0]}`);
}
await session.close();
