/**
 * What one sub-pixel's outputs mean. A head turns the network's outputs into a distribution over the levels; heads.ts
 * lists them.
 */

import type { LogWeights } from "../../network/steps.ts";
import type { Value } from "../../onnx/graph.ts";

export interface Head {
  /** Outputs per sub-pixel for this many levels. */
  outputsOf(levels: number): number;
  /** outputs [N, M], pixels [N, 1] int32 in 0 .. levels - 1 -> log p, [N], in nats. */
  logProbability(outputs: Value, pixels: Value, levels: number): Value;
  /** outputs [N, M] -> unnormalised log-probabilities of all levels, [N, levels]. */
  logits(outputs: Value, levels: number): Value;
  /** The exact engine's step from the outputs to the same log-probabilities. */
  readonly logWeights: LogWeights;
}
