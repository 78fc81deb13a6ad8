/** For tests: families of models, the cases that their laws are proved on, and what a case's model gives naively. */

import { expect } from "vitest";
import { binEdges } from "../exact/descriptions.ts";
import { naiveMap } from "../exact/naive.test-support.ts";
import { createReferenceKernel, cumulativeFrequencies, gate, mixtureLogWeights } from "../exact/reference.ts";
import { type Arithmetic, float64, naiveOutputs } from "../network/naive.test-support.ts";
import { randomFrom } from "../random.ts";
import { type ConditionValue, conditionMatrix, conditionNumbers, mapOf } from "./condition.ts";
import type { ConditionConfig, PixelcnnConfig } from "./config.ts";
import { mixtureLogProbabilities } from "./heads/naive-mixture.test-support.ts";
import { networkOf } from "./networks.ts";
import type { RandomModel } from "./random-model.test-support.ts";
import { resolvePixelcnn } from "./schema.ts";

export interface Family<C extends PixelcnnConfig> {
  readonly title: string;
  /** For each sub-pixel, in order, the sub-pixels that it may see: written by hand, without the list of steps. */
  closedForm(config: C): Set<number>[];
  /** Names of the matrices that meet the condition, written by hand too. */
  conditionMatrices(config: C): string[];
  /**
   * Whether a pixel is surely reached by each of these matrices alone; default: each pixel is. Memory and states have a
   * first pixel.
   */
  hears?(config: C, i: number, j: number): boolean;
  /** Widths so small that differences take no time, and so large that some feature of each group passes each ReLU. */
  tiny(channels: number): Partial<C>;
}

export interface FamilyCase<C extends PixelcnnConfig> {
  readonly title: string;
  /** 5x7. */
  readonly config: C;
  /** Whether every sub-pixel sees all earlier ones. */
  readonly covers: boolean;
}

export const TINY_IMAGES = [
  ["2x2 binary", { height: 2, width: 2, channels: 1, levels: 2 }],
  ["1x2 colour images of 3 levels", { height: 1, width: 2, channels: 3, levels: 3 }],
] as const;

/** A config with other fields; the type of a family is kept. */
export const changed = <C extends PixelcnnConfig>(config: C, changes: Partial<PixelcnnConfig>): C =>
  resolvePixelcnn({ ...config, ...changes }) as C;

/** Two layers, few features. Kernels, dilations, channels and the condition stay. */
export const tinyOf = <C extends PixelcnnConfig>(
  family: Family<C>,
  config: C,
  changes: Partial<PixelcnnConfig> = {},
): C => {
  const tiny = family.tiny(config.channels);
  return changed(config, {
    ...tiny,
    // The head's kind stays too.
    head: config.head.kind === "mixture" ? { ...tiny.head!, kind: "mixture", components: 2 } : tiny.head!,
    ...(config.condition && "features" in config.condition ? { condition: { ...config.condition, features: 3 } } : {}),
    depth: 2,
    ...changes,
  });
};

/** Float32 numbers, none of them zero. */
export function randomNumbers(count: number, seed: number): Float32Array {
  const random = randomFrom(seed);
  return Float32Array.from({ length: count }, () => (random.below(2) === 0 ? -1 : 1) * (0.1 + 0.9 * random.uniform()));
}

/** Values of every sort that a condition takes: the first has no zero; the last is none. Without a condition, none. */
export function valuesOf(condition: ConditionConfig | null): ConditionValue[] {
  if (condition === null) return [null];
  if (condition.kind === "class") {
    const all = condition.classes.map((_, k) => k);
    const weights = all.map((k) => (k + 1) / ((all.length * (all.length + 1)) / 2));
    return [Float32Array.from(weights), ...all, null];
  }
  const size = condition.kind === "vector" ? condition.size : condition.height * condition.width * condition.channels;
  // A map of zeros is a map.
  const zeros = condition.kind === "map" ? [new Float32Array(size)] : [];
  return [randomNumbers(size, 1), randomNumbers(size, 2), ...zeros, null];
}

/** The numbers of one value an image, or none for a model without condition. */
export const numbersOf = ({ condition }: PixelcnnConfig, values: readonly ConditionValue[]): { h?: number[] } =>
  condition ? { h: [...conditionMatrix(condition, values)] } : {};
export const given = (
  { condition }: PixelcnnConfig,
  values: readonly ConditionValue[],
): { conditions?: readonly ConditionValue[] } => (condition ? { conditions: values } : {});

/** The exact engine's arithmetic, of its reference kernel. */
const float32 = ((): Arithmetic => {
  const kernel = createReferenceKernel(8);
  const numbers = new Float32Array(kernel.memory as ArrayBuffer);
  const by =
    (of: "tanh" | "logistic") =>
    (x: number): number => {
      numbers[0] = x;
      kernel[of](0, 4, 1);
      return numbers[1]!;
    };
  return { round: Math.fround, tanh: by("tanh"), logistic: by("logistic"), gate };
})();

/** Unnormalised log-probabilities of all levels of every sub-pixel, by the naive pass. */
export function naiveOf(
  { config, parameters }: RandomModel<PixelcnnConfig>,
  pixels: Uint8Array,
  value: ConditionValue,
  arithmetic: Arithmetic,
): number[][] {
  const { height, width, condition } = config;
  const numbers = condition && value !== null ? [...conditionNumbers(condition, value)] : null;
  const map = numbers && mapOf(condition) ? naiveMap({ config, parameters }, numbers, arithmetic) : null;
  const at = numbers && ((i: number, j: number): number[] => (map ? map[i]![j]! : numbers));
  const rows = naiveOutputs(networkOf(config), parameters, { height, width, pixels, condition: at }, arithmetic);
  const { head, channels, levels } = config;
  if (head.kind === "categorical") return rows;
  const { round } = arithmetic;
  const numberOf = (level: number): number => round(round(level * round(2 / (levels - 1))) - 1);
  return rows.map((outputs, s) => {
    const seen = Array.from(pixels.subarray(s - (s % channels), s), numberOf);
    const mixture = { levels, components: head.components, outputs, seen };
    if (arithmetic === float64) return mixtureLogProbabilities(mixture);
    return [...mixtureLogWeights({ ...mixture, outputs: Float32Array.from(outputs), edges: binEdges(levels) })];
  });
}

/** A table of cumulative frequencies for each sub-pixel, K + 1 numbers each, from the naive float32 pass. */
export function naiveTables(
  model: RandomModel<PixelcnnConfig>,
  pixels: Uint8Array,
  value: ConditionValue,
): Uint32Array[] {
  return naiveOf(model, pixels, value, float32).map((row) => {
    const table = new Uint32Array(row.length + 1);
    expect(cumulativeFrequencies(Float32Array.from(row), 1, table)).toBe(true);
    return table;
  });
}
