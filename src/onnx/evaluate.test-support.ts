/** For tests: builds a graph, runs it once on one CPU thread, and gives back its outputs. */

import type { Tensor } from "../tensor.ts";
import { Graph, type Value } from "./graph.ts";
import { compile, openSession } from "./session.ts";

/** Runs the outputs that `build` returns, by their names. */
export async function evaluate(
  build: (graph: Graph) => Readonly<Record<string, Value>>,
  inputs: Readonly<Record<string, Tensor>> = {},
): Promise<Record<string, Tensor>> {
  const graph = new Graph("test");
  for (const [name, value] of Object.entries(build(graph))) graph.output(name, value);
  return run(graph, inputs);
}

export async function run(
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>> = {},
): Promise<Record<string, Tensor>> {
  const session = await openSession(compile(graph), { threads: 1 });
  try {
    return await session.run(inputs);
  } finally {
    await session.close();
  }
}

/** The elements of a tensor as plain numbers. */
export const numbers = ({ data }: Tensor): number[] => Array.from(data as ArrayLike<number | bigint>, Number);
