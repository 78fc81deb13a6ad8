/** The categorical head: log-probabilities of levels. */

import { expect, test } from "vitest";
import { evaluate, numbers } from "../../onnx/evaluate.test-support.ts";
import { tensor } from "../../tensor.ts";
import type { HeadConfig } from "../config.ts";
import { categorical } from "./categorical.ts";
import { categoricalGraphs } from "./categorical-graphs.ts";

const configOf = (levels: number): HeadConfig => ({
  channels: 1,
  levels,
  head: { kind: "categorical", features: 1 },
});

async function logProbability(
  logits: number[][],
  pixels: number[],
  dtype: "float32" | "float64" = "float64",
): Promise<number[]> {
  const [rows, levels] = [logits.length, logits[0]!.length];
  const Numbers = dtype === "float32" ? Float32Array : Float64Array;
  const { y } = await evaluate(
    (g) => {
      const outputs = g.input("outputs", dtype, [rows, levels]);
      const pixels = g.input("pixels", "uint8", [rows, 1, 1, 1]);
      return { y: categoricalGraphs.logProbability(outputs, { pixels }, configOf(levels)) };
    },
    {
      outputs: tensor(dtype, [rows, levels], Numbers.from(logits.flat()) as Float32Array),
      pixels: tensor("uint8", [rows, 1, 1, 1], Uint8Array.from(pixels)),
    },
  );
  return numbers(y!);
}

test("log p is the logit less the logarithm of the sum of all exponentials", async () => {
  const logits = [
    [0.5, -1, 2],
    [0, 0, 0],
  ];
  const found = await logProbability(logits, [2, 0]);
  const total = Math.exp(0.5) + Math.exp(-1) + Math.exp(2);
  expect(found[0]).toBeCloseTo(2 - Math.log(total), 14);
  expect(found[1]).toBeCloseTo(-Math.log(3), 14);
});

test("the probabilities of all levels sum to 1, for 2 and for 256 levels", async () => {
  for (const levels of [2, 256]) {
    const row = Array.from({ length: levels }, (_, k) => 3 * Math.sin(k));
    const found = await logProbability(
      Array.from({ length: levels }, () => row),
      Array.from({ length: levels }, (_, k) => k),
    );
    // float64, one rounding per level.
    expect(found.reduce((sum, logP) => sum + Math.exp(logP), 0)).toBeCloseTo(1, 13);
  }
});

test("large logits of either sign give finite log-probabilities, in float32 too", async () => {
  const logits = [
    [1e4, -1e4],
    [1e4, -1e4],
    [-1e4, -1e4],
  ];
  expect(await logProbability(logits, [0, 1, 1], "float32")).toEqual([0, -2e4, Math.fround(-Math.LN2)]);
});

test("one output a level and channel", () => {
  expect(categorical.outputsOf({ ...configOf(17), channels: 3 })).toBe(51);
});
