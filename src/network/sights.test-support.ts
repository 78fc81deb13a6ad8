/**
 * For tests: who sees whom in a network, by its list of steps and in numbers; networks with one sum changed, and why
 * they are refused.
 */

import { randomFrom } from "../random.ts";
import { sizeOf, type Tensor, tensor } from "../tensor.ts";
import { networkParameters } from "./declarations.ts";
import { contains, dependencies } from "./dependencies.ts";
import { naiveOutputs } from "./naive.test-support.ts";
import { schedule } from "./schedule.ts";
import type { FeatureMap, Network, Term } from "./steps.ts";

export interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly levels: number;
}

/** Random weights, none of them zero; moderate, so that gates stay off their ends. Biases above zero open ReLUs. */
export function randomWeights(network: Network, seed = 1): Map<string, Tensor> {
  const random = randomFrom(seed);
  return new Map(
    networkParameters(network).map(({ name, shape, decays }) => {
      const most = decays ? 1.5 / Math.sqrt(sizeOf(shape) / shape.at(-1)!) : 0.5;
      const sign = (): number => (decays && random.below(2) === 0 ? -1 : 1);
      const draw = (): number => sign() * most * (0.1 + 0.9 * random.uniform());
      return [name, tensor("float32", shape, Float32Array.from({ length: sizeOf(shape) }, draw))];
    }),
  );
}

export function randomLevels({ height, width, channels, levels }: ImageShape): Uint8Array {
  const random = randomFrom(7);
  return Uint8Array.from({ length: height * width * channels }, () => random.below(levels));
}

/** Outputs of every sub-pixel in float64. */
export function outputsOf(
  network: Network,
  s: ImageShape,
  weights: ReadonlyMap<string, Tensor>,
  pixels: Uint8Array,
): number[][] {
  const numbers = network.condition && Array.from({ length: network.condition.width }, (_, d) => 0.7 - 1.8 * d);
  const condition = numbers && (() => numbers);
  return naiveOutputs(network, weights, { height: s.height, width: s.width, pixels, condition });
}

/** A matrix of who sees whom, a line a sub-pixel, so that two that differ are told apart at a glance. */
export function picture({ height, width, channels }: ImageShape, sees: (i: number, j: number) => boolean): string[] {
  const size = height * width * channels;
  return Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) => (sees(i, j) ? "x" : ".")).join(""),
  );
}

export function lowered(network: Network, s: ImageShape): string[] {
  const sets = dependencies(network, s);
  return picture(s, (i, j) => contains(sets[i]!, j));
}

export function measured(network: Network, s: ImageShape): string[] {
  const weights = randomWeights(network);
  const pixels = randomLevels(s);
  const before = outputsOf(network, s, weights, pixels);
  const after = Array.from(pixels, (level, j) =>
    outputsOf(network, s, weights, pixels.with(j, (level + 1) % s.levels)),
  );
  return picture(s, (i, j) => after[j]![i]!.some((y, m) => y !== before[i]![m]));
}

/**
 * When each map of a network is known, and each term of its sums: "row of input" is a row term that reads the input.
 */
export function times(network: Network): Record<string, string> {
  const when = schedule(network);
  return Object.fromEntries(
    network.steps.map((step) => {
      const terms =
        step.step === "sum"
          ? step.terms.flatMap((t) => ("map" in t ? [`${when.term(t)} of ${t.map.name}`] : [])).join(", ")
          : "";
      return [step.out.name, terms === "" ? when.of(step.out) : `${when.of(step.out)}: ${terms}`];
    }),
  );
}

/** The network with the terms of one sum changed. */
export function rewired(network: Network, name: string, change: (terms: readonly Term[]) => readonly Term[]): Network {
  const steps = network.steps.map((step) =>
    step.step === "sum" && step.out.name === name ? { ...step, terms: change(step.terms) } : step,
  );
  return { ...network, steps };
}

export const mapOf = ({ input, steps }: Network, name: string): FeatureMap =>
  name === "input" ? input : steps.find(({ out }) => out.name === name)!.out;

/** Why a network is refused, or "none". */
export function refusal(network: Network): string {
  try {
    schedule(network);
  } catch (error) {
    return (error as Error).message;
  }
  return "none";
}
