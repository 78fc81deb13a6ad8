/**
 * For tests, the naive lowering: a list of steps computed as it reads, pixel by pixel, each number when it is first
 * asked for. In float64 it is the oracle of the graphs; in float32, each operation rounded in the order of
 * docs/determinism.md, it must equal the exact engine to the bit.
 */

import type { Tensor } from "../tensor.ts";
import { nameFor } from "./declarations.ts";
import {
  type FeatureMap,
  featuresBefore,
  groupsSeen,
  type Network,
  type Offset,
  type Step,
  type Term,
  widthOf,
} from "./steps.ts";

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

/** Outputs of every sub-pixel of one image, in order of rows, columns, channels, as many numbers as each has. */
export function naiveOutputs(
  network: Network,
  parameters: ReadonlyMap<string, Tensor>,
  { height, width, pixels, condition = null }: NaiveImage,
  { round, tanh, logistic: sigmoid, gate }: Arithmetic = float64,
): number[][] {
  const { channels: C, levels: K, input, steps, outputs } = network;
  const makers = new Map<string, Step>(steps.map((step) => [step.out.name, step]));
  const known = new Map<string, number[]>();
  const cells = new Map<string, number[]>();
  const scale = round(2 / (K - 1));
  const each = input.features / C;
  /** A level scaled; behind it its highest bits in Gray code. */
  const inputOf = (level: number, e: number): number => {
    if (e === 0) return round(round(level * scale) - 1);
    const bits = (level ^ (level >> 1)).toString(2).padStart((K - 1).toString(2).length, "0");
    return bits[e - 1] === "1" ? 1 : -1;
  };

  /** Element [row, column] of a parameter whose leading axes are joined into rows. */
  const weightsOf = (name: string): ((row: number, column: number) => number) => {
    const { data, shape } = parameters.get(name)!;
    const columns = shape.at(-1)!;
    return (row, column) => Number(data[row * columns + column]);
  };
  const suffixOf = ({ parts }: FeatureMap, part: number): string => (parts.length > 0 ? `_${parts[part]}` : "");
  const groupOf = (map: FeatureMap, f: number): number => {
    let c = 0;
    while (f >= featuresBefore(map, c + 1)) c++;
    return c;
  };

  /** The numbers of a map that were asked for. */
  function numbersOf(maps: Map<string, number[]>, map: FeatureMap): number[] {
    const found = maps.get(map.name);
    if (found) return found;
    const numbers = new Array<number>(height * width * widthOf(map));
    maps.set(map.name, numbers);
    return numbers;
  }

  /** Feature f of a part of a map at a pixel; 0 outside the image. */
  function value(map: FeatureMap, i: number, j: number, f: number, part = 0): number {
    if (i < 0 || j < 0 || i >= height || j >= width) return 0;
    const found = numbersOf(known, map);
    const at = ((i * width + j) * Math.max(1, map.parts.length) + part) * map.features + f;
    found[at] ??=
      map === input
        ? inputOf(pixels[(i * width + j) * C + Math.floor(f / each)]!, f % each)
        : compute(makers.get(map.name)!, i, j, f, part);
    return found[at];
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
    const found = numbersOf(cells, step.out);
    const at = (i * width + j) * step.out.features + f;
    if (found[at] !== undefined) return found[at];
    const gates = (p: number): number => value(step.of, i, j, f, p);
    const before = cell(step, i + step.from[0], j + step.from[1], f);
    const now = round(round(sigmoid(gates(1)) * before) + round(sigmoid(gates(2)) * tanh(gates(3))));
    found[at] = now;
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
      else if (term.term === "position") add(weightsOf(`${term.by.name}${suffix}`)(i * term.by.axes![1]! + j, f));
      else if (term.term === "condition")
        condition?.(i, j).forEach((x, d) => {
          add(round(x * weightsOf(`${term.by.name}${suffix}`)(d, f)));
        });
      else addProducts(term, out, i, j, f, suffix, add);
    }
    return total ?? 0;
  }

  function addProducts(
    term: Extract<Term, { term: "read" | "embed" }>,
    out: FeatureMap,
    i: number,
    j: number,
    f: number,
    suffix: string,
    add: (x: number) => void,
  ): void {
    const { map, at, by } = term;
    const grouped = by.name.includes("{c}");
    const c = groupOf(out, f);
    if (groupsSeen(term, at[0]!, c)[1] === 0) return; // Mask A leaves the first group nothing.
    const weight = weightsOf(`${nameFor(by.name, c)}${suffix}`);
    const column = grouped ? f - featuresBefore(out, c) : f;
    const parts = Math.max(1, map.parts.length);
    for (const [t, offset] of at.entries()) {
      const [first, end] = groupsSeen(term, offset, c);
      const each = map.features / map.groups;
      for (let p = 0; p < parts; p++)
        for (let a = first * each; a < end * each; a++) {
          if (term.term === "embed") {
            const level = levelAt(i, j, offset, a);
            if (level !== null) add(weight((t * C + a) * K + level, column));
          } else {
            const row = grouped ? p * end * each + a : (t * parts + p) * map.features + a;
            add(round(value(map, i + offset[0], j + offset[1], a, p) * weight(row, column)));
          }
        }
    }
  }

  function levelAt(i: number, j: number, [down, right]: Offset, channel: number): number | null {
    const [y, x] = [i + down, j + right];
    return y < 0 || x < 0 || y >= height || x >= width ? null : pixels[(y * width + x) * C + channel]!;
  }

  return Array.from({ length: height * width * C }, (_, s) => {
    const [p, c] = [Math.floor(s / C), s % C];
    const first = featuresBefore(outputs, c);
    return Array.from({ length: featuresBefore(outputs, c + 1) - first }, (_, m) =>
      value(outputs, Math.floor(p / width), p % width, first + m),
    );
  });
}
