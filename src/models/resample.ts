/**
 * Convolutions that change an image's size, by taps as everywhere: kernel 4, stride 2, padding 1, halving (an encoder)
 * or doubling (a decoder, a map). Only taps that reach something are computed; nothing is multiplied by the zeros
 * between upsampled pixels.
 */

import { convolve, tapsAt } from "../onnx/composites.ts";
import type { Value } from "../onnx/graph.ts";
import { concat, reshape, slice, transpose } from "../onnx/ops.ts";

export interface Size {
  readonly height: number;
  readonly width: number;
}

/** Side of the kernel of both. */
export const RESAMPLE_KERNEL = 4;

/** Half the size, rounded up. */
export const halved = ({ height, width }: Size): Size => ({
  height: Math.ceil(height / 2),
  width: Math.ceil(width / 2),
});
export const doubled = ({ height, width }: Size): Size => ({ height: 2 * height, width: 2 * width });

const square: [number, number][] = Array.from({ length: RESAMPLE_KERNEL ** 2 }, (_, t) => [
  Math.floor(t / RESAMPLE_KERNEL) - 1,
  (t % RESAMPLE_KERNEL) - 1,
]);

/**
 * x [B, P, F] of `size`, w [4, 4, F, O], bias [O] -> [B, P', O] of the halved size: out(y, x) sums in(2y + ky - 1, 2x +
 * kx - 1) W[ky, kx].
 */
export function convolveDown(x: Value, w: Value, size: Size, bias?: Value): Value {
  const [batch, , features] = x.shape as [number, number, number];
  const outputs = w.shape.at(-1)!;
  const taps = tapsAt(size.height, size.width, square, 2);
  const y = convolve(x, reshape(w, [taps.count * features, outputs]), { taps, bias });
  return reshape(y, [batch, taps.positions, outputs]);
}

/** Input offset and kernel row that an output of each parity reads: y = 2i + k - 1. */
const PHASES = [
  [
    { offset: 0, k: 1 },
    { offset: -1, k: 3 },
  ],
  [
    { offset: 1, k: 0 },
    { offset: 0, k: 2 },
  ],
] as const;

/**
 * Transposed convolution: x [B, P, F] of `size`, w [4, 4, F, O], bias [O] -> [B, 4 P, O] of the doubled size:
 * out(y, x) sums in((y + 1 - ky) / 2, (x + 1 - kx) / 2) W[ky, kx] where both are whole and inside.
 */
export function convolveUp(x: Value, w: Value, { height, width }: Size, bias?: Value): Value {
  const [batch, , features] = x.shape as [number, number, number];
  const outputs = w.shape.at(-1)!;
  const kernels = reshape(w, [RESAMPLE_KERNEL ** 2, features * outputs]);
  // Each parity of row and column is a convolution of its own, with four of the sixteen taps.
  const phases = PHASES.flatMap((rows) =>
    PHASES.map((columns) => {
      const reads = rows.flatMap((row) =>
        columns.map((column) => ({
          at: [row.offset, column.offset] as [number, number],
          tap: row.k * RESAMPLE_KERNEL + column.k,
        })),
      );
      const taps = tapsAt(
        height,
        width,
        reads.map(({ at }) => at),
      );
      const weights = concat(
        reads.map(({ tap }) => slice(kernels, 0, tap, tap + 1)),
        0,
      );
      return convolve(x, reshape(weights, [taps.count * features, outputs]), { taps, bias });
    }),
  );
  const joined = reshape(concat(phases, 1), [batch, height, width, 2, 2, outputs]);
  return reshape(transpose(joined, [0, 1, 3, 2, 4, 5]), [batch, 4 * height * width, outputs]);
}
