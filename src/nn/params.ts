/**
 * Parameters: their names, shapes and first values, and their life as one flat vector.
 * The step graph keeps all weights in a single vector, so that Adam is a dozen operators instead of a dozen a parameter.
 */

import { fail } from "../errors.ts";
import type { Value } from "../onnx/graph.ts";
import { concat, reshape, slice } from "../onnx/ops.ts";
import type { Random } from "../random.ts";
import { type Shape, sizeOf, type Tensor, tensor } from "../tensor.ts";

export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Bound of the uniform distribution that a fresh value is drawn from, -bound .. bound; 0 starts at zero. */
  readonly bound: number;
  /** Whether weight decay applies: matrices yes, biases no. */
  readonly decays: boolean;
}

export type Parameters = ReadonlyMap<string, Tensor<"float32">>;

/** Gives a layer the value of a parameter by name. */
export interface Lookup {
  (name: string): Value;
  /** `X_f` and `X_g` side by side, as a matrix [all but the last axis, 2 last]: what a gate's one product wants. */
  pair(name: string): Value;
}

/** A matrix [..., in, out] whose outputs have about unit variance when all `fanIn` inputs do: variance 1 / fanIn. */
export function matrix(name: string, shape: Shape, fanIn: number, gain = 1): ParameterSpec {
  return { name, shape, bound: gain * Math.sqrt(3 / Math.max(1, fanIn)), decays: true };
}

export function bias(name: string, shape: Shape): ParameterSpec {
  return { name, shape, bound: 0, decays: false };
}

/** Number of numbers. */
export function countOf(specs: readonly ParameterSpec[]): number {
  return specs.reduce((sum, spec) => sum + sizeOf(spec.shape), 0);
}

/** Fresh values, the same for the same generator state. */
export function initialise(specs: readonly ParameterSpec[], random: Random): Parameters {
  return new Map(
    specs.map(({ name, shape, bound }) => {
      const data = new Float32Array(sizeOf(shape));
      if (bound !== 0) for (let i = 0; i < data.length; i++) data[i] = (2 * random.uniform() - 1) * bound;
      return [name, tensor("float32", shape, data)];
    }),
  );
}

/**
 * A run of the flat vector: one parameter, or the two halves of a gate, `X_f` and `X_g`, side by side as {@link Lookup.pair} gives them.
 * Halves are stored joined so that a step need not join them again for every shard.
 */
export interface Block {
  readonly name: string;
  /** [rows, columns]; columns of both halves for a pair. */
  readonly rows: number;
  readonly columns: number;
  readonly halves: readonly ParameterSpec[];
  readonly decays: boolean;
}

/** The blocks of the flat vector: those that decay first, then the others. */
export function flatBlocks(specs: readonly ParameterSpec[]): Block[] {
  const byName = new Map(specs.map((s) => [s.name, s]));
  const blocks = specs.flatMap((spec): Block[] => {
    const partner = /_[fg]$/.test(spec.name)
      ? byName.get(spec.name.replace(/_[fg]$/, (end) => (end === "_f" ? "_g" : "_f")))
      : undefined;
    if (partner && spec.name.endsWith("_g")) return [];
    const halves = partner ? [spec, partner] : [spec];
    const last = spec.shape.at(-1) ?? 1;
    const name = partner ? spec.name.slice(0, -2) : spec.name;
    return [{ name, rows: sizeOf(spec.shape) / last, columns: last * halves.length, halves, decays: spec.decays }];
  });
  return [...blocks.filter((b) => b.decays), ...blocks.filter((b) => !b.decays)];
}

/** Parameters as one vector. Names and shapes are checked. */
export function flatten(specs: readonly ParameterSpec[], parameters: Parameters): Float32Array {
  checkParameters(specs, parameters);
  const flat = new Float32Array(countOf(specs));
  walk(specs, (spec, i, at) => {
    flat[at] = parameters.get(spec.name)!.data[i]!;
  });
  return flat;
}

/** The inverse of {@link flatten}; copies. */
export function unflatten(specs: readonly ParameterSpec[], flat: Float32Array): Parameters {
  if (flat.length !== countOf(specs))
    fail("model", `expected ${countOf(specs)} numbers for the parameters but received ${flat.length}`);
  const parameters = new Map(specs.map((s) => [s.name, tensor("float32", s.shape, new Float32Array(sizeOf(s.shape)))]));
  walk(specs, (spec, i, at) => {
    parameters.get(spec.name)!.data[i] = flat[at]!;
  });
  return parameters;
}

/** Visits element i of each parameter with its place in the flat vector. */
function walk(specs: readonly ParameterSpec[], visit: (spec: ParameterSpec, i: number, at: number) => void): void {
  let start = 0;
  for (const { rows, columns, halves } of flatBlocks(specs)) {
    const width = columns / halves.length;
    halves.forEach((spec, half) => {
      for (let i = 0; i < rows * width; i++) visit(spec, i, start + Math.floor(i / width) * columns + half * width + (i % width));
    });
    start += rows * columns;
  }
}

/** Throws unless the parameters are exactly those of the specs. */
export function checkParameters(specs: readonly ParameterSpec[], parameters: Parameters): void {
  for (const { name, shape } of specs) {
    const found = parameters.get(name);
    if (!found) fail("model", `expected a parameter ${name} of shape [${shape}] but the weights have none`);
    if (found.shape.join() !== shape.join())
      fail("model", `expected shape [${shape}] for parameter ${name} but the weights have [${found.shape}]`);
  }
  const known = new Set(specs.map((s) => s.name));
  for (const name of parameters.keys())
    if (!known.has(name)) fail("model", `expected only the model's parameters but the weights also have ${name}`);
}

/** Slices parameters out of a flat vector in a graph. */
export function lookupFlat(specs: readonly ParameterSpec[], flat: Value): Lookup {
  const single = new Map<string, Value>();
  const pairs = new Map<string, Value>();
  let at = 0;
  for (const { name, rows, columns, halves } of flatBlocks(specs)) {
    const part = slice(flat, 0, at, at + rows * columns);
    at += rows * columns;
    if (halves.length === 1) single.set(name, reshape(part, halves[0]!.shape));
    else pairs.set(name, reshape(part, [rows, columns]));
  }
  const missing = (name: string): never => fail("internal", `expected a parameter ${name} but the model declares none`);
  return Object.assign((name: string) => single.get(name) ?? missing(name), {
    pair: (name: string) => pairs.get(name) ?? missing(`${name}_f`),
  });
}

/** Parameters that are values already, such as constants. */
export function lookupIn(values: ReadonlyMap<string, Value>): Lookup {
  const get = (name: string): Value =>
    values.get(name) ?? fail("internal", `expected a parameter ${name} but the model declares none`);
  const asMatrix = (w: Value): Value => reshape(w, [sizeOf(w.shape) / w.shape.at(-1)!, w.shape.at(-1)!]);
  return Object.assign(get, { pair: (name: string) => concat([asMatrix(get(`${name}_f`)), asMatrix(get(`${name}_g`))], 1) });
}

/** The value of each block, in flat order: what the training step differentiates by. */
export function blockValues(specs: readonly ParameterSpec[], lookup: Lookup): Value[] {
  return flatBlocks(specs).map(({ name, halves }) => (halves.length === 2 ? lookup.pair(name) : lookup(name)));
}

/** Values of blocks, in flat order, joined into one vector. */
export function joinFlat(values: readonly Value[]): Value {
  return concat(
    values.map((v) => reshape(v, [sizeOf(v.shape)])),
    0,
  );
}
