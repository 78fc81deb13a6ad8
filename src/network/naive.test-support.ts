/**
 * For tests, the naive lowering: a list of steps computed as it reads, pixel by pixel, each number when it is first asked for. In float64 it is the oracle
 * of the graphs; in float32, each operation rounded in the order of docs/determinism.md, it must equal the exact engine to the bit.
 */

import type { Tensor } from "../tensor.ts";
import { nameFor } from "./declarations.ts";
import { type FeatureMap, groupsSeen, type Network, type Offset, type Step, type Term } from "./steps.ts";

export interface Arithmetic {
  readonly round: (x: number) => number;
  readonly tanh: (x: number) => number;
  readonly logistic: (x: number) => number;
  /** tanh(f) * logistic(g). */
  readonly gate: (f: number, g: number) => number;
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
export const float64: Arithmetic = {
  round: (x) => x,
  tanh: Math.tanh,
  logistic,
  gate: (f, g) => Math.tanh(f) * logistic(g),
};

export interface NaiveImage {
  readonly height: number;
  readonly width: number;
  /** Levels [H, W, C]. */
  readonly pixels: ArrayLike<number>;
  /** What condition terms multiply, at a pixel; null for no condition. */
  readonly condition?: ((i: number, j: number) => readonly number[]) | null;
}

/** Outputs of every sub-pixel of one image, in order of rows, columns, channels, M numbers each. */
export function naiveOutputs(
  network: Network,
  parameters: ReadonlyMap<string, Tensor>,
  { height, width, pixels, condition = null }: NaiveImage,
  { round, tanh, logistic: sigmoid, gate }: Arithmetic = float64,
): number[][] {
  const { channels: C, levels: K, input, steps, outputs } = network;
  const makers = new Map<string, Step>(steps.map((step) => [step.out.name, step]));
  const known = new Map<string, number>();
  const cells = new Map<string, number>();
  const scale = round(2 / (K - 1));

  /** Element [row, column] of a parameter whose leading axes are joined into rows. */
  const weight = (name: string, row: number, column: number): number => {
    const { data, shape } = parameters.get(name)!;
    return Number(data[row * shape.at(-1)! + column]);
  };
  const suffixOf = ({ parts }: FeatureMap, part: number): string => (parts.length > 0 ? `_${parts[part]}` : "");
  const groupOf = ({ features, groups }: FeatureMap, f: number): number => Math.floor(f / (features / groups));

  /** Feature f of a part of a map at a pixel; 0 outside the image. */
  function value(map: FeatureMap, i: number, j: number, f: number, part = 0): number {
    if (i < 0 || j < 0 || i >= height || j >= width) return 0;
    const key = `${map.name} ${i} ${j} ${f} ${part}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const computed =
      map === input ? round(round(pixels[(i * width + j) * C + f]! * scale) - 1) : compute(makers.get(map.name)!, i, j, f, part);
    known.set(key, computed);
    return computed;
  }

  function compute(step: Step, i: number, j: number, f: number, part: number): number {
    if (step.step === "sum") return sum(step, i, j, f, part);
    const of = (p: number): number => value(step.of, i, j, f, p);
    if (step.step === "relu") return Math.max(0, of(0));
    if (step.step === "gate") return gate(of(0), of(1));
    if (step.step === "blend") {
      const z = sigmoid(of(0));
      const before = value(step.out, i + step.from[0], j + step.from[1], f);
      return round(round(z * before) + round(round(1 - z) * tanh(of(1))));
    }
    return round(sigmoid(of(0)) * tanh(cell(step, i, j, f)));
  }

  /** The memory of an LSTM cell, of parts o, f, i, g. */
  function cell(step: Extract<Step, { step: "cell" }>, i: number, j: number, f: number): number {
    if (i < 0 || j < 0 || i >= height || j >= width) return 0;
    const key = `${step.out.name} ${i} ${j} ${f}`;
    const found = cells.get(key);
    if (found !== undefined) return found;
    const gates = (p: number): number => value(step.of, i, j, f, p);
    const before = cell(step, i + step.from[0], j + step.from[1], f);
    const now = round(round(sigmoid(gates(1)) * before) + round(sigmoid(gates(2)) * tanh(gates(3))));
    cells.set(key, now);
    return now;
  }

  function sum({ out, terms }: Extract<Step, { step: "sum" }>, i: number, j: number, f: number, part: number): number {
    const suffix = suffixOf(out, part);
    let total: number | null = null;
    const add = (x: number): void => {
      total = total === null ? x : round(total + x);
    };
    for (const term of terms) {
      // A bias may have leading axes; its numbers lie in order all the same.
      if (term.term === "bias") add(Number(parameters.get(`${term.by.name}${suffix}`)!.data[f]));
      else if (term.term === "plus") add(value(term.map, i + term.at[0], j + term.at[1], f, part));
      else if (term.term === "position") add(weight(`${term.by.name}${suffix}`, i * width + j, f));
      else if (term.term === "condition")
        condition?.(i, j).forEach((x, d) => {
          add(round(x * weight(`${term.by.name}${suffix}`, d, f)));
        });
      else for (const x of products(term, out, i, j, f, suffix)) add(x);
    }
    return total ?? 0;
  }

  function* products(
    term: Extract<Term, { term: "read" | "embed" }>,
    out: FeatureMap,
    i: number,
    j: number,
    f: number,
    suffix: string,
  ): Generator<number> {
    const { map, at, by } = term;
    const grouped = by.name.includes("{c}");
    const c = groupOf(out, f);
    const name = `${nameFor(by.name, c)}${suffix}`;
    const column = grouped ? f % (out.features / out.groups) : f;
    const parts = Math.max(1, map.parts.length);
    for (const [t, offset] of at.entries()) {
      const [first, end] = groupsSeen(term, offset, c);
      const each = map.features / map.groups;
      for (let p = 0; p < parts; p++)
        for (let a = first * each; a < end * each; a++) {
          if (term.term === "embed") {
            const level = levelAt(i, j, offset, a);
            if (level !== null) yield weight(name, (t * C + a) * K + level, column);
          } else {
            const row = grouped ? a : (t * parts + p) * map.features + a;
            yield round(value(map, i + offset[0], j + offset[1], a, p) * weight(name, row, column));
          }
        }
    }
  }

  function levelAt(i: number, j: number, [down, right]: Offset, channel: number): number | null {
    const [y, x] = [i + down, j + right];
    return y < 0 || x < 0 || y >= height || x >= width ? null : pixels[(y * width + x) * C + channel]!;
  }

  const M = outputs.features / C;
  return Array.from({ length: height * width * C }, (_, s) => {
    const [p, c] = [Math.floor(s / C), s % C];
    return Array.from({ length: M }, (_, m) => value(outputs, Math.floor(p / width), p % width, c * M + m));
  });
}
