/**
 * The ONNX lowering: a list of steps as a graph over whole images, for training, likelihood and export. A sum's reads
 * become one gather and one product each (onnx/composites.ts), and nothing is multiplied by a mask's zero. Axes: B
 * images, P = H W pixels, C channels.
 */

import { fail } from "../errors.ts";
import { convolve, gate, tapsAt } from "../onnx/composites.ts";
import type { Value } from "../onnx/graph.ts";
import { add, concat, gemm, mul, relu, reshape } from "../onnx/ops.ts";
import { recurrence } from "../onnx/recurrence.ts";
import { causalProduct } from "./causal-product.ts";
import { isGrouped, nameFor } from "./declarations.ts";
import type { Lookup } from "./lookup.ts";
import { inputValues } from "./pixels.ts";
import { type FeatureMap, type Network, type Step, type Term, widthOf } from "./steps.ts";

export interface NetworkInputs {
  /** [B, H, W, C] uint8. */
  readonly pixels: Value;
  /** What the condition terms multiply: [B, V], or [B P, V] where it differs by pixel. */
  readonly condition?: Value | null | undefined;
  /**
   * [B], for training: 1, or 0 for an image whose pixels the network is not shown (zeros, as beyond the image's edge).
   * Default: all are.
   */
  readonly sees?: Value | null | undefined;
}

type ReadTerm = Extract<Term, { term: "read" }>;
type Sum = Extract<Step, { step: "sum" }>;

/** The network's outputs, [B P, M], those of all channels of a pixel side by side. */
export function networkOutputs(
  network: Network,
  lookup: Lookup,
  { pixels, condition = null, sees = null }: NetworkInputs,
): Value {
  const { channels: C, levels, input, steps, outputs } = network;
  const [B, height, width] = pixels.shape as [number, number, number];
  const { graph } = pixels;
  if (pixels.dtype !== "uint8" || pixels.shape.length !== 4 || pixels.shape[3] !== C)
    fail("internal", `expected uint8 pixels [B, H, W, ${C}] but received ${pixels.dtype}[${pixels.shape}]`);
  if ((network.condition === null) !== (condition === null))
    fail(
      "usage",
      `expected ${network.condition ? "a" : "no"} condition for this model but received ${condition ? "one" : "none"}`,
    );
  const P = height * width;
  const rows = (x: Value): Value => reshape(x, [B * P, x.shape.at(-1)!]);
  const images = (x: Value): Value => reshape(x, [B, P, x.shape.at(-1)!]);

  // A map that taps read is kept as images [B, P, F], others as rows [B P, F].
  const tapped = new Set(
    steps.flatMap((step) => (step.step === "sum" ? step.terms.filter(isConvolution) : [])).map((t) => t.map.name),
  );
  const values = new Map<string, Value>();
  const mapValue = ({ name }: FeatureMap): Value =>
    values.get(name) ?? fail("internal", `expected a step that makes the map ${name} before it is read`);

  const biasOf = ({ by }: Extract<Term, { term: "bias" }>, out: FeatureMap): Value =>
    reshape(lookup(by.name), [widthOf(out)]);

  function product({ map, mask, by, at }: ReadTerm, out: FeatureMap, c: Value | undefined): Value {
    if (isGrouped(by)) {
      const block = { outputs: out.features, groups: C, mask: mask as "A" | "B", parts: Math.max(1, out.parts.length) };
      const weights = (group: number): Value => lookup(nameFor(by.name, group));
      const x = rows(mapValue(map));
      // A vector of biases joins the product; sums so far, one per pixel, are added to it.
      if (C === 1 || c === undefined || c.shape.length === 1) return causalProduct(x, weights, { ...block, bias: c });
      return add(c, causalProduct(x, weights, block));
    }
    const weights = lookup(by.name);
    const w = reshape(weights, [at.length * widthOf(map), widthOf(out)]);
    if (!isConvolution({ at })) return gemm(rows(mapValue(map)), w, c ? { c } : {});
    return convolve(images(mapValue(map)), w, { taps: tapsAt(height, width, at), bias: c });
  }

  /** V h, one vector per image, or V s, one per pixel. */
  function withCondition(x: Value, by: { readonly name: string }): Value {
    if (network.condition!.perPixel) return gemm(condition!, lookup(by.name), { c: x });
    return rows(add(images(x), reshape(gemm(condition!, lookup(by.name)), [B, 1, x.shape[1]!])));
  }

  /** A number of its own for each feature at each pixel. */
  function withPosition(x: Value, { by }: Extract<Term, { term: "position" }>): Value {
    const [h, w] = by.axes!;
    if (h !== height || w !== width)
      fail("usage", `expected images of ${h}x${w} pixels for this model but received ${height}x${width}`);
    return rows(add(images(x), reshape(lookup(by.name), [1, P, x.shape[1]!])));
  }

  function sum({ out, terms }: Sum): Value {
    const of = <T extends Term["term"]>(kind: T) =>
      terms.filter((t): t is Extract<Term, { term: T }> => t.term === kind);
    if (of("embed").length > 0) fail("internal", "expected no embed term: graphs do not have it yet");
    const [bias] = of("bias");
    const [map] = of("position");
    const [given] = of("condition");
    if (given && of("read").length === 0) fail("internal", `expected a product beside the condition of ${out.name}`);
    let y: Value | undefined = bias && biasOf(bias, out);
    // What reads a state that these sums make is left to the recurrence.
    const reads = of("read").filter(({ map }) => values.has(map.name));
    joined(reads, C).forEach((read, i) => {
      y = read.length > 1 ? convolveJoined(read, out, y) : product(read[0]!, out, y);
      if (i === 0 && given) y = withCondition(y, given.by);
      if (i === 0 && map) y = withPosition(y, map);
    });
    for (const { map, at } of of("plus")) {
      if (at[0] !== 0 || at[1] !== 0)
        fail("internal", "expected sums of maps at one pixel: graphs do not have others yet");
      const x = rows(mapValue(map));
      y = y ? add(y, x) : x;
    }
    return y ?? fail("internal", `expected terms in the sum ${out.name}`);
  }

  /** Reads of one map as one gather and one product: their offsets and their weights one behind another. */
  function convolveJoined(reads: readonly ReadTerm[], out: FeatureMap, bias: Value | undefined): Value {
    const [{ map }] = reads as [ReadTerm];
    const weights = reads.map(({ by, at }) =>
      reshape(lookup(nameFor(by.name, 0)), [at.length * widthOf(map), widthOf(out)]),
    );
    const taps = tapsAt(
      height,
      width,
      reads.flatMap(({ at }) => at),
    );
    return convolve(images(mapValue(map)), concat(weights, 0), { taps, bias });
  }

  const dtype = lookup(firstParameter(steps)).dtype as "float32" | "float64";
  const scaled = reshape(inputValues(pixels, levels, input.features / C - 1, dtype), [B, P, input.features]);
  values.set(input.name, sees ? mul(scaled, reshape(sees, [B, 1, 1])) : scaled);
  /**
   * States by the sum that their gates come from: all of it that hangs on no state, and the reads of states as one
   * product.
   */
  function states(step: Extract<Step, { step: "cell" | "blend" }>): Value {
    const gates = steps.find((other): other is Sum => other.step === "sum" && other.out === step.of);
    if (!gates) return fail("internal", `expected a sum for the gates of ${step.out.name}`);
    const recurrent = gates.terms.filter((t): t is ReadTerm => t.term === "read" && t.map === step.out);
    const weights = recurrent.map(({ by, at }) =>
      reshape(lookup(by.name), [at.length * widthOf(step.out), widthOf(gates.out)]),
    );
    const w = weights.length === 0 ? null : weights.length === 1 ? weights[0]! : concat(weights, 0);
    const reads = recurrent.flatMap(({ at }) => at);
    const cell = step.step === "cell" ? "lstm" : "blend";
    return recurrence(rows(mapValue(gates.out)), w, { height, width, reads, from: step.from, cell });
  }

  for (const step of steps) {
    graph.scope(step.out.name, () => {
      const x =
        step.step === "sum"
          ? sum(step)
          : step.step === "gate"
            ? gate(rows(mapValue(step.of)))
            : step.step === "relu"
              ? relu(rows(mapValue(step.of)))
              : states(step);
      values.set(step.out.name, tapped.has(step.out.name) ? images(x) : x);
    });
  }
  return rows(mapValue(outputs));
}

/** Whether a term reads any other pixel, so that it has to gather. */
function isConvolution(term: Term | Pick<ReadTerm, "at">): term is ReadTerm {
  if ("term" in term && term.term !== "read") return false;
  const { at } = term as ReadTerm;
  return at.length !== 1 || at[0]![0] !== 0 || at[0]![1] !== 0;
}

/** Reads in order, those of one map that follow each other in one run, unless masks tell channel groups apart. */
function joined(reads: readonly ReadTerm[], channels: number): ReadTerm[][] {
  const runs: ReadTerm[][] = [];
  const joins = (read: ReadTerm): boolean => channels === 1 || !isGrouped(read.by);
  for (const read of reads) {
    const run = runs.at(-1);
    const first = run?.[0];
    if (run && first?.map === read.map && joins(first) && joins(read)) run.push(read);
    else runs.push([read]);
  }
  return runs;
}

/** A parameter that every network has: its element type is the graph's. */
function firstParameter(steps: readonly Step[]): string {
  for (const step of steps) {
    if (step.step !== "sum") continue;
    for (const term of step.terms) if (term.term === "bias") return term.by.name;
  }
  return fail("internal", "expected a sum with a bias in the network");
}
