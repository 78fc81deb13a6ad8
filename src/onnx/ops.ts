/**
 * The ONNX operators that we use (opset 17), one function and shape rule each. Names follow ONNX in camel case. Binary
 * operators broadcast as NumPy does. A wrong shape is an error here, when the graph is built, not in the runtime.
 */

import { fail } from "../errors.ts";
import { type DType, type Shape, sameShape, sizeOf } from "../tensor.ts";
import type { Value } from "./graph.ts";

/** A Value, or a number that becomes a constant of the other operand's type. */
export type Operand = Value | number;

const text = (v: Value): string => `${v.name}:${v.dtype}[${v.shape}]`;

function wrong(op: string, expected: string, ...received: Value[]): never {
  return fail("internal", `expected ${expected} for ${op} but received ${received.map(text).join(", ")}`);
}

/** The shape of a broadcast, or null when the two do not fit. */
export function broadcastShape(a: Shape, b: Shape): Shape | null {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) {
    const m = a[i - rank + a.length] ?? 1;
    const n = b[i - rank + b.length] ?? 1;
    if (m !== n && m !== 1 && n !== 1) return null;
    shape.push(m === 1 ? n : m);
  }
  return shape;
}

function operands(op: string, a: Operand, b: Operand): [Value, Value, Shape] {
  const known = typeof a === "number" ? b : a;
  if (typeof known === "number")
    return fail("internal", `expected at least one Value for ${op} but received two numbers`);
  const lift = (x: Operand): Value => (typeof x === "number" ? known.graph.constant(known.dtype, [], [x]) : x);
  const [x, y] = [lift(a), lift(b)];
  if (x.dtype !== y.dtype) wrong(op, "equal element types", x, y);
  return [x, y, broadcastShape(x.shape, y.shape) ?? wrong(op, "shapes that broadcast", x, y)];
}

function arithmetic(op: string) {
  return (a: Operand, b: Operand): Value => {
    const [x, y, shape] = operands(op, a, b);
    return x.graph.apply(op, [x, y], x.dtype, shape);
  };
}

function comparison(op: string) {
  return (a: Operand, b: Operand): Value => {
    const [x, y, shape] = operands(op, a, b);
    return x.graph.apply(op, [x, y], "bool", shape);
  };
}

function elementwise(op: string) {
  return (x: Value): Value => x.graph.apply(op, [x], x.dtype, x.shape);
}

export const add = arithmetic("Add");
export const sub = arithmetic("Sub");
export const mul = arithmetic("Mul");
export const div = arithmetic("Div");
export const max = arithmetic("Max");
export const min = arithmetic("Min");
export const equal = comparison("Equal");
export const greater = comparison("Greater");
export const less = comparison("Less");

export const neg = elementwise("Neg");
export const exp = elementwise("Exp");
export const log = elementwise("Log");
export const sqrt = elementwise("Sqrt");
export const tanh = elementwise("Tanh");
export const sigmoid = elementwise("Sigmoid");
export const relu = elementwise("Relu");
export const abs = elementwise("Abs");

/** Elements of `a` where the condition holds, else of `b`; all broadcast. */
export function where(condition: Value, a: Operand, b: Operand): Value {
  const [x, y, shape] = operands("Where", a, b);
  if (condition.dtype !== "bool") wrong("Where", "a bool condition", condition);
  const whole = broadcastShape(condition.shape, shape) ?? wrong("Where", "shapes that broadcast", condition, x, y);
  return x.graph.apply("Where", [condition, x, y], x.dtype, whole);
}

export function cast(x: Value, dtype: DType): Value {
  const to = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9, float64: 11 }[dtype];
  return x.dtype === dtype ? x : x.graph.apply("Cast", [x], dtype, x.shape, { to });
}

/** `alpha op(a) op(b) + c` with `op` a transpose or nothing; `c` ([n], [1, n], [m, 1] or [m, n]) is optional. */
export function gemm(a: Value, b: Value, options: { c?: Value; transA?: boolean; transB?: boolean } = {}): Value {
  const { c, transA = false, transB = false } = options;
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.dtype !== b.dtype)
    wrong("Gemm", "two matrices of one type", a, b);
  const [m, k] = transA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!];
  const [k2, n] = transB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!];
  if (k !== k2)
    wrong("Gemm", `equal inner sizes${transA ? " (a transposed)" : ""}${transB ? " (b transposed)" : ""}`, a, b);
  if (c && !sameShape(broadcastShape(c.shape, [m, n]) ?? [], [m, n]))
    wrong("Gemm", `a third operand that broadcasts to [${m},${n}]`, c);
  const attributes = { ...(transA ? { transA: 1 } : {}), ...(transB ? { transB: 1 } : {}) };
  return a.graph.apply("Gemm", c ? [a, b, c] : [a, b], a.dtype, [m, n], attributes);
}

/** Matrix product over the last two axes; leading axes broadcast. */
export function matmul(a: Value, b: Value): Value {
  if (a.shape.length < 2 || b.shape.length < 2 || a.dtype !== b.dtype)
    wrong("MatMul", "two tensors of rank 2 or more and one type", a, b);
  const lead = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (lead === null || a.shape.at(-1) !== b.shape.at(-2))
    wrong("MatMul", "equal inner sizes and leading axes that broadcast", a, b);
  return a.graph.apply("MatMul", [a, b], a.dtype, [...lead, a.shape.at(-2)!, b.shape.at(-1)!]);
}

/** Axes as sorted, distinct, non-negative numbers. */
function axesOf(op: string, x: Value, axes: readonly number[]): number[] {
  const rank = x.shape.length;
  const whole = axes.map((a) => (a < 0 ? a + rank : a)).sort((a, b) => a - b);
  if (new Set(whole).size !== whole.length || whole.some((a) => !(a >= 0 && a < rank)))
    wrong(op, `distinct axes of the tensor but [${axes}]`, x);
  return whole;
}

function reducedShape(shape: Shape, axes: readonly number[], keepAxes: boolean): Shape {
  return keepAxes ? shape.map((n, i) => (axes.includes(i) ? 1 : n)) : shape.filter((_, i) => !axes.includes(i));
}

export interface ReduceOptions {
  /** Default: every axis. */
  axes?: readonly number[];
  /** Keep reduced axes with size 1; default no. */
  keepAxes?: boolean;
}

export function reduceSum(x: Value, { axes = x.shape.map((_, i) => i), keepAxes = false }: ReduceOptions = {}): Value {
  const which = axesOf("ReduceSum", x, axes);
  if (which.length === 0) return x;
  const list = x.graph.constant("int64", [which.length], which);
  return x.graph.apply("ReduceSum", [x, list], x.dtype, reducedShape(x.shape, which, keepAxes), {
    keepdims: keepAxes ? 1 : 0,
  });
}

/** Largest element along axes. It has no derivative rule: subtract it as a constant shift only. */
export function reduceMax(x: Value, { axes = x.shape.map((_, i) => i), keepAxes = false }: ReduceOptions = {}): Value {
  const which = axesOf("ReduceMax", x, axes);
  return x.graph.apply("ReduceMax", [x], x.dtype, reducedShape(x.shape, which, keepAxes), {
    axes: which,
    keepdims: keepAxes ? 1 : 0,
  });
}

/** Softmax over the last axis. */
export function softmax(x: Value): Value {
  return x.graph.apply("Softmax", [x], x.dtype, x.shape, { axis: -1 });
}

/** Logarithm of softmax over the last axis. */
export function logSoftmax(x: Value): Value {
  return x.graph.apply("LogSoftmax", [x], x.dtype, x.shape, { axis: -1 });
}

export function reshape(x: Value, shape: Shape): Value {
  if (sizeOf(shape) !== sizeOf(x.shape)) wrong("Reshape", `${sizeOf(shape)} elements for shape [${shape}]`, x);
  if (sameShape(shape, x.shape)) return x;
  return x.graph.apply("Reshape", [x, x.graph.constant("int64", [shape.length], shape)], x.dtype, shape);
}

/** Output axis i is input axis `order[i]`. */
export function transpose(x: Value, order: readonly number[]): Value {
  if (order.length !== x.shape.length || axesOf("Transpose", x, order).length !== order.length)
    wrong("Transpose", `an order of all axes but [${order}]`, x);
  if (order.every((axis, i) => axis === i)) return x;
  return x.graph.apply(
    "Transpose",
    [x],
    x.dtype,
    order.map((axis) => x.shape[axis]!),
    { perm: order },
  );
}

export function expand(x: Value, shape: Shape): Value {
  if (!sameShape(broadcastShape(x.shape, shape) ?? [], shape))
    wrong("Expand", `a shape that broadcasts to [${shape}]`, x);
  if (sameShape(x.shape, shape)) return x;
  return x.graph.apply("Expand", [x, x.graph.constant("int64", [shape.length], shape)], x.dtype, shape);
}

/** Elements `start .. end - 1` of one axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const [a] = axesOf("Slice", x, [axis]);
  if (!(start >= 0 && start < end && end <= x.shape[a!]!))
    wrong("Slice", `a non-empty range of axis ${a} but ${start}..${end}`, x);
  if (start === 0 && end === x.shape[a!]) return x;
  const one = (n: number): Value => x.graph.constant("int64", [1], [n]);
  return x.graph.apply(
    "Slice",
    [x, one(start), one(end), one(a!)],
    x.dtype,
    x.shape.map((n, i) => (i === a ? end - start : n)),
  );
}

/** Zeros added (or, where negative, elements cut) before and after each axis: a shift is a pad of d and -d. */
export function pad(x: Value, before: readonly number[], after: readonly number[]): Value {
  const rank = x.shape.length;
  if (before.length !== rank || after.length !== rank)
    wrong("Pad", `one pad before and after each axis but [${before}], [${after}]`, x);
  if ([...before, ...after].every((n) => n === 0)) return x;
  const shape = x.shape.map((n, i) => n + before[i]! + after[i]!);
  if (shape.some((n) => n <= 0)) wrong("Pad", `pads that leave something but [${before}], [${after}]`, x);
  const pads = x.graph.constant("int64", [2 * rank], [...before, ...after]);
  return x.graph.apply("Pad", [x, pads], x.dtype, shape, { mode: "constant" });
}

export function concat(parts: readonly Value[], axis: number): Value {
  const [first] = parts;
  if (!first) return fail("internal", "expected at least one part for Concat but received none");
  if (parts.length === 1) return first;
  const [a] = axesOf("Concat", first, [axis]);
  for (const part of parts) {
    if (
      part.dtype !== first.dtype ||
      part.shape.length !== first.shape.length ||
      part.shape.some((n, i) => i !== a && n !== first.shape[i])
    ) {
      wrong("Concat", `one type and equal sizes off axis ${a}`, first, part);
    }
  }
  const size = parts.reduce((sum, part) => sum + part.shape[a!]!, 0);
  return first.graph.apply(
    "Concat",
    parts,
    first.dtype,
    first.shape.map((n, i) => (i === a ? size : n)),
    { axis: a! },
  );
}

/** Slices `x[indices]` of the first axis: shape [...indices.shape, ...x.shape.slice(1)]. */
export function gather(x: Value, indices: Value): Value {
  if (x.shape.length === 0 || (indices.dtype !== "int32" && indices.dtype !== "int64"))
    wrong("Gather", "a tensor and whole-number indices", x, indices);
  return x.graph.apply("Gather", [x, indices], x.dtype, [...indices.shape, ...x.shape.slice(1)], { axis: 0 });
}
