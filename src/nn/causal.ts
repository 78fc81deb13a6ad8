/**
 * Convolutions and 1x1 products that see only the past. Each computes only the taps and blocks that its mask leaves: the vertical half plane,
 * the left half row, and at the centre a block triangle over colour groups. No multiplication by a zero of a mask.
 */

import { type Taps, tapsAt } from "../onnx/composites.ts";
import type { Value } from "../onnx/graph.ts";
import { add, concat, gemm, pad, slice } from "../onnx/ops.ts";

export interface Size {
  readonly height: number;
  readonly width: number;
}

/** Rows above, ceil(n/2) x n. `first`: strictly above (the one shift down); otherwise the own row is the last of them. */
export function verticalTaps({ height, width }: Size, kernel: number, dilation: number, first: boolean): Taps {
  const reach = (kernel - 1) / 2;
  const rows = (kernel + 1) / 2;
  const offsets: [number, number][] = [];
  for (let k = 0; k < rows; k++) {
    const down = first ? k - rows : (k - (rows - 1)) * dilation;
    for (let m = 0; m < kernel; m++) offsets.push([down, (m - reach) * dilation]);
  }
  return tapsAt(height, width, offsets);
}

/** The pixels to the left, farthest first; with `centre`, the pixel itself last. */
export function horizontalTaps({ height, width }: Size, kernel: number, dilation: number, centre: boolean): Taps {
  const reach = (kernel - 1) / 2;
  const offsets: [number, number][] = [];
  for (let m = 0; m < reach; m++) offsets.push([0, (m - reach) * dilation]);
  if (centre) offsets.push([0, 0]);
  return tapsAt(height, width, offsets);
}

/** What group c of `groups` may see of `features` inputs: mask A its strict past, mask B itself too. */
export function seenBy(group: number, features: number, groups: number, mask: "A" | "B"): number {
  return ((mask === "A" ? group : group + 1) * features) / groups;
}

export interface CausalProduct {
  /** Output features (of each half, for a gate). */
  readonly outputs: number;
  readonly groups: number;
  readonly mask: "A" | "B";
  /** A gate's two halves: weights come in pairs, and the result is [N, 2 outputs] with all of f before all of g. */
  readonly halves?: 2;
  /** [outputs], added. */
  readonly bias?: Value;
}

/**
 * A product at the centre position, block-triangular over colour groups: output group c sees the input features that the mask leaves it.
 * x [N, in] -> [N, outputs]. The weights of group c, `weights(c)`, are [seen, outputs / groups] (both halves side by side for a gate).
 */
export function causalProduct(
  x: Value,
  weights: (c: number) => Value,
  { outputs, groups, mask, halves, bias }: CausalProduct,
): Value {
  const features = x.shape[1]!;
  const each = outputs / groups;
  if (groups === 1) return gemm(x, weights(0), bias ? { c: bias } : {});
  const blocks = Array.from({ length: groups }, (_, c) => {
    const seen = seenBy(c, features, groups, mask);
    // Mask A leaves the first group nothing: its part is zero. Made of x, not a constant, so that it has x's rows in a graph of any batch (export).
    if (seen === 0) return pad(slice(x, 1, 0, 1), [0, each * (halves ?? 1)], [0, -1]);
    return gemm(slice(x, 1, 0, seen), weights(c));
  });
  const parts = halves
    ? [0, 1].flatMap((half) => blocks.map((block) => slice(block, 1, half * each, (half + 1) * each)))
    : blocks;
  const joined = concat(parts, 1);
  return bias ? add(joined, bias) : joined;
}
