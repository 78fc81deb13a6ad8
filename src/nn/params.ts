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
export type Lookup = (name: string) => Value;

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

/** Specs in the order of the flat vector: those that decay first, then the others. */
export function flatOrder(specs: readonly ParameterSpec[]): ParameterSpec[] {
  return [...specs.filter((s) => s.decays), ...specs.filter((s) => !s.decays)];
}

/** Parameters as one vector, in flat order. Names and shapes are checked. */
export function flatten(specs: readonly ParameterSpec[], parameters: Parameters): Float32Array {
  checkParameters(specs, parameters);
  const flat = new Float32Array(countOf(specs));
  let at = 0;
  for (const { name, shape } of flatOrder(specs)) {
    flat.set(parameters.get(name)!.data, at);
    at += sizeOf(shape);
  }
  return flat;
}

/** The inverse of {@link flatten}; copies. */
export function unflatten(specs: readonly ParameterSpec[], flat: Float32Array): Parameters {
  if (flat.length !== countOf(specs)) fail("model", `expected ${countOf(specs)} numbers for the parameters but received ${flat.length}`);
  const parameters = new Map<string, Tensor<"float32">>();
  let at = 0;
  for (const { name, shape } of flatOrder(specs)) {
    parameters.set(name, tensor("float32", shape, flat.slice(at, at + sizeOf(shape))));
    at += sizeOf(shape);
  }
  return parameters;
}

/** Throws unless the parameters are exactly those of the specs. */
export function checkParameters(specs: readonly ParameterSpec[], parameters: Parameters): void {
  for (const { name, shape } of specs) {
    const found = parameters.get(name);
    if (!found) fail("model", `expected a parameter ${name} of shape [${shape}] but the weights have none`);
    if (found.shape.join() !== shape.join()) fail("model", `expected shape [${shape}] for parameter ${name} but the weights have [${found.shape}]`);
  }
  const known = new Set(specs.map((s) => s.name));
  for (const name of parameters.keys()) if (!known.has(name)) fail("model", `expected only the model's parameters but the weights also have ${name}`);
}

/** Slices each parameter out of a flat vector in a graph. */
export function lookupFlat(specs: readonly ParameterSpec[], flat: Value): Lookup {
  const values = new Map<string, Value>();
  let at = 0;
  for (const { name, shape } of flatOrder(specs)) {
    values.set(name, reshape(slice(flat, 0, at, at + sizeOf(shape)), shape));
    at += sizeOf(shape);
  }
  return lookupIn(values);
}

export function lookupIn(values: ReadonlyMap<string, Value>): Lookup {
  return (name) => values.get(name) ?? fail("internal", `expected a parameter ${name} but the model declares none`);
}

/** Values in flat order joined into one vector. */
export function joinFlat(specs: readonly ParameterSpec[], valueOf: Lookup): Value {
  return concat(
    flatOrder(specs).map(({ name, shape }) => reshape(valueOf(name), [sizeOf(shape)])),
    0,
  );
}
