/**
 * Would the runtime's own Conv beat our gather of taps and matrix product? Both routes of a training step's
 * convolutions, forward and for the derivative of the input, and the products beside them (derivative of the weights,
 * 1x1), on one thread.
 *   node bench/convolution-routes.ts [--features 128] [--images 2] [--runs 30]
 * A vertical kernel of a later layer: 6 taps (2 rows, 3 columns), F features in and 2F out, at 28x28. Layers one after
 * another, so that no layer's activations lie in cache already. GFLOP/s by the median run.
 */

import { parseArgs } from "node:util";
import { convolve, tapsAt } from "../src/onnx/composites.ts";
import { Graph, type Value } from "../src/onnx/graph.ts";
import { compile, openSession } from "../src/onnx/session.ts";
import { randomFrom } from "../src/random.ts";
import { sizeOf, type Tensor, tensor } from "../src/tensor.ts";

const { values } = parseArgs({
  options: {
    features: { type: "string", default: "128" },
    images: { type: "string", default: "2" },
    runs: { type: "string", default: "30" },
  },
});
const [F, B, runs] = [values.features, values.images, values.runs].map(Number) as [number, number, number];
const LAYERS = 8;
const [height, width] = [28, 28];
const P = height * width;
const offsets = [-1, 0].flatMap((row) => [-1, 0, 1].map((column) => [row, column] as const));
const taps = offsets.length;
const random = randomFrom(1);

interface Route {
  readonly name: string;
  /** Of each layer. */
  readonly input: readonly number[];
  /** Of all layers together, or of each where it is an activation too. */
  readonly other: readonly number[];
  readonly otherOfEach?: boolean;
  readonly flops: number;
  layer(graph: Graph, x: Value, other: Value): Value;
}

const conv =
  (outputs: number, pads: readonly number[]) =>
  (graph: Graph, x: Value, w: Value): Value =>
    graph.apply("Conv", [x, w], "float32", [B, outputs, height, width], { kernel_shape: [2, 3], pads: [...pads] });
const gathered = (_graph: Graph, x: Value, w: Value): Value => convolve(x, w, { taps: tapsAt(height, width, offsets) });

const perTap = 2 * B * P * F * 2 * F;
const routes: Route[] = [
  {
    name: "forward, gather and product",
    input: [B, P, F],
    other: [taps * F, 2 * F],
    flops: taps * perTap,
    layer: gathered,
  },
  {
    name: "forward, Conv",
    input: [B, F, height, width],
    other: [2 * F, F, 2, 3],
    flops: taps * perTap,
    layer: conv(2 * F, [1, 1, 0, 1]),
  },
  {
    name: "backward, gather and product",
    input: [B, P, 2 * F],
    other: [taps * 2 * F, F],
    flops: taps * perTap,
    layer: gathered,
  },
  {
    name: "backward, Conv",
    input: [B, 2 * F, height, width],
    other: [F, 2 * F, 2, 3],
    flops: taps * perTap,
    layer: conv(F, [0, 1, 1, 1]),
  },
  {
    ...{
      name: "derivative of the weights, product",
      input: [B * P, taps * F],
      other: [B * P, 2 * F],
      otherOfEach: true,
    },
    flops: taps * perTap,
    layer: (graph, x, dy) => graph.apply("Gemm", [x, dy], "float32", [taps * F, 2 * F], { transA: 1 }),
  },
  {
    name: "1x1, product",
    input: [B * P, 2 * F],
    other: [2 * F, 2 * F],
    flops: 2 * perTap,
    layer: (graph, x, w) => graph.apply("Gemm", [x, w], "float32", [B * P, 2 * F], {}),
  },
];

function noise(shape: readonly number[]): Tensor {
  return tensor(
    "float32",
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.uniform() - 0.5),
  );
}

async function time({ name, input, other, otherOfEach, flops, layer }: Route): Promise<void> {
  const graph = new Graph(name);
  const feeds: Record<string, Tensor> = {};
  const given = (key: string, shape: readonly number[]): Value => {
    feeds[key] = noise(shape);
    return graph.input(key, "float32", [...shape]);
  };
  const shared = otherOfEach ? null : given("other", other);
  for (let i = 0; i < LAYERS; i++)
    graph.output(`y${i}`, layer(graph, given(`x${i}`, input), shared ?? given(`other${i}`, other)));
  const session = await openSession(compile(graph), { threads: 1 });
  const times: number[] = [];
  for (let run = -3; run < runs; run++) {
    const started = performance.now();
    await session.run(feeds);
    if (run >= 0) times.push(performance.now() - started);
  }
  await session.close();
  times.sort((a, b) => a - b);
  console.log(`${name.padEnd(36)}${((LAYERS * flops) / times[runs >> 1]! / 1e6).toFixed(1).padStart(8)} GFLOP/s`);
}

console.log(`F = ${F}, ${B} images of ${height}x${width}, ${LAYERS} layers, one thread`);
for (const route of routes) await time(route);
