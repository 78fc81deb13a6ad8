/** m(h) of a spatial condition (van den Oord et al. 2016, section 2.2): transposed convolutions until the map covers the image. docs/conditioning.md. */

import type { Size } from "../nn/causal.ts";
import { type Lookup, matrix, type ParameterSpec } from "../nn/params.ts";
import { convolveUp, doubled, RESAMPLE_KERNEL } from "../nn/resample.ts";
import type { Value } from "../onnx/graph.ts";
import { relu, reshape, slice } from "../onnx/ops.ts";
import { type MapShape, mapLayersOf } from "./condition.ts";

const nameOf = (layer: number): string => `map.layer${layer}.W`;

/** The transposed convolutions' weights; none has a bias, so that no map gives nothing. */
export function mapParameters(map: MapShape, image: Size): ParameterSpec[] {
  return Array.from({ length: mapLayersOf(map, image.height, image.width) }, (_, i) => {
    const inputs = i === 0 ? map.inputs : map.features;
    // Four of the sixteen taps reach an output; ReLU halves the variance.
    return matrix(nameOf(i + 1), [RESAMPLE_KERNEL, RESAMPLE_KERNEL, inputs, map.features], 4 * inputs, Math.SQRT2);
  });
}

/** h [B, h0 w0 inputs] -> s [B H W, M]. */
export function mapFeatures(map: MapShape, image: Size, lookup: Lookup, h: Value): Value {
  const B = h.shape[0]!;
  let size: Size = map;
  let s = reshape(h, [B, size.height * size.width, map.inputs]);
  for (let i = 0; i < mapLayersOf(map, image.height, image.width); i++) {
    s = relu(convolveUp(s, lookup(nameOf(i + 1)), size));
    size = doubled(size);
  }
  const features = s.shape[2]!;
  const cropped = slice(slice(reshape(s, [B, size.height, size.width, features]), 1, 0, image.height), 2, 0, image.width);
  return reshape(cropped, [B * image.height * image.width, features]);
}
