/** Shapes, element types and dense row-major tensors. No arithmetic: that belongs to the two engines. */

import { fail } from "./errors.ts";

/** Element types and the typed array that holds each. One map; the rest is derived. */
export interface DTypes {
  float32: Float32Array;
  float64: Float64Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
export type DType = keyof DTypes;
export type Shape = readonly number[];

export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: Shape;
  /** Row-major; `sizeOf(shape)` elements. `bool` holds 0 and 1. */
  readonly data: DTypes[D];
}

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** A tensor from its parts; throws when the data does not fill the shape. */
export function tensor<D extends DType>(dtype: D, shape: Shape, data: DTypes[D]): Tensor<D> {
  if (data.length !== sizeOf(shape)) {
    fail(
      "internal",
      `expected ${sizeOf(shape)} elements for a ${dtype} tensor of shape [${shape}] but received ${data.length}`,
    );
  }
  return { dtype, shape, data };
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}
