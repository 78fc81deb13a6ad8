/** The categorical head: one logit per level. */

import { bias, here } from "../../network/steps.ts";
import type { Head } from "./head.ts";

export const categorical: Head = {
  outputsOf: ({ channels, levels }) => channels * levels,
  // The logits' weights begin at zero, so that a fresh model gives every level the same.
  terms: ({ channels }, hidden) => [
    bias("head.logits.b", [channels]),
    here(hidden, "B", "head.logits{c}.W", { gain: 0 }),
  ],
  logWeights: "outputs",
};
