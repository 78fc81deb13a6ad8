/** For tests: derivatives by reverse mode and by central differences, both through the runtime in float64. */

import { expect } from "vitest";
import { numbers } from "../onnx/evaluate.test-support.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { mul, reduceSum } from "../onnx/ops.ts";
import { compile, openSession } from "../onnx/session.ts";
import { randomFrom } from "../random.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";
import { grad } from "./grad.ts";

export type Inputs = Readonly<Record<string, Tensor<"float64">>>;
export type Build = (x: Readonly<Record<string, Value>>, graph: Graph) => Value;

/**
 * Half the distance of a central difference. Its error is the third derivative (order 1 here) times STEP^2 / 6, and the
 * rounding of values of order 10 over STEP: both near 1e-10.
 */
const STEP = 1e-5;
/** Room above those errors; a wrong rule is off by order 1. */
const TOLERANCE = 1e-8;

/** Random numbers from -1.5 to 1.5, `least` or more away from 0; with `least` 0, the first of several is 0 itself. */
export function randomTensor(shape: Shape, seed: number, least = 0): Tensor<"float64"> {
  const random = randomFrom(seed);
  const data = Float64Array.from({ length: sizeOf(shape) }, () => {
    const size = least + (1.5 - least) * random.uniform();
    return random.below(2) === 0 ? -size : size;
  });
  if (least === 0 && data.length > 1) data[0] = 0;
  return tensor("float64", shape, data);
}

export const positive = ({ shape, data }: Tensor<"float64">): Tensor<"float64"> =>
  tensor(
    "float64",
    shape,
    data.map((v) => Math.abs(v)),
  );

function placed(inputs: Inputs, build: Build): { graph: Graph; x: Record<string, Value>; loss: Value } {
  const graph = new Graph("test");
  const x = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape }]) => [name, graph.input(name, "float64", shape)]),
  );
  const y = build(x, graph);
  // Every output weighs differently, so that an error in one is not made good by another.
  const weights = randomTensor(y.shape, 99, 0.3);
  return { graph, x, loss: reduceSum(mul(y, graph.constant("float64", y.shape, weights.data))) };
}

/** Derivatives of a weighted sum of the outputs by the named inputs (default: all), by reverse mode. */
export async function derivatives(
  inputs: Inputs,
  build: Build,
  { by = Object.keys(inputs), splitInner = 1 }: { by?: readonly string[]; splitInner?: number } = {},
): Promise<Record<string, number[]>> {
  const { graph, x, loss } = placed(inputs, build);
  grad(
    loss,
    by.map((name) => x[name]!),
    { splitInner },
  ).forEach((value, i) => {
    expect(value.shape).toEqual(inputs[by[i]!]!.shape);
    graph.output(`by_${by[i]}`, value);
  });
  const session = await openSession(compile(graph), { threads: 1 });
  const results = await session.run(inputs);
  await session.close();
  return Object.fromEntries(by.map((name) => [name, numbers(results[`by_${name}`]!)]));
}

/** The same by central differences. */
export async function differences(inputs: Inputs, build: Build): Promise<Record<string, number[]>> {
  const { graph, loss } = placed(inputs, build);
  graph.output("loss", loss);
  const session = await openSession(compile(graph), { threads: 1 });
  const found: Record<string, number[]> = {};
  for (const [name, { shape, data }] of Object.entries(inputs)) {
    found[name] = [];
    for (let i = 0; i < data.length; i++) {
      const at = async (value: number): Promise<number> =>
        Number((await session.run({ ...inputs, [name]: tensor("float64", shape, data.with(i, value)) })).loss!.data[0]);
      found[name].push(((await at(data[i]! + STEP)) - (await at(data[i]! - STEP))) / (2 * STEP));
    }
  }
  await session.close();
  return found;
}

export function expectClose(
  found: Record<string, number[]>,
  expected: Record<string, number[]>,
  tolerance = TOLERANCE,
): void {
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, list] of Object.entries(expected)) {
    expect(found[name]).toHaveLength(list.length);
    for (const [i, value] of list.entries())
      expect(Math.abs(found[name]![i]! - value), `${name}[${i}] = ${value}, found ${found[name]![i]}`).toBeLessThan(
        tolerance * Math.max(1, Math.abs(value)),
      );
  }
}

/** Fails unless reverse mode and central differences agree in every element of every input; gives them back. */
export async function checkDerivatives(
  inputs: Inputs,
  build: Build,
  tolerance = TOLERANCE,
): Promise<Record<string, number[]>> {
  const expected = await differences(inputs, build);
  expectClose(await derivatives(inputs, build), expected, tolerance);
  return expected;
}
