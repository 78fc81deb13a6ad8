/** The part of a run that changes as it trains. */

import { modelParameters } from "../models/families.ts";
import { flatten, initialise } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import type { RunConfig } from "./config.ts";

/** Everything about a run that changes as it trains. Vectors are in flat order (network/parameters.ts). */
export interface RunState {
  readonly step: number;
  /** Seconds of training so far, over all resumes. */
  readonly seconds: number;
  readonly weights: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  readonly average: Float32Array;
}

/** A fresh run's state. */
export function initialState(config: RunConfig): RunState {
  const specs = modelParameters(config.model);
  const weights = flatten(specs, initialise(specs, randomFrom(config.train.seed, 0)));
  const zero = (): Float32Array => new Float32Array(weights.length);
  return { step: 0, seconds: 0, weights, first: zero(), second: zero(), average: weights.slice() };
}
