/**
 * The discretised logistic mixture head (PixelCNN++, arXiv 1701.05517, sections 2.1 and 2.2). Each level is a bin of
 * width w = 2 / (K - 1) around its number from -1 to 1; the first bin goes on to minus infinity, the last to infinity.
 * A sub-pixel is a mixture of M logistic distributions, and its level the bin that they fall into. The mean of a later
 * channel moves with the levels of the channels before it, so that a channel has M (3 + channels before) outputs:
 * weights, means, log-scales, then coefficients for one channel before after another.
 */

import { bias, here } from "../../network/steps.ts";
import type { HeadConfig } from "../config.ts";
import type { Head } from "./head.ts";

export type MixtureConfig = HeadConfig & { readonly head: { readonly kind: "mixture"; readonly components: number } };

/** Outputs of each channel. */
export const outputsOf = ({ channels, head: { components: M } }: MixtureConfig): number[] =>
  Array.from({ length: channels }, (_, c) => M * (3 + c));

/**
 * First values: means spread evenly from -1 to 1, as wide as they are apart. If all were equal, all their derivatives
 * would be, and the components would never differ.
 */
function firstValues(config: MixtureConfig): number[] {
  const { components: M } = config.head;
  return outputsOf(config).flatMap((count) =>
    Array.from({ length: count }, (_, i) => {
      if (i >= 3 * M || i < M) return 0;
      return i < 2 * M ? (2 * (i - M) + 1) / M - 1 : -Math.log(M);
    }),
  );
}

export const mixture: Head<MixtureConfig> = {
  outputsOf,
  terms: (config, hidden) => [
    bias("head.mixture.b", [], firstValues(config)),
    here(hidden, "B", "head.mixture{c}.W", { gain: 0 }),
  ],
  logWeights: "logistic mixture",
};
