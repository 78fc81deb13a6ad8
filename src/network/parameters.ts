/**
 * Parameters: their names, shapes and first values, and their life as one flat vector. The step graph keeps all weights
 * in a single vector, so that Adam is a dozen operators instead of a dozen per parameter.
 */

import { fail, PixelcnnError, show } from "../errors.ts";
import type { Random } from "../random.ts";
import { type Shape, sameShape, sizeOf, type Tensor, tensor } from "../tensor.ts";

export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Bound of the uniform distribution that a fresh value is drawn from, -bound .. bound; 0 starts at zero. */
  readonly bound: number;
  /** What all of them begin at, or each of them, where that is not zero. */
  readonly start?: number | readonly number[];
  /** Whether weight decay applies: matrices yes, biases no. */
  readonly decays: boolean;
  /** Whether it is a product between hidden features, neither from the pixels nor to the outputs: see train/muon.ts. */
  readonly hidden?: boolean;
  /**
   * Parameters of one such name lie side by side in the flat vector, and a graph looks them up together: the parts f
   * and g of a gate.
   */
  readonly joined?: string;
}

export type ParameterMap = ReadonlyMap<string, Tensor<"float32">>;

/** A matrix [..., in, out] whose outputs have about unit variance when all `fanIn` inputs do: variance 1 / fanIn. */
export function matrix(name: string, shape: Shape, fanIn: number, gain = 1): ParameterSpec {
  return { name, shape, bound: gain * Math.sqrt(3 / Math.max(1, fanIn)), decays: true };
}

export function bias(name: string, shape: Shape, start: number | readonly number[] = 0): ParameterSpec {
  return { name, shape, bound: 0, decays: false, ...(start === 0 ? {} : { start }) };
}

/** How many numbers the parameters hold in all. */
export function countOf(specs: readonly ParameterSpec[]): number {
  return specs.reduce((sum, spec) => sum + sizeOf(spec.shape), 0);
}

/** Fresh values, the same for the same generator state. */
export function initialise(specs: readonly ParameterSpec[], random: Random): ParameterMap {
  return new Map(
    specs.map(({ name, shape, bound, start = 0 }) => {
      const data = new Float32Array(sizeOf(shape));
      if (typeof start === "number") data.fill(start);
      else data.set(start);
      if (bound !== 0) for (let i = 0; i < data.length; i++) data[i] = (2 * random.uniform() - 1) * bound;
      return [name, tensor("float32", shape, data)];
    }),
  );
}

/**
 * A run of the flat vector: one parameter, or parts side by side as a {@link Lookup} gives them, joined so that no step
 * need join them again.
 */
export interface Block {
  readonly name: string;
  /** [rows, columns]; columns of all parts together. */
  readonly rows: number;
  readonly columns: number;
  readonly parts: readonly ParameterSpec[];
  readonly decays: boolean;
}

/** The blocks of the flat vector: those that decay first, then the others. */
export function flatBlocks(specs: readonly ParameterSpec[]): Block[] {
  const byName = new Map<string, ParameterSpec[]>();
  for (const spec of specs) {
    const name = spec.joined ?? spec.name;
    byName.set(name, [...(byName.get(name) ?? []), spec]);
  }
  const blocks = [...byName].map(([name, parts]): Block => {
    const [{ shape, decays }] = parts as [ParameterSpec];
    const last = shape.at(-1) ?? 1;
    return { name, rows: sizeOf(shape) / last, columns: last * parts.length, parts, decays };
  });
  return [...blocks.filter((b) => b.decays), ...blocks.filter((b) => !b.decays)];
}

/** Parameters as one vector. Names and shapes are checked. */
export function flatten(specs: readonly ParameterSpec[], parameters: ParameterMap): Float32Array {
  checkParameters(specs, parameters);
  const flat = new Float32Array(countOf(specs));
  walk(specs, (spec, i, at) => {
    flat[at] = parameters.get(spec.name)!.data[i]!;
  });
  return flat;
}

/** The inverse of {@link flatten}; copies. */
export function unflatten(specs: readonly ParameterSpec[], flat: Float32Array): ParameterMap {
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
  for (const { rows, columns, parts } of flatBlocks(specs)) {
    const width = columns / parts.length;
    parts.forEach((spec, part) => {
      for (let i = 0; i < rows * width; i++)
        visit(spec, i, start + Math.floor(i / width) * columns + part * width + (i % width));
    });
    start += rows * columns;
  }
}

/** Throws unless the parameters are exactly those of the specs, float32, of the right shapes and finite. */
export function checkParameters(specs: readonly ParameterSpec[], parameters: ReadonlyMap<string, Tensor>): void {
  for (const { name, shape } of specs) {
    const found = parameters.get(name);
    if (!found)
      throw new PixelcnnError("model", `expected a parameter ${name} of shape [${shape}] but the model has none`);
    if (found.dtype !== "float32" || !(found.data instanceof Float32Array))
      fail("model", `expected float32 numbers for parameter ${name} but received ${found.dtype}`);
    if (!sameShape(found.shape, shape))
      fail("model", `expected shape [${shape}] for parameter ${name} but received [${found.shape}]`);
    const bad = found.data.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0)
      fail("model", `expected finite numbers for parameter ${name} but received ${found.data[bad]} at ${bad}`);
  }
  const known = new Set(specs.map((s) => s.name));
  for (const name of parameters.keys())
    if (!known.has(name))
      fail("model", `expected no parameter ${show(name)}: a model of this config has none of that name`);
}
