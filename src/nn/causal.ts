/**
 * Convolutions and 1x1 products that see only the past. Each computes only the taps and blocks that its mask leaves: the vertical half plane,
 * the left half row, and at the centre a block triangle over colour groups. No multiplication by a zero of a mask.
 */

import { type Taps, tapsAt } from "../onnx/composites.ts";
import type { Value } from "../onnx/graph.ts";
import { concat, gemm, slice } from "../onnx/ops.ts";
import type { Lookup } from "./params.ts";

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

/**
 * A product at the centre position, block-triangular over colour groups: output group c of each named matrix sees the
 * input features that the mask leaves it. x [N, in] -> [N, out per name, joined]. Weights `${prefix}${c}.${name}`: [seen, out / groups].
 */
export function causalProduct(x: Value, lookup: Lookup, prefix: string, names: readonly string[], groups: number, mask: "A" | "B", outputs: number): Value {
  const [rows, features] = x.shape as [number, number];
  const each = outputs / groups;
  const weights = (c: number): Value => concat(names.map((name) => lookup(`${prefix}${c}.${name}`)), 1);
  if (groups === 1) return gemm(x, weights(0));
  const blocks = Array.from({ length: groups }, (_, c) => {
    const seen = seenBy(c, features, groups, mask);
    return seen === 0 ? null : gemm(slice(x, 1, 0, seen), weights(c));
  });
  // Blocks come group by group; the result goes name by name, so that gates find all of f before all of g.
  const parts = names.flatMap((_, i) => blocks.flatMap((block) => (block ? [slice(block, 1, i * each, (i + 1) * each)] : [null])));
  const blank = (): Value => {
    const some = blocks.find((block) => block !== null)!;
    return x.graph.constant(x.dtype as "float32", [rows, each], zerosOf(some, rows * each));
  };
  return names.length * groups === 1 ? parts[0]! : concat(parts.map((part) => part ?? blank()), 1);
}

function zerosOf(like: Value, size: number): Float32Array {
  return like.dtype === "float64" ? (new Float64Array(size) as unknown as Float32Array) : new Float32Array(size);
}

