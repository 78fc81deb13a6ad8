/** The mixture head: log-probabilities and derivatives of its graphs, against a naive mixture and differences. */

import { describe, expect, test } from "vitest";
import { checkDerivatives, derivatives } from "../../autodiff/central-differences.test-support.ts";
import { evaluate, numbers } from "../../onnx/evaluate.test-support.ts";
import type { Graph, Value } from "../../onnx/graph.ts";
import { randomFrom } from "../../random.ts";
import { type Tensor, tensor } from "../../tensor.ts";
import { mixture } from "./mixture.ts";
import { mixtureLogProbabilities } from "./naive-mixture.test-support.ts";

const configOf = (channels: number, levels: number, components: number) => ({
  channels,
  levels,
  head: { kind: "mixture" as const, features: 1, components },
});
type Config = ReturnType<typeof configOf>;

/** Outputs of one pixel: of each channel weights, means, log-scales from narrow to wide, coefficients. */
function randomOutputs({ channels, head: { components: M } }: Config, seed: number, far = 1.2): number[] {
  const random = randomFrom(seed);
  const between = (low: number, high: number): number => low + (high - low) * random.uniform();
  const list = (low: number, high: number): number[] => Array.from({ length: M }, () => between(low, high));
  return Array.from({ length: channels }, (_, c) => [
    ...list(-2, 2),
    ...list(-far, far),
    ...list(-5, 3),
    ...Array.from({ length: c }, () => list(-2, 2)).flat(),
  ]).flat();
}

const pixelsOf = (graph: Graph, pixels: readonly number[], C: number): Value =>
  graph.constant("uint8", [pixels.length / C, 1, 1, C], Uint8Array.from(pixels));

/** Outputs [N, M] of a graph of one element type. */
const wide = (rows: readonly (readonly number[])[], dtype: "float32" | "float64"): Tensor =>
  tensor(dtype, [rows.length, rows[0]!.length], (dtype === "float64" ? Float64Array : Float32Array).from(rows.flat()) as Float32Array);

async function run(
  what: "logits" | "logProbability",
  config: Config,
  rows: readonly (readonly number[])[],
  pixels: readonly number[],
  dtype: "float32" | "float64" = "float64",
): Promise<number[]> {
  const outputs = wide(rows, dtype);
  const { y } = await evaluate(
    (g) => ({
      y: mixture[what](
        g.input("outputs", dtype, outputs.shape),
        { pixels: pixelsOf(g, pixels, config.channels) },
        config,
      ),
    }),
    { outputs },
  );
  return numbers(y!);
}

/** Naive log-probabilities of all levels of each channel of one pixel. */
function naive({ channels: C, levels, head: { components } }: Config, outputs: readonly number[], pixel: readonly number[]) {
  let first = 0;
  return Array.from({ length: C }, (_, c) => {
    const count = (3 + c) * components;
    const seen = pixel.slice(0, c).map((level) => (2 * level) / (levels - 1) - 1);
    const rows = mixtureLogProbabilities({ levels, components, outputs: outputs.slice(first, first + count), seen });
    first += count;
    return rows;
  });
}

describe("derivatives", () => {
  test.each([
    [1, 3, 1],
    [1, 3, 2],
    [1, 2, 2],
    [1, 256, 3],
    [3, 5, 2],
  ])("of %i channels, %i levels and %i components are those of central differences", async (C, K, M) => {
    const config = configOf(C, K, M);
    const random = randomFrom(4);
    const rows = Array.from({ length: 12 }, (_, i) => randomOutputs(config, i));
    const pixels = rows.flatMap((_, i) => Array.from({ length: C }, () => [0, K - 1, random.below(K)][i % 3]!));
    await checkDerivatives(
      { a: wide(rows, "float64") as Tensor<"float64"> },
      ({ a }, graph) => mixture.logProbability(a!, { pixels: pixelsOf(graph, pixels, C) }, config),
      1e-9,
    );
  });
});
void expect; void derivatives; void naive; void run;
