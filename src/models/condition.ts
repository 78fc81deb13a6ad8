/**
 * Conditions as numbers for the network: classes, vectors, maps. docs/conditioning.md is the contract of both engines.
 */

import { fail, show } from "../errors.ts";
import type { NetworkCondition } from "../network/steps.ts";
import type { ConditionConfig } from "./config.ts";

/** A class index; weights over the classes, a vector, or a map [h0, w0, Cm]; null to leave the condition out. */
export type ConditionValue = number | Float32Array | null;

/** Numbers per image that the network is given, D. */
export function conditionNumbersOf(condition: ConditionConfig): number {
  if (condition.kind === "class") return condition.classes.length;
  if (condition.kind === "vector") return condition.size;
  return condition.height * condition.width * (condition.channels + 1);
}

/** What m(h) begins with, [height, width, inputs], and the features M of its layers. */
export interface MapShape {
  readonly height: number;
  readonly width: number;
  readonly inputs: number;
  readonly features: number;
  /** Features that a linear path adds, L; 0 for none. */
  readonly linear: number;
}

/**
 * The map that goes through m(h): a map, or a vector with `features`; null where the condition is the same at every
 * place.
 */
export function mapOf(condition: ConditionConfig | null): MapShape | null {
  if (condition?.kind === "map") {
    const { height, width, channels, features } = condition;
    return { height, width, inputs: channels + 1, features, linear: 0 };
  }
  if (condition?.kind !== "vector" || condition.features === undefined) return null;
  const { size, features, linear = 0 } = condition;
  return { height: 1, width: 1, inputs: size, features, linear };
}

/** Side of the kernel of m(h)'s transposed convolutions. */
const MAP_KERNEL = 4;

/**
 * The condition as a network's steps meet it: how wide V is, and the layers of m(h) with their weights; none has a
 * bias, so that no map gives nothing.
 */
export function networkCondition({ condition, height = 0, width = 0 }: Conditioned): NetworkCondition | null {
  if (condition === null) return null;
  const map = mapOf(condition);
  if (map === null) return { width: conditionNumbersOf(condition), perPixel: false, map: [] };
  const layers = mapLayersOf(map, height, width);
  return {
    width: (layers === 0 ? map.inputs : map.features) + map.linear,
    perPixel: true,
    // Of numbers of about 1: h is divided by the root of its size before the product.
    ...(map.linear > 0
      ? { linear: { name: "map.linear.W", shape: [map.inputs, height, width, map.linear], fan: 1 } }
      : {}),
    map: Array.from({ length: layers }, (_, i) => {
      const inputs = i === 0 ? map.inputs : map.features;
      // Four of the sixteen taps reach an output; ReLU halves the variance.
      const shape = [MAP_KERNEL, MAP_KERNEL, inputs, map.features];
      return { name: `map.layer${i + 1}.W`, shape, fan: 4 * inputs, gain: Math.SQRT2 };
    }),
  };
}

interface Conditioned {
  readonly condition: ConditionConfig | null;
  /** Size of the image, which m(h) is brought to; not read for the other kinds. */
  readonly height?: number | undefined;
  readonly width?: number | undefined;
}

/** Transposed convolutions of m(h): each doubles the map's size until it covers the image. */
export function mapLayersOf(
  { height: h0, width: w0 }: { readonly height: number; readonly width: number },
  height: number,
  width: number,
): number {
  let n = 0;
  while (h0 * 2 ** n < height || w0 * 2 ** n < width) n++;
  return n;
}

/** A condition's value as the D numbers that the network is given; all zeros for null. */
export function conditionNumbers(condition: ConditionConfig, value: ConditionValue): Float32Array {
  const numbers = new Float32Array(conditionNumbersOf(condition));
  if (value === null) return numbers;
  if (condition.kind === "class") {
    const { classes } = condition;
    if (typeof value === "number") {
      if (!(Number.isInteger(value) && value >= 0 && value < classes.length))
        fail(
          "usage",
          `expected a class from 0 to ${classes.length - 1} (${namesOf(classes)}) but received ${show(value)}`,
        );
      numbers[value] = 1;
      return numbers;
    }
    if (value.length !== classes.length)
      fail(
        "usage",
        `expected ${classes.length} weights, one a class (${namesOf(classes)}), but received ${value.length}`,
      );
    numbers.set(finite(value));
    return numbers;
  }
  if (typeof value === "number")
    return fail(
      "usage",
      `expected ${describeCondition(condition)} for the condition but received the number ${show(value)}`,
    );
  if (condition.kind === "vector") {
    if (value.length !== condition.size)
      fail("usage", `expected a condition of ${condition.size} numbers an image but received ${value.length}`);
    numbers.set(finite(value));
    const { scale } = condition;
    return scale === undefined ? numbers : numbers.map((x) => x * scale);
  }
  const { height, width, channels } = condition;
  if (value.length !== height * width * channels)
    fail(
      "usage",
      `expected a map of ${height}x${width}x${channels} = ${height * width * channels} numbers an image but ` +
        `received ${value.length}`,
    );
  finite(value);
  for (let p = 0; p < height * width; p++) {
    numbers.set(value.subarray(p * channels, (p + 1) * channels), p * (channels + 1));
    numbers[p * (channels + 1) + channels] = 1;
  }
  return numbers;
}

/** What a batch of a data set (data/dataset.ts) says about its images. */
export interface Described {
  readonly size: number;
  /** -1 where an image has no label. */
  readonly labels: Int32Array;
  /** [size, D]. */
  readonly vectors?: Float32Array | undefined;
}

/** The condition of each image of a batch: its label, or its vector or map. An image without a label has none. */
export function conditionsOf(condition: ConditionConfig, batch: Described): ConditionValue[] {
  return Array.from({ length: batch.size }, (_, i) => {
    if (condition.kind === "class") return batch.labels[i]! < 0 ? null : batch.labels[i]!;
    const vectors =
      batch.vectors ??
      fail("usage", `expected ${describeCondition(condition)} with each image but the data have no vectors`);
    const size = vectors.length / batch.size;
    return vectors.subarray(i * size, (i + 1) * size);
  });
}

/** Fails unless a data set can give a model its conditions: its classes by name, its vectors by their size. */
export function checkDescribes(
  condition: ConditionConfig,
  data: { readonly name: string; readonly classes: readonly string[] | null; readonly vectorSize?: number | undefined },
): void {
  if (condition.kind === "class") {
    const same =
      data.classes?.length === condition.classes.length && data.classes.every((c, i) => c === condition.classes[i]);
    if (same) return;
    const received = data.classes ? `the classes ${namesOf(data.classes)}` : "no classes";
    fail("usage", `expected the model's classes (${namesOf(condition.classes)}) but ${data.name} has ${received}`);
  }
  const size = condition.kind === "vector" ? condition.size : condition.height * condition.width * condition.channels;
  if (data.vectorSize !== size) {
    const received = data.vectorSize === undefined ? "none" : `vectors of ${data.vectorSize}`;
    fail("usage", `expected ${describeCondition(condition)} with each image but ${data.name} has ${received}`);
  }
}

/** Numbers of many conditions, [count, D]. */
export function conditionMatrix(condition: ConditionConfig, values: readonly ConditionValue[]): Float32Array {
  const D = conditionNumbersOf(condition);
  const matrix = new Float32Array(values.length * D);
  for (const [i, value] of values.entries()) matrix.set(conditionNumbers(condition, value), i * D);
  return matrix;
}

/** In words: what a model can be conditioned on. */
export function describeCondition(condition: ConditionConfig): string {
  if (condition.kind === "class") return `one of ${condition.classes.length} classes (${namesOf(condition.classes)})`;
  if (condition.kind === "vector") return `a vector of ${condition.size} numbers`;
  return `a map of ${condition.height}x${condition.width}x${condition.channels} numbers`;
}

/** Some of the names, in words. */
export function namesOf(names: readonly string[]): string {
  const few = names.slice(0, 12).join(", ");
  return names.length > 12 ? `${few}, ... ${names.length} in all` : few;
}

function finite(value: Float32Array): Float32Array {
  const wrong = value.findIndex((x) => !Number.isFinite(x));
  if (wrong >= 0) fail("usage", `expected finite numbers in a condition but number ${wrong} is ${value[wrong]}`);
  return value;
}
