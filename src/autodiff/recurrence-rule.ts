/**
 * The derivative of a recurrence (onnx/recurrence.ts): the waves from the last to the first, each handing the one
 * before what its states and memory were worth; then the recurrent weights in one product over all pixels.
 */

import { gatherTaps, tapsAt } from "../onnx/composites.ts";
import type { Value } from "../onnx/graph.ts";
import { add, concat, gemm, mul, reshape, slice, sub, transpose } from "../onnx/ops.ts";
import { fromWaves, inWaves, type Recurrence, runWaves, takeAt, type WaveValues, wavesOf } from "../onnx/recurrence.ts";

/** Cotangents of a [B P, parts F] and of w, given that of the states [B P, F]. */
export function recurrenceCotangents(
  { a, w, y, dy }: { readonly a: Value; readonly w: Value | null; readonly y: Value; readonly dy: Value },
  settings: Recurrence,
  product: (inputs: Value, cotangents: Value) => Value,
): [Value, Value | null] {
  const { height, width, reads } = settings;
  const batch = a.shape[0]! / (height * width);
  const F = y.shape[1]!;
  const waves = wavesOf(settings);
  const values = runWaves(a, w, settings, waves);
  const images = (x: Value): Value => reshape(x, [batch, x.shape[0]! / batch, x.shape[1]!]);
  const rows = (x: Value): Value => reshape(x, [batch * x.shape[1]!, x.shape[2]!]);
  const given = inWaves(images(dy), waves);
  const turned = w && turn(w, reads.length, F);
  const cotangents: Value[] = [];
  /** What the wave behind says of this one's states and memory; [B n, F]. */
  let fromStates: Value | null = null;
  let fromMemory: Value | null = null;
  let end = height * width;
  for (let t = values.length - 1; t >= 0; t--) {
    const n = waves.positions[t]!.length;
    const own = rows(slice(given, 1, end - n, end));
    end -= n;
    const dState: Value = fromStates ? add(own, fromStates) : own;
    const { gates, before } = pull(values[t]!, dState, fromMemory, settings.cell);
    cotangents.unshift(gates);
    if (t === 0) break;
    const count = waves.positions[t - 1]!.length;
    fromStates = turned && readBack(images(gates), turned, waves.reads(t), count);
    fromMemory = before && rows(takeAt(images(before), backwards(waves.from(t), count, 1, n)));
  }
  const da = fromWaves(cotangents, waves, batch);
  return [da, w && product(gatherTaps(images(y), tapsAt(height, width, reads)), da)];
}

/** One wave: the cotangents of its gates' sums, and of the memory before. */
function pull(
  { gates, before, squashed }: WaveValues,
  dState: Value,
  dMemory: Value | null,
  cell: Recurrence["cell"],
): { gates: Value; before: Value | null } {
  if (cell === "blend") {
    const [z, c] = gates as [Value, Value];
    const d = dMemory ? add(dState, dMemory) : dState;
    const dz = mul(d, before ? sub(before, c) : sub(0, c));
    const dc = mul(d, sub(1, z));
    return { gates: concat([bySigmoid(dz, z), byTanh(dc, c)], 1), before: before && mul(d, z) };
  }
  const [o, f, i, g] = gates as [Value, Value, Value, Value];
  const through = byTanh(mul(dState, o), squashed!);
  const d = dMemory ? add(through, dMemory) : through;
  // Where there is no memory before, its forget gate does nothing.
  const df = before ? mul(d, before) : mul(d, 0);
  const parts = [bySigmoid(mul(dState, squashed!), o), bySigmoid(df, f), bySigmoid(mul(d, g), i), byTanh(mul(d, i), g)];
  return { gates: concat(parts, 1), before: before && mul(d, f) };
}

const bySigmoid = (dy: Value, y: Value): Value => mul(dy, mul(y, sub(1, y)));
const byTanh = (dy: Value, y: Value): Value => mul(dy, sub(1, mul(y, y)));

/** w [reads F, G] with each read's matrix transposed: [reads G, F]. */
function turn(w: Value, reads: number, F: number): Value {
  const G = w.shape[1]!;
  return reshape(transpose(reshape(w, [reads, F, G]), [0, 2, 1]), [reads * G, F]);
}

/** The cotangent of the states that a wave read: each position of the wave before gathers from those that read it. */
function readBack(dGates: Value, turned: Value, reads: Int32Array, count: number): Value {
  const [batch, n, G] = dGates.shape as [number, number, number];
  const offsets = reads.length / n;
  const taken = takeAt(dGates, backwards(reads, count, offsets, n));
  return gemm(reshape(taken, [batch * count, offsets * G]), turned);
}

/** Of indices [n, offsets] into `count` places: for each place and offset, which of the n read it; n for none. */
function backwards(indices: Int32Array, count: number, offsets: number, n: number): Int32Array {
  const back = new Int32Array(count * offsets).fill(n);
  for (let p = 0; p < n; p++)
    for (let k = 0; k < offsets; k++) {
      const q = indices[p * offsets + k]!;
      if (q < count) back[q * offsets + k] = p;
    }
  return back;
}
