/** Pixels as networks see them: docs/model.md, Input. */

import type { Value } from "../onnx/graph.ts";
import { cast, concat, gather, mul, reshape, sub } from "../onnx/ops.ts";

/** Pixel levels [B, H, W, C] uint8 as floats -1 .. 1, 2 v / (levels - 1) - 1, in the same shape. */
export function scaledPixels(pixels: Value, levels: number, dtype: "float32" | "float64"): Value {
  const scale = dtype === "float32" ? Math.fround(2 / (levels - 1)) : 2 / (levels - 1);
  return sub(mul(cast(pixels, dtype), scale), 1);
}

/**
 * The highest `bits` bits of each level in Gray code, of which neighbours differ in one: [levels, bits], -1 for 0 and 1
 * for 1.
 */
export function grayBits(levels: number, bits: number): Float32Array {
  const highest = Math.ceil(Math.log2(levels)) - 1;
  return Float32Array.from({ length: levels * bits }, (_, i) => {
    const level = Math.floor(i / bits);
    return ((level ^ (level >> 1)) >> (highest - (i % bits))) & 1 ? 1 : -1;
  });
}

/** What a network reads of each level: it scaled, and its bits behind it, [levels, 1 + bits]. */
export function levelInputs(levels: number, bits: number): Float32Array {
  const scale = Math.fround(2 / (levels - 1));
  const gray = grayBits(levels, bits);
  return Float32Array.from({ length: levels * (1 + bits) }, (_, i) => {
    const [level, e] = [Math.floor(i / (1 + bits)), i % (1 + bits)];
    return e === 0 ? Math.fround(level * scale) - 1 : gray[level * bits + e - 1]!;
  });
}

/** The same of pixels [B, H, W, C] uint8: [B, H, W, C (1 + bits)]. */
export function inputValues(pixels: Value, levels: number, bits: number, dtype: "float32" | "float64"): Value {
  const scaled = scaledPixels(pixels, levels, dtype);
  if (bits === 0) return scaled;
  const [B, height, width, C] = pixels.shape as [number, number, number, number];
  const table = cast(pixels.graph.constant("float32", [levels, bits], grayBits(levels, bits)), dtype);
  const all = concat([reshape(scaled, [B, height, width, C, 1]), gather(table, cast(pixels, "int32"))], 4);
  return reshape(all, [B, height, width, C * (1 + bits)]);
}
