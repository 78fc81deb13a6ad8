/**
 * Operators made of several ONNX operators, each with a derivative rule of its own (autodiff/rules.ts). A convolution
 * is one gather of the taps that a mask leaves and one matrix product: no product with a zero, and on the CPU five
 * times faster than pads and a concatenation.
 */

import { fail } from "../errors.ts";
import type { Value } from "./graph.ts";
import {
  abs,
  add,
  exp,
  gemm,
  log,
  mul,
  neg,
  pad,
  reduceMax,
  reduceSum,
  relu,
  reshape,
  sigmoid,
  slice,
  sub,
  tanh,
} from "./ops.ts";

/** Which positions of the input each position of the output looks at. */
export interface Taps {
  /** Positions of the output, H W. */
  readonly positions: number;
  /** Positions of the input; as many as of the output but for a stride. */
  readonly sources: number;
  readonly count: number;
  /** [positions, count]; the value `sources` stands for "outside the image", which reads as zero. */
  readonly indices: Int32Array;
}

/**
 * Taps at (row, column) offsets, in the order given, in an image of height x width; with a stride, from every stride-th
 * row and column.
 */
export function tapsAt(
  height: number,
  width: number,
  offsets: readonly (readonly [number, number])[],
  stride = 1,
): Taps {
  const [rows, columns] = [Math.ceil(height / stride), Math.ceil(width / stride)];
  const sources = height * width;
  const count = offsets.length;
  const indices = new Int32Array(rows * columns * count);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      offsets.forEach(([di, dj], t) => {
        const [y, x] = [i * stride + di, j * stride + dj];
        const inside = y >= 0 && y < height && x >= 0 && x < width;
        indices[(i * columns + j) * count + t] = inside ? y * width + x : sources;
      });
    }
  }
  return { positions: rows * columns, sources, count, indices };
}

/**
 * The taps that send a cotangent back: position q is read through tap t by position p exactly when p's entry here is q.
 */
export function transposeTaps({ positions, sources, count, indices }: Taps): Taps {
  const back = new Int32Array(sources * count).fill(positions);
  for (let p = 0; p < positions; p++) {
    for (let t = 0; t < count; t++) {
      const q = indices[p * count + t]!;
      if (q === sources) continue;
      if (back[q * count + t] !== positions)
        fail("internal", `expected each tap to read a position once but tap ${t} reads position ${q} twice`);
      back[q * count + t] = p;
    }
  }
  return { positions: sources, sources: positions, count, indices: back };
}

/** Gathers taps: x [B, P, F], P positions of the input -> [B P', T F], P' of the output. */
export function gatherTaps(x: Value, taps: Taps): Value {
  const [batch, sources, features] = x.shape;
  if (x.shape.length !== 3 || sources !== taps.sources) {
    fail("internal", `expected [batch, ${taps.sources}, features] for gatherTaps but received ${x.name}:[${x.shape}]`);
  }
  const identity = taps.count === 1 && taps.positions === taps.sources && taps.indices.every((q, p) => q === p);
  if (identity) return reshape(x, [batch! * sources!, features!]);
  const indices = x.graph.constant("int32", [taps.positions, taps.count], taps.indices);
  const padded = taps.indices.includes(taps.sources) ? pad(x, [0, 0, 0], [0, 1, 0]) : x;
  const shape = [batch!, taps.positions, taps.count, features!];
  const gathered = x.graph.apply("Gather", [padded, indices], x.dtype, shape, { axis: 1 });
  return reshape(gathered, [batch! * taps.positions, taps.count * features!]);
}

export interface ConvolveOptions {
  taps: Taps;
  /** [O] or [B P, O], added to the product. */
  bias?: Value | null | undefined;
}

/** Convolution of x [B, P, F] with w [T F, O] at the given taps: [B P', O]. */
export function convolve(x: Value, w: Value, { taps, bias }: ConvolveOptions): Value {
  const inputs = bias ? [x, w, bias] : [x, w];
  return x.graph.composite("Convolve", inputs, taps, () => gemm(gatherTaps(x, taps), w, bias ? { c: bias } : {}));
}

/** tanh of the first half of the last axis times the logistic function of the second: [N, 2F] -> [N, F]. */
export function gate(p: Value): Value {
  const half = p.shape.at(-1)! / 2;
  if (p.shape.length !== 2 || !Number.isInteger(half))
    fail("internal", `expected [rows, 2F] for gate but received ${p.name}:[${p.shape}]`);
  return p.graph.composite("Gate", [p], null, () => mul(...gateParts(p)));
}

/** The two factors of a gate; made once for every use. */
export function gateParts(p: Value): [Value, Value] {
  const half = p.shape[1]! / 2;
  return [tanh(slice(p, 1, 0, half)), sigmoid(slice(p, 1, half, 2 * half))];
}

/** log(1 + exp(x)), without overflow. */
export function softplus(x: Value): Value {
  return x.graph.composite("Softplus", [x], null, () => add(relu(x), log(add(exp(neg(abs(x))), 1))));
}

/** log of the sum of exp over the last axis, which stays with size 1. */
export function logSumExp(x: Value): Value {
  const over = { axes: [-1], keepAxes: true };
  return x.graph.composite("LogSumExp", [x], null, () => {
    const most = reduceMax(x, over);
    return add(most, log(reduceSum(exp(sub(x, most)), over)));
  });
}
