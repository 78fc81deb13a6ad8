/**
 * Muon (Jordan 2024, "Muon: an optimizer for hidden layers in neural networks"): momentum, then the nearest
 * semi-orthogonal matrix, so that every direction of a hidden matrix moves equally far. Five steps of a Newton-Schulz
 * iteration, whose coefficients are Jordan's, bring the singular values near 1. For products between hidden features
 * alone; the others stay with Adam (adam.ts). Parts of a gate are matrices of their own.
 */

import type { Block } from "../network/parameters.ts";
import type { Value } from "../onnx/graph.ts";
import { add, concat, div, matmul, mul, reduceSum, reshape, slice, sqrt, transpose } from "../onnx/ops.ts";

export const MUON_MOMENTUM = 0.95;
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ITERATIONS = 5;

/**
 * The directions [n] of a flat vector `x` [n] of momentum: of each hidden block the orthogonal factor, of any other
 * zeros. Matrices of one shape go through together.
 */
export function orthogonalised(x: Value, blocks: readonly Block[]): Value {
  const { graph } = x;
  const places = placesOf(blocks);
  const shapes = new Map<string, Place[]>();
  for (const place of places) {
    if (!place.hidden) continue;
    const key = `${place.rows}x${place.columns}x${place.parts}`;
    shapes.set(key, [...(shapes.get(key) ?? []), place]);
  }
  const pieces = new Map<Place, Value>();
  for (const group of shapes.values()) {
    const [{ rows, columns, parts }] = group as [Place];
    const width = columns / parts;
    const flat = concat(
      group.map(({ at }) => slice(x, 0, at, at + rows * columns)),
      0,
    );
    // [n, rows, parts, width] -> a matrix a part
    const stacked = transpose(reshape(flat, [group.length, rows, parts, width]), [0, 2, 1, 3]);
    const done = newtonSchulz(reshape(stacked, [group.length * parts, rows, width]));
    const back = transpose(reshape(done, [group.length, parts, rows, width]), [0, 2, 1, 3]);
    const all = reshape(back, [group.length * rows * columns]);
    for (const [i, place] of group.entries())
      pieces.set(place, slice(all, 0, i * rows * columns, (i + 1) * rows * columns));
  }
  return concat(
    places.map((place) => {
      const n = place.rows * place.columns;
      return pieces.get(place) ?? graph.constant("float32", [n], new Float32Array(n));
    }),
    0,
  );
}

interface Place {
  readonly at: number;
  readonly rows: number;
  readonly columns: number;
  readonly parts: number;
  readonly hidden: boolean;
}

function placesOf(blocks: readonly Block[]): Place[] {
  let at = 0;
  return blocks.map(({ rows, columns, parts }) => {
    const place = { at, rows, columns, parts: parts.length, hidden: parts[0]!.hidden === true };
    at += rows * columns;
    return place;
  });
}

/** 1 where Muon moves a weight of the flat vector, 0 where Adam does. */
export function hiddenMask(blocks: readonly Block[]): Float32Array {
  const places = placesOf(blocks);
  const n = places.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const mask = new Float32Array(n);
  for (const { at, rows, columns, hidden } of places) if (hidden) mask.fill(1, at, at + rows * columns);
  return mask;
}

/** x [n, rows, columns] -> about the orthogonal factor of each; larger where there are more outputs than inputs. */
function newtonSchulz(given: Value): Value {
  const [, rows, columns] = given.shape as [number, number, number];
  const wide = columns > rows;
  let x = wide ? transpose(given, [0, 2, 1]) : given;
  const norm = sqrt(reduceSum(mul(x, x), { axes: [1, 2], keepAxes: true }));
  x = div(x, add(norm, 1e-7));
  for (let i = 0; i < ITERATIONS; i++) {
    const a = matmul(transpose(x, [0, 2, 1]), x);
    const b = add(mul(a, B), mul(matmul(a, a), C));
    x = add(mul(x, A), matmul(x, b));
  }
  return mul(wide ? transpose(x, [0, 2, 1]) : x, Math.sqrt(Math.max(1, columns / rows)));
}
