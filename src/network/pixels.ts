/** Pixels as networks see them: docs/model.md, Input. */

import type { Value } from "../onnx/graph.ts";
import { cast, mul, sub } from "../onnx/ops.ts";

/** Pixel levels [B, H, W, C] uint8 as floats -1 .. 1, 2 v / (levels - 1) - 1, in the same shape. */
export function scaledPixels(pixels: Value, levels: number, dtype: "float32" | "float64"): Value {
  const scale = dtype === "float32" ? Math.fround(2 / (levels - 1)) : 2 / (levels - 1);
  return sub(mul(cast(pixels, dtype), scale), 1);
}
