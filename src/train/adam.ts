/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), global-norm clipping and a moving average of the
 * weights, as nodes over flat vectors. The numbers that change from step to step come in as a vector, so that the graph
 * never does.
 */

import type { Block } from "../network/parameters.ts";
import type { Value } from "../onnx/graph.ts";
import { add, div, max, mul, reduceSum, reshape, slice, sqrt, sub } from "../onnx/ops.ts";
import { hiddenMask, MUON_MOMENTUM, orthogonalised } from "./muon.ts";

export interface AdamSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Fraction of a weight lost a step, times the rate. Biases do not decay. */
  readonly weightDecay: number;
  /** Largest global norm of the gradient; a larger gradient is scaled down to it. 0 for no clipping. */
  readonly clip: number;
  /** The rate of hidden matrices under Muon (muon.ts), as a multiple of Adam's; 0 or none: all by Adam. */
  readonly muon?: number | undefined;
}

/** What changes from step to step; see {@link scheduleVector}. */
export const SCHEDULE_SIZE = 4;

/** The schedule input of step t (from 1): rate, 1 / (1 - beta1^t), 1 / (1 - beta2^t), decay of the moving average. */
export function scheduleVector(
  t: number,
  rate: number,
  { beta1, beta2 }: AdamSettings,
  averageDecay: number,
): Float32Array {
  return Float32Array.of(rate, 1 / (1 - beta1 ** t), 1 / (1 - beta2 ** t), averageDecay);
}

export interface AdamState {
  readonly weights: Value;
  readonly first: Value;
  readonly second: Value;
  readonly average: Value;
}

/**
 * One step. `gradient` is a sum over `images`; it and the state are vectors of n; the first `decaying` weights decay.
 * Returns the new state and the norm of the mean gradient before clipping. Scalars are folded together first: for wide
 * models the update is bound by passes over memory.
 */
export function adamStep(
  gradient: Value,
  images: number,
  state: AdamState,
  schedule: Value,
  blocks: readonly Block[],
  s: AdamSettings,
): AdamState & { norm: Value } {
  const at = (i: number): Value => reshape(slice(schedule, 0, i, i + 1), []);
  const [rate, correct1, correct2, averageDecay] = [at(0), at(1), at(2), at(3)];
  const norm = mul(sqrt(reduceSum(mul(gradient, gradient))), 1 / images);
  const scale =
    s.clip > 0 ? div(s.clip / images, max(norm, s.clip)) : gradient.graph.constant("float32", [], [1 / images]);
  const g = mul(gradient, scale);
  const n = gradient.shape[0]!;
  const vector = (data: Float32Array): Value => gradient.graph.constant("float32", [n], data);
  const hidden = s.muon ? hiddenMask(blocks) : null;
  const [keep, take] = hidden
    ? [
        vector(hidden.map((h) => (h ? MUON_MOMENTUM : s.beta1))),
        vector(hidden.map((h) => 1 - (h ? MUON_MOMENTUM : s.beta1))),
      ]
    : [s.beta1, 1 - s.beta1];
  const first = add(mul(state.first, keep), mul(g, take));
  const second = add(mul(state.second, s.beta2), mul(mul(g, g), 1 - s.beta2));
  const adam = div(mul(first, mul(rate, correct1)), add(mul(sqrt(second), sqrt(correct2)), s.epsilon));
  const change = hidden ? muonOrAdam() : adam;
  function muonOrAdam(): Value {
    const ahead = add(mul(first, keep), mul(g, take));
    const turned = mul(orthogonalised(ahead, blocks), mul(rate, s.muon!));
    return add(turned, mul(adam, vector(hidden!.map((h) => 1 - h))));
  }
  const decaying = blocks.filter((b) => b.decays).reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  const decays = vector(new Float32Array(n).fill(1, 0, decaying));
  const shrunk =
    s.weightDecay > 0 ? sub(state.weights, mul(state.weights, mul(decays, mul(rate, s.weightDecay)))) : state.weights;
  const weights = sub(shrunk, change);
  const average = add(mul(state.average, averageDecay), mul(weights, sub(1, averageDecay)));
  return { weights, first, second, average, norm };
}
