/**
 * What the network's outputs mean. A head turns the outputs of a pixel's channels into distributions over the levels;
 * heads.ts and graphs.ts list them.
 */

import type { FeatureMap, LogWeights, Term } from "../../network/steps.ts";
import type { Value } from "../../onnx/graph.ts";
import type { HeadConfig } from "../config.ts";

/** What a head's graphs read beside the outputs. */
export interface HeadPixels {
  /** [B, H, W, C] uint8. */
  readonly pixels: Value;
  /** [B], where training hides some images' pixels: 1, or 0 for an image whose earlier channels are not shown. */
  readonly sees?: Value | null | undefined;
}

/** A head as a part of the network: all that the exact engine needs of it. */
export interface Head<C extends HeadConfig = HeadConfig> {
  /** Outputs of all channels together, or of each channel, where they differ. */
  outputsOf(config: C): number | readonly number[];
  /** The terms of the outputs' sum, of the head's hidden features: a bias and a product a channel. */
  terms(config: C, hidden: FeatureMap): readonly Term[];
  /** The exact engine's step from the outputs to the log-probabilities of {@link HeadGraphs}. */
  readonly logWeights: LogWeights;
}

/** What its outputs mean, as graphs. Apart from the head, so that pages which only sample load no operators. */
export interface HeadGraphs<C extends HeadConfig = HeadConfig> {
  /** outputs [B H W, M] -> log p of the pixels' levels, in nats: B H W C numbers in order. */
  logProbability(outputs: Value, given: HeadPixels, config: C): Value;
  /** outputs [B H W, M] -> unnormalised log-probabilities of all levels of each sub-pixel, [B H W C, K]. */
  logits(outputs: Value, given: HeadPixels, config: C): Value;
}
