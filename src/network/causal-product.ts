/**
 * A 1x1 product at the pixel itself that sees only earlier channel groups. It computes the blocks that its mask leaves,
 * a triangle over groups: no multiplication by a zero of a mask.
 */

import type { Value } from "../onnx/graph.ts";
import { add, concat, gemm, pad, slice } from "../onnx/ops.ts";

export interface CausalProduct {
  /** Output features of each part. */
  readonly outputs: number;
  readonly groups: number;
  /** A: a group sees those before it. B: itself too. */
  readonly mask: "A" | "B";
  /**
   * Parts that are computed side by side, such as the two of a gate: the result is [N, parts * outputs], one part after
   * another. Default 1.
   */
  readonly parts?: number;
  /** [parts * outputs], added. */
  readonly bias?: Value | undefined;
}

/**
 * x [N, in] -> [N, parts * outputs]. The weights of group c, `weights(c)`, are [seen, parts * outputs / groups], parts
 * side by side; those of a group that sees nothing are not asked for.
 */
export function causalProduct(
  x: Value,
  weights: (c: number) => Value,
  { outputs, groups, mask, parts = 1, bias }: CausalProduct,
): Value {
  const each = outputs / groups;
  if (groups === 1) return gemm(x, weights(0), bias ? { c: bias } : {});
  const blocks = Array.from({ length: groups }, (_, c) => {
    const seen = ((mask === "A" ? c : c + 1) * x.shape[1]!) / groups;
    // Mask A leaves the first group nothing: its part is zero. Made of x, not a constant, so that it has x's rows in a
    // graph of any batch (export).
    if (seen === 0) return pad(slice(x, 1, 0, 1), [0, each * parts], [0, -1]);
    return gemm(slice(x, 1, 0, seen), weights(c));
  });
  const sorted =
    parts === 1
      ? blocks
      : Array.from({ length: parts }, (_, part) =>
          blocks.map((b) => slice(b, 1, part * each, (part + 1) * each)),
        ).flat();
  const joined = concat(sorted, 1);
  return bias ? add(joined, bias) : joined;
}
