/** ONNX files: what is in them, that a foreign checker accepts them, that the runtime runs them. */

import { spawnSync } from "node:child_process";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { expect, test } from "vitest";
import { resolvePixelcnn } from "../models/schema.ts";
import { tensor } from "../tensor.ts";
import { stepGraph } from "../train/step.ts";
import { numbers, run } from "./evaluate.test-support.ts";
import { Graph } from "./graph.ts";
import { add, concat, exp, gather, gemm, greater, mul, reshape, softmax, where } from "./ops.ts";
import { OPSET, toOnnx } from "./proto.ts";
import { openSession } from "./session.ts";

const parse = (bytes: Uint8Array) => fromBinary(ModelProtoSchema, bytes);

const CHECK = `
import sys, onnx
model = onnx.load_model_from_string(sys.stdin.buffer.read())
onnx.checker.check_model(model, full_check=True)
`;
const checker = "/usr/bin/python3";
const reason =
  spawnSync(checker, ["-c", "import onnx"]).status === 0
    ? null
    : "Debian's python3-onnx is not here (apt-get install python3-onnx)";

function checked(graph: Graph): string {
  const { status, stderr } = spawnSync(checker, ["-c", CHECK], { input: toOnnx(graph), encoding: "utf8" });
  return status === 0 ? "accepted" : stderr;
}

/** A little of everything: attributes of each kind, constants of each type, an output of each odd sort. */
function mixed(): Graph {
  const graph = new Graph("mixed");
  const x = graph.input("x", "float32", [2, 3]);
  const w = graph.constant(
    "float32",
    [3, 3],
    Float32Array.from({ length: 9 }, (_, i) => i - 4),
  );
  const y = gemm(x, w, { transB: true, c: graph.constant("float32", [3], [0, 1, 2]) });
  const row = gather(y, graph.constant("int64", [1], [1]));
  graph.output("probabilities", softmax(y));
  graph.output("positive", where(greater(y, 0), y, 0));
  graph.output("positive again", where(greater(y, 0), y, 0));
  graph.output("rows", concat([y, row], 0));
  graph.output("as given", x);
  graph.output("constant", w);
  graph.output("flat", reshape(y, [6]));
  return graph;
}

test("a graph with every kind of attribute, constant and output runs as written", async () => {
  const out = await run(mixed(), { x: tensor("float32", [2, 3], Float32Array.of(1, 0, 0, 0, -1, 2)) });
  expect(numbers(out.flat!)).toEqual([-4, 0, 4, -1, 3, 7]);
  expect(numbers(out.rows!)).toEqual([-4, 0, 4, -1, 3, 7, -1, 3, 7]);
  expect(numbers(out["positive again"]!)).toEqual([0, 0, 4, 0, 3, 7]);
  expect(out["positive again"]).toEqual(out.positive);
  expect(numbers(out["as given"]!)).toEqual([1, 0, 0, 0, -1, 2]);
  expect(numbers(out.constant!)).toEqual([-4, -3, -2, -1, 0, 1, 2, 3, 4]);
});

test.skipIf(reason !== null)(`a mixed graph passes the ONNX checker${reason ? ` (skipped: ${reason})` : ""}`, () => {
  expect(checked(mixed())).toBe("accepted");
});

test.skipIf(reason !== null)(
  `a whole training step passes the ONNX checker${reason ? ` (skipped: ${reason})` : ""}`,
  () => {
    const adam = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.01, clip: 1 };
    const model = {
      height: 4,
      width: 5,
      channels: 3,
      levels: 4,
      features: 6,
      depth: 2,
      skip: 6,
      head: { features: 6 },
    };
    expect(checked(stepGraph(resolvePixelcnn({ ...model, condition: { kind: "vector", size: 2 } }), 2, adam))).toBe(
      "accepted",
    );
  },
);

test("the file names its opset, its inputs and outputs with their shapes, and its metadata", () => {
  const file = parse(toOnnx(mixed(), { metadata: { made: "here" } }));
  expect(file.opsetImport.map((o) => [o.domain, Number(o.version)])).toEqual([["", OPSET]]);
  expect(file.metadataProps.map(({ key, value }) => [key, value])).toEqual([["made", "here"]]);
  expect(file.graph!.input.map((i) => i.name)).toEqual(["x"]);
  expect(file.graph!.output.map((o) => o.name)).toEqual(mixed().outputs.map((o) => o.name));
});

test("what no output needs stays out of the file", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2]);
  exp(mul(x, graph.constant("float32", [2], [7, 8])));
  graph.output("y", add(x, 1));
  const { node, initializer } = parse(toOnnx(graph)).graph!;
  expect(node.map((n) => n.opType)).toEqual(["Add"]);
  expect(initializer).toHaveLength(1);
});

test("a free batch: one file, images of any number", async () => {
  const graph = new Graph("free");
  const x = graph.input("x", "float32", [1, 2, 2]);
  graph.output("y", reshape(mul(reshape(x, [2, 2]), 2), [1, 4]));
  const bytes = toOnnx(graph, { symbolicBatch: "N" });
  for (const batch of [1, 3]) {
    // The program's signature says which batch this session is for; the file is the same.
    const program = {
      name: "free",
      nodes: 1,
      bytes,
      inputs: [{ name: "x", dtype: "float32", shape: [batch, 2, 2] }],
      outputs: [{ name: "y", dtype: "float32", shape: [batch, 4] }],
    } as const;
    const session = await openSession(program, { threads: 1 });
    const data = Float32Array.from({ length: 4 * batch }, (_, i) => i);
    const { y } = await session.run({ x: tensor("float32", [batch, 2, 2], data) });
    expect(numbers(y!)).toEqual(Array.from(data, (v) => 2 * v));
    await session.close();
  }
});

test("a free batch is refused where an operator holds its size, by the value's name", () => {
  const graph = new Graph("held");
  const x = graph.input("x", "float32", [1, 2]);
  graph.output("y", concat([x, x], 0));
  expect(() => toOnnx(graph, { symbolicBatch: "N" })).toThrow(
    "expected a graph built for a batch of 1 but v1 has shape [2,2]",
  );
  const inner = new Graph("inner");
  const z = inner.input("z", "float32", [1, 2]);
  inner.output("y", reshape(concat([z, z], 0), [1, 4]));
  expect(() => toOnnx(inner, { symbolicBatch: "N" })).toThrow(
    "expected no Concat over the batch in a graph of any batch but inner has v1",
  );
});
