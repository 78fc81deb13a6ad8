/**
 * A recurrence over the pixels of images, unrolled: an LSTM cell, or a blend of what was and what is new. All that does
 * not hang on states is one product before it; the pixels whose states can be known at the same time (a row, a
 * diagonal) go through together, as a wave. It is a composite with a derivative rule of its own
 * (autodiff/recurrence-rule.ts), which walks the waves back and takes the recurrent weights' derivative in one product
 * after it.
 */

import { fail } from "../errors.ts";
import type { Value } from "./graph.ts";
import { add, concat, gemm, mul, pad, reshape, sigmoid, slice, sub, tanh } from "./ops.ts";

type Offset = readonly [down: number, right: number];

export interface Recurrence {
  readonly height: number;
  readonly width: number;
  /** Where the states lie that the gates of a pixel read. */
  readonly reads: readonly Offset[];
  /** Where the memory lies that a pixel goes on from. */
  readonly from: Offset;
  /** "lstm": gates o, f, i and content g. "blend": gate z and content c. */
  readonly cell: "lstm" | "blend";
}

export interface Waves {
  /** Positions (row * width + column) of each wave, in its order. */
  readonly positions: readonly (readonly number[])[];
  /** Whether the waves one behind another are the positions in order. */
  readonly inOrder: boolean;
  /** For each wave, [positions, offsets]: places in the wave before; its length stands for "outside the image". */
  reads(wave: number): Int32Array;
  from(wave: number): Int32Array;
}

/** Which pixels go together: those whose reads all lie in the wave before. */
export function wavesOf({ height, width, reads, from }: Recurrence): Waves {
  const all = [...reads, from];
  const beside = all.filter(([down, right]) => down === 0 && right !== 0).map(([, right]) => Math.sign(right));
  const direction = beside.length === 0 ? 0 : -beside[0]!;
  const time = (i: number, j: number): number => i + (direction < 0 ? width - 1 - j : direction * j);
  const positions: number[][] = [];
  const place = new Int32Array(height * width);
  for (let i = 0; i < height; i++)
    for (let j = 0; j < width; j++) {
      const wave = positions[time(i, j)] ?? [];
      positions[time(i, j)] = wave;
      place[i * width + j] = wave.push(i * width + j) - 1;
    }
  const indices = (wave: number, offsets: readonly Offset[]): Int32Array => {
    const outside = positions[wave - 1]?.length ?? 0;
    return Int32Array.from(
      positions[wave]!.flatMap((p) =>
        offsets.map(([down, right]) => {
          const [y, x] = [Math.floor(p / width) + down, (p % width) + right];
          if (y < 0 || y >= height || x < 0 || x >= width) return outside;
          if (time(y, x) !== wave - 1)
            fail("internal", `expected states of the wave before but offset [${down}, ${right}] reads another`);
          return place[y * width + x]!;
        }),
      ),
    );
  };
  return {
    positions,
    inOrder: positions.flat().every((p, i) => p === i),
    reads: (wave) => indices(wave, reads),
    from: (wave) => indices(wave, [from]),
  };
}

/** x [B, n, F] at `indices` along axis 1: [B, indices, F]; the index n reads zeros. */
export function takeAt(x: Value, indices: Int32Array): Value {
  const [batch, n, features] = x.shape as [number, number, number];
  if (indices.length === n && indices.every((index, i) => index === i)) return x;
  const padded = indices.includes(n) ? pad(x, [0, 0, 0], [0, 1, 0]) : x;
  const constant = x.graph.constant("int32", [indices.length], indices);
  return x.graph.apply("Gather", [padded, constant], x.dtype, [batch, indices.length, features], { axis: 1 });
}

/** What one wave computes; every value [B n, ...], n its positions. */
export interface WaveValues {
  /** The cell's gates and content: o, f, i, g or z, c after their functions. */
  readonly gates: readonly Value[];
  /** Memory before; null where there is none. */
  readonly before: Value | null;
  readonly memory: Value;
  /** tanh(memory) of an LSTM. */
  readonly squashed: Value | null;
  readonly state: Value;
}

/** The waves of a recurrence, forward. Asked again for the same inputs it gives the same nodes. */
export function runWaves(a: Value, w: Value | null, settings: Recurrence, waves = wavesOf(settings)): WaveValues[] {
  const P = settings.height * settings.width;
  const parts = settings.cell === "lstm" ? 4 : 2;
  const F = a.shape[1]! / parts;
  const batch = a.shape[0]! / P;
  const all = inWaves(reshape(a, [batch, P, parts * F]), waves);
  const images = (x: Value): Value => reshape(x, [batch, x.shape[0]! / batch, x.shape[1]!]);
  const rows = (x: Value): Value => reshape(x, [batch * x.shape[1]!, x.shape[2]!]);
  const done: WaveValues[] = [];
  let start = 0;
  for (const [t, { length: n }] of waves.positions.entries()) {
    const own = rows(slice(all, 1, start, start + n));
    start += n;
    const last = done.at(-1);
    const seen = last && w && rowsOfReads(images(last.state), waves.reads(t), n);
    const z = seen ? gemm(seen, w, { c: own }) : own;
    const before = last ? rows(takeAt(images(last.memory), waves.from(t))) : null;
    done.push(settings.cell === "lstm" ? lstm(z, before, F) : blend(z, before, F));
  }
  return done;
}

/** x [B, n, F] at indices [m, offsets] -> [B m, offsets F]. */
function rowsOfReads(x: Value, indices: Int32Array, m: number): Value {
  const [batch, , features] = x.shape as [number, number, number];
  return reshape(takeAt(x, indices), [batch * m, (indices.length / m) * features]);
}

function lstm(z: Value, before: Value | null, F: number): WaveValues {
  const open = sigmoid(slice(z, 1, 0, 3 * F));
  const [o, f, i] = [0, 1, 2].map((part) => slice(open, 1, part * F, (part + 1) * F)) as [Value, Value, Value];
  const g = tanh(slice(z, 1, 3 * F, 4 * F));
  const memory = before ? add(mul(f, before), mul(i, g)) : mul(i, g);
  const squashed = tanh(memory);
  return { gates: [o, f, i, g], before, memory, squashed, state: mul(o, squashed) };
}

function blend(z: Value, before: Value | null, F: number): WaveValues {
  const keep = sigmoid(slice(z, 1, 0, F));
  const content = tanh(slice(z, 1, F, 2 * F));
  const fresh = mul(sub(1, keep), content);
  const memory = before ? add(mul(keep, before), fresh) : fresh;
  return { gates: [keep, content], before, memory, squashed: null, state: memory };
}

/** x [B, P, F] in the order of the waves. */
export function inWaves(x: Value, { positions, inOrder }: Waves): Value {
  return inOrder ? x : takeAt(x, Int32Array.from(positions.flat()));
}

/** Waves [B n, F] each, joined and back in the order of positions: [B P, F]. */
export function fromWaves(parts: readonly Value[], { positions, inOrder }: Waves, batch: number): Value {
  const images = parts.map((x) => reshape(x, [batch, x.shape[0]! / batch, x.shape[1]!]));
  const joined = images.length === 1 ? images[0]! : concat(images, 1);
  const order = positions.flat();
  const back = new Int32Array(order.length);
  order.forEach((p, i) => {
    back[p] = i;
  });
  const sorted = inOrder ? joined : takeAt(joined, back);
  return reshape(sorted, [batch * order.length, sorted.shape[2]!]);
}

/**
 * a [B P, parts F], all of the gates' sums that hangs on no state; w [reads F, parts F], or null -> states [B P, F].
 */
export function recurrence(a: Value, w: Value | null, settings: Recurrence): Value {
  const inputs = w ? [a, w] : [a];
  const batch = a.shape[0]! / (settings.height * settings.width);
  return a.graph.composite("Recurrence", inputs, settings, () => {
    const waves = wavesOf(settings);
    return fromWaves(
      runWaves(a, w, settings, waves).map(({ state }) => state),
      waves,
      batch,
    );
  });
}
