/** Pixels as networks see them: docs/model.md, Input. */

import type { Value } from "../onnx/graph.ts";
import { cast, concat, gather, mul, reshape, sub } from "../onnx/ops.ts";
import { grayBits } from "./level-inputs.ts";

/** Pixel levels [B, H, W, C] uint8 as floats -1 .. 1, 2 v / (levels - 1) - 1, in the same shape. */
export function scaledPixels(pixels: Value, levels: number, dtype: "float32" | "float64"): Value {
  const scale = dtype === "float32" ? Math.fround(2 / (levels - 1)) : 2 / (levels - 1);
  return sub(mul(cast(pixels, dtype), scale), 1);
}

/** What a network reads (level-inputs.ts) of pixels [B, H, W, C] uint8: [B, H, W, C (1 + bits)]. */
export function inputValues(pixels: Value, levels: number, bits: number, dtype: "float32" | "float64"): Value {
  const scaled = scaledPixels(pixels, levels, dtype);
  if (bits === 0) return scaled;
  const [B, height, width, C] = pixels.shape as [number, number, number, number];
  const table = cast(pixels.graph.constant("float32", [levels, bits], grayBits(levels, bits)), dtype);
  const all = concat([reshape(scaled, [B, height, width, C, 1]), gather(table, cast(pixels, "int32"))], 4);
  return reshape(all, [B, height, width, C * (1 + bits)]);
}
