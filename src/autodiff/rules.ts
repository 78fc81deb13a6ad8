/**
 * The table of derivatives: for each operator, the cotangents of its inputs given its own. One rule a line where a line
 * is enough. At ties (relu at 0, max and min of equals) the subgradient is named beside the rule; the tests pin it.
 */

import { convolve, gateParts, gatherTaps, type Taps, transposeTaps } from "../onnx/composites.ts";
import type { Node, Value } from "../onnx/graph.ts";
import {
  cast,
  concat,
  div,
  expand,
  gemm,
  greater,
  less,
  matmul,
  mul,
  neg,
  pad,
  reduceSum,
  reshape,
  sigmoid,
  slice,
  softmax,
  sub,
  transpose,
  where,
} from "../onnx/ops.ts";
import type { Recurrence } from "../onnx/recurrence.ts";
import type { Shape } from "../tensor.ts";
import { recurrenceCotangents } from "./recurrence-rule.ts";

interface Pull {
  /** The operator's output and its cotangent. */
  readonly y: Value;
  readonly dy: Value;
  readonly inputs: readonly Value[];
  /** Which inputs want a cotangent; a rule may save itself the others. */
  readonly needed: readonly boolean[];
  /** Pieces that a product over all pixels is cut into (grad.ts). */
  readonly splitInner: number;
}
type Cotangents = readonly (Value | null)[];
export type Rule = (pull: Pull & { readonly node: Node }) => Cotangents;
export type CompositeRule = (pull: Pull & { readonly settings: unknown }) => Cotangents;

/** Sums a cotangent over what broadcasting repeated. */
function unbroadcast(dy: Value, shape: Shape): Value {
  const extra = dy.shape.length - shape.length;
  const axes = dy.shape.flatMap((n, i) => (i < extra || (shape[i - extra] === 1 && n !== 1) ? [i] : []));
  return reshape(reduceSum(dy, { axes, keepAxes: true }), shape);
}

/** A rule for a binary operator from its two partial derivatives. */
function binary(da: (p: Pull) => Value, db: (p: Pull) => Value): Rule {
  return (p) => [
    p.needed[0] ? unbroadcast(da(p), p.inputs[0]!.shape) : null,
    p.needed[1] ? unbroadcast(db(p), p.inputs[1]!.shape) : null,
  ];
}

/** 1 where the condition holds and 0 elsewhere, in the type of `like`. */
const indicator = (condition: Value, like: Value): Value => cast(condition, like.dtype);

export const rules: Readonly<Record<string, Rule>> = {
  Add: binary(
    ({ dy }) => dy,
    ({ dy }) => dy,
  ),
  Sub: binary(
    ({ dy }) => dy,
    ({ dy }) => neg(dy),
  ),
  Mul: binary(
    ({ dy, inputs: [, b] }) => mul(dy, b!),
    ({ dy, inputs: [a] }) => mul(dy, a!),
  ),
  Div: binary(
    ({ dy, inputs: [, b] }) => div(dy, b!),
    ({ dy, y, inputs: [, b] }) => neg(div(mul(dy, y), b!)),
  ),
  // Of two equals the second is the maximum, and the first the minimum: the pair still sums to one.
  Max: binary(
    ({ dy, inputs: [a, b] }) => mul(dy, indicator(greater(a!, b!), dy)),
    ({ dy, inputs: [a, b] }) => mul(dy, sub(1, indicator(greater(a!, b!), dy))),
  ),
  Min: binary(
    ({ dy, inputs: [a, b] }) => mul(dy, sub(1, indicator(greater(a!, b!), dy))),
    ({ dy, inputs: [a, b] }) => mul(dy, indicator(greater(a!, b!), dy)),
  ),
  Where: ({ dy, inputs: [c, a, b] }) => [
    null,
    unbroadcast(where(c!, dy, 0), a!.shape),
    unbroadcast(where(c!, 0, dy), b!.shape),
  ],

  Neg: ({ dy }) => [neg(dy)],
  Exp: ({ dy, y }) => [mul(dy, y)],
  Log: ({ dy, inputs: [x] }) => [div(dy, x!)],
  Sqrt: ({ dy, y }) => [div(mul(dy, 0.5), y)],
  Tanh: ({ dy, y }) => [mul(dy, sub(1, mul(y, y)))],
  Sigmoid: ({ dy, y }) => [mul(dy, mul(y, sub(1, y)))],
  // 0 at 0.
  Relu: ({ dy, y }) => [mul(dy, indicator(greater(y, 0), dy))],
  // 0 at 0.
  Abs: ({ dy, inputs: [x] }) => [mul(dy, sub(indicator(greater(x!, 0), dy), indicator(less(x!, 0), dy)))],

  Gemm: ({ dy, inputs: [a, b, c], needed, node, splitInner }) => {
    const [transA, transB] = [node.attributes.transA === 1, node.attributes.transB === 1];
    return [
      needed[0] ? (transA ? gemm(b!, dy, { transA: transB, transB: true }) : gemm(dy, b!, { transB: !transB })) : null,
      needed[1]
        ? transB
          ? gemm(dy, a!, { transA: true, transB: transA })
          : tallProduct(a!, dy, transA, splitInner)
        : null,
      ...(c ? [needed[2] ? unbroadcast(dy, c.shape) : null] : []),
    ];
  },
  MatMul: ({ dy, inputs: [a, b], needed }) => {
    const swap = (x: Value): Value =>
      transpose(
        x,
        [...x.shape.keys()].map((i, _, { length }) =>
          i < length - 2 ? i : i === length - 2 ? length - 1 : length - 2,
        ),
      );
    return [
      needed[0] ? unbroadcast(matmul(dy, swap(b!)), a!.shape) : null,
      needed[1] ? unbroadcast(matmul(swap(a!), dy), b!.shape) : null,
    ];
  },

  ReduceSum: ({ dy, inputs: [x, axes] }) => {
    const reduced = Array.from(axes!.constant!.data as BigInt64Array, Number);
    const kept = x!.shape.map((n, i) => (reduced.includes(i) ? 1 : n));
    return [expand(reshape(dy, kept), x!.shape), null];
  },
  Softmax: ({ dy, y }) => [mul(y, sub(dy, reduceSum(mul(dy, y), { axes: [-1], keepAxes: true })))],
  LogSoftmax: ({ dy, inputs: [x] }) => [sub(dy, mul(softmax(x!), reduceSum(dy, { axes: [-1], keepAxes: true })))],

  Reshape: ({ dy, inputs: [x] }) => [reshape(dy, x!.shape), null],
  Expand: ({ dy, inputs: [x] }) => [unbroadcast(dy, x!.shape), null],
  Transpose: ({ dy, node }) => {
    const order = node.attributes.perm as readonly number[];
    return [
      transpose(
        dy,
        order.map((_, axis) => order.indexOf(axis)),
      ),
    ];
  },
  Cast: ({ dy, inputs: [x] }) => [x!.dtype === "float32" || x!.dtype === "float64" ? cast(dy, x!.dtype) : null],
  Slice: ({ dy, inputs: [x, start, , axes] }) => {
    const [from, axis] = [start!, axes!].map((v) => Number((v.constant!.data as BigInt64Array)[0]));
    const before = x!.shape.map((_, i) => (i === axis ? from! : 0));
    const after = x!.shape.map((n, i) => n - before[i]! - dy.shape[i]!);
    return [pad(dy, before, after), null, null, null];
  },
  Pad: ({ dy, inputs: [, pads] }) => {
    const all = Array.from(pads!.constant!.data as BigInt64Array, (n) => -Number(n));
    return [pad(dy, all.slice(0, all.length / 2), all.slice(all.length / 2)), null];
  },
  Concat: ({ dy, inputs, node }) => {
    const axis = node.attributes.axis as number;
    let at = 0;
    return inputs.map((x) => {
      const from = at;
      at += x.shape[axis]!;
      return slice(dy, axis, from, at);
    });
  },
  // A comparison and a maximum used as a constant shift carry no cotangent.
  Equal: () => [null, null],
  Greater: () => [null, null],
  Less: () => [null, null],
};

export const compositeRules: Readonly<Record<string, CompositeRule>> = {
  Recurrence: ({ y, dy, inputs: [a, w = null], splitInner, settings }) => {
    const [da, dw] = recurrenceCotangents({ a: a!, w, y, dy }, settings as Recurrence, (x, d) =>
      tallProduct(x, d, false, splitInner),
    );
    return w ? [da, dw] : [da];
  },
  Softplus: ({ dy, inputs: [x] }) => [mul(dy, sigmoid(x!))],
  LogSumExp: ({ dy, inputs: [x] }) => [mul(dy, softmax(x!))],
  // y = tanh(f) s(g): df = dy s (1 - t^2) = dy (s - y t), dg = dy t s (1 - s) = dy y (1 - s).
  Gate: ({ y, dy, inputs: [p] }) => {
    const [t, s] = gateParts(p!);
    return [concat([mul(dy, sub(s, mul(y, t))), mul(mul(dy, y), sub(1, s))], 1)];
  },
  // A convolution's cotangent is the convolution of dy at the transposed taps with each tap's matrix transposed.
  Convolve: ({ dy, inputs: [x, w, bias], needed, splitInner, settings }) => {
    const taps = settings as Taps;
    const [batch, , features] = x!.shape as [number, number, number];
    const outputs = w!.shape[1]!;
    const back = (): Value => {
      const turned = reshape(transpose(reshape(w!, [taps.count, features, outputs]), [0, 2, 1]), [
        taps.count * outputs,
        features,
      ]);
      return reshape(
        convolve(reshape(dy, [batch, taps.positions, outputs]), turned, { taps: transposeTaps(taps) }),
        x!.shape,
      );
    };
    return [
      needed[0] ? back() : null,
      needed[1] ? tallProduct(gatherTaps(x!, taps), dy, false, splitInner) : null,
      ...(bias ? [needed[2] ? unbroadcast(dy, bias.shape) : null] : []),
    ];
  },
};

/** aT dy: the derivative of a weight, whose inner size is the number of pixels of the batch. */
function tallProduct(a: Value, dy: Value, alreadyTransposed: boolean, pieces: number): Value {
  const [rows, outputs] = dy.shape as [number, number];
  if (alreadyTransposed || pieces === 1 || rows % pieces !== 0) return gemm(a, dy, { transA: !alreadyTransposed });
  const inputs = a.shape[1]!;
  const cut = transpose(reshape(a, [pieces, rows / pieces, inputs]), [0, 2, 1]);
  return reduceSum(matmul(cut, reshape(dy, [pieces, rows / pieces, outputs])), { axes: [0] });
}
