/**
 * m(h) of a spatial condition (van den Oord et al. 2016, section 2.2): transposed convolutions until the map covers the
 * image. docs/conditioning.md.
 */

import type { Lookup } from "../network/lookup.ts";
import type { NetworkCondition } from "../network/steps.ts";
import type { Value } from "../onnx/graph.ts";
import { concat, gemm, mul, relu, reshape, slice } from "../onnx/ops.ts";
import type { MapShape } from "./condition.ts";
import { convolveUp, doubled, type Size } from "./resample.ts";

/** h [B, h0 w0 inputs] -> s [B H W, M], and L features more where there is a linear path. */
export function conditionMap(
  from: MapShape,
  { map, linear }: NetworkCondition,
  image: Size,
  lookup: Lookup,
  h: Value,
): Value {
  const B = h.shape[0]!;
  let size: Size = from;
  let s = reshape(h, [B, size.height * size.width, from.inputs]);
  for (const { name } of map) {
    s = relu(convolveUp(s, lookup(name), size));
    size = doubled(size);
  }
  const features = s.shape[2]!;
  const cropped = slice(
    slice(reshape(s, [B, size.height, size.width, features]), 1, 0, image.height),
    2,
    0,
    image.width,
  );
  const pixels = B * image.height * image.width;
  const layers = reshape(cropped, [pixels, features]);
  if (!linear) return layers;
  const [inputs, , , outputs] = linear.shape as [number, number, number, number];
  const matrix = reshape(lookup(linear.name), [inputs, image.height * image.width * outputs]);
  const line = gemm(mul(h, 1 / Math.sqrt(inputs)), matrix);
  return concat([layers, reshape(line, [pixels, outputs])], 1);
}
