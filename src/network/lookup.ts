/** Parameters in a graph: sliced out of one flat vector, or values that are there already, and found by name. */

import { fail } from "../errors.ts";
import type { Value } from "../onnx/graph.ts";
import { concat, reshape, slice } from "../onnx/ops.ts";
import { sizeOf } from "../tensor.ts";
import { flatBlocks, type ParameterSpec } from "./parameters.ts";

/**
 * Gives a layer the value of a parameter by name; parts that are joined (`W_f` and `W_g`) by the name that they share,
 * as one matrix [all but the last axis, parts * last]: what a gate's one product wants.
 */
export type Lookup = (name: string) => Value;

/** Slices parameters out of a flat vector in a graph. */
export function lookupFlat(specs: readonly ParameterSpec[], flat: Value): Lookup {
  const values = new Map<string, Value>();
  let at = 0;
  for (const { name, rows, columns, parts } of flatBlocks(specs)) {
    const run = slice(flat, 0, at, at + rows * columns);
    at += rows * columns;
    values.set(name, reshape(run, parts.length === 1 ? parts[0]!.shape : [rows, columns]));
  }
  return (name) => values.get(name) ?? missing(name);
}

/** Parameters that are values already, such as constants. */
export function lookupIn(specs: readonly ParameterSpec[], values: ReadonlyMap<string, Value>): Lookup {
  const get = (name: string): Value => values.get(name) ?? missing(name);
  const asMatrix = (w: Value): Value => reshape(w, [sizeOf(w.shape) / w.shape.at(-1)!, w.shape.at(-1)!]);
  const blocks = new Map(flatBlocks(specs).map((block) => [block.name, block.parts]));
  return (name) => {
    const parts = blocks.get(name) ?? missing(name);
    if (parts.length === 1) return get(parts[0]!.name);
    return concat(
      parts.map((part) => asMatrix(get(part.name))),
      1,
    );
  };
}

const missing = (name: string): never => fail("internal", `expected a parameter ${name} but the model declares none`);

/** The value of each block, in flat order: what the training step differentiates by. */
export function blockValues(specs: readonly ParameterSpec[], lookup: Lookup): Value[] {
  return flatBlocks(specs).map(({ name }) => lookup(name));
}

/** Values of blocks, in flat order, joined into one vector. */
export function joinFlat(values: readonly Value[]): Value {
  return concat(
    values.map((v) => reshape(v, [sizeOf(v.shape)])),
    0,
  );
}
