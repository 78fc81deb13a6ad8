/**
 * m(h): a map condition brought to the size of the image, as docs/conditioning.md orders its sums. Plain TypeScript
 * rather than a call of the kernel: float32 arithmetic rounded by Math.fround has the same bits everywhere, and an
 * image needs this once, before its first pixel.
 */

import type { MapShape } from "../models/condition.ts";

const f = Math.fround;

/** The transposed convolutions of m(h), and the sizes on both sides. */
export interface MapLayers {
  /** What they begin with. */
  readonly from: MapShape;
  /** [4, 4, in, M] each, first to last; none where the map covers the image as it is. */
  readonly weights: readonly Float32Array[];
  /** The linear path, [inputs, H, W, L]; null for none. */
  readonly linear: Float32Array | null;
  /** Size of the image. */
  readonly height: number;
  readonly width: number;
  /** Numbers a pixel that come out, M, and L of the linear path behind them. */
  readonly features: number;
}

/** [h0, w0, inputs] -> s, [H, W, M + L]. */
export function upsampledCondition(layers: MapLayers, numbers: Float32Array): Float32Array {
  const { from, linear, height, width, features } = layers;
  const M = features - from.linear;
  const upsampled = throughLayers({ ...layers, features: M }, numbers);
  if (linear === null) return upsampled;
  const line = linearPath(linear, numbers, height * width * from.linear);
  const both = new Float32Array(height * width * features);
  for (let p = 0; p < height * width; p++) {
    both.set(upsampled.subarray(p * M, (p + 1) * M), p * features);
    both.set(line.subarray(p * from.linear, (p + 1) * from.linear), p * features + M);
  }
  return both;
}

/** h over the root of its size, times a matrix [inputs, outputs]. */
function linearPath(matrix: Float32Array, numbers: Float32Array, outputs: number): Float32Array {
  const factor = f(1 / Math.sqrt(numbers.length));
  const sums = new Float32Array(outputs);
  for (const [i, number] of numbers.entries()) {
    const value = f(number * factor);
    for (let o = 0; o < outputs; o++) sums[o] = f(sums[o]! + f(value * matrix[i * outputs + o]!));
  }
  return sums;
}

function throughLayers({ from, weights, height, width, features }: MapLayers, numbers: Float32Array): Float32Array {
  let s: Grid = { height: from.height, width: from.width, features: from.inputs, data: numbers };
  for (const [k, layer] of weights.entries()) {
    // Of the last layer only the image's part is wanted.
    const last = k + 1 === weights.length;
    s = upsample(s, layer, { height: last ? height : 2 * s.height, width: last ? width : 2 * s.width, features });
  }
  if (weights.length > 0) return s.data;
  const part = new Float32Array(height * width * features);
  for (let row = 0; row < height; row++) {
    const start = row * s.width * features;
    part.set(s.data.subarray(start, start + width * features), row * width * features);
  }
  return part;
}

interface Size {
  readonly height: number;
  readonly width: number;
  readonly features: number;
}

interface Grid extends Size {
  readonly data: Float32Array;
}

/**
 * The first `out.height` rows and `out.width` columns of a transposed convolution (kernel 4, stride 2, padding 1) and
 * its ReLU.
 */
function upsample({ data: input, ...from }: Grid, weights: Float32Array, out: Size): Grid {
  const { height, width, features } = out;
  const data = new Float32Array(height * width * features);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * features;
      // A tap has a place in the input where y + 1 - ky is even, and likewise across: two of four each way.
      for (let ky = (y + 1) & 1; ky < 4; ky += 2) {
        const row = (y + 1 - ky) >> 1;
        if (row < 0 || row >= from.height) continue;
        for (let kx = (x + 1) & 1; kx < 4; kx += 2) {
          const column = (x + 1 - kx) >> 1;
          if (column < 0 || column >= from.width) continue;
          for (let i = 0; i < from.features; i++) {
            const value = input[(row * from.width + column) * from.features + i]!;
            // Half of what a ReLU gives; a sum that began at 0 keeps its bits when a zero is added.
            if (value === 0) continue;
            const weight = ((ky * 4 + kx) * from.features + i) * features;
            for (let o = 0; o < features; o++) data[to + o] = f(data[to + o]! + f(value * weights[weight + o]!));
          }
        }
      }
      for (let o = to; o < to + features; o++) if (data[o]! < 0) data[o] = 0; // a NaN passes on
    }
  }
  return { ...out, data };
}
