/**
 * The categorical head: one logit per level. log p(x) = logit[x] - log sum exp(logits).
 * The pick is by comparison, which every device has, not by gather.
 */

import { equal, logSoftmax, reduceSum, where } from "../../onnx/ops.ts";
import type { Head } from "./head.ts";

export const categorical: Head = {
  outputsOf: (levels) => levels,
  logProbability(outputs, pixels, levels) {
    const graph = outputs.graph;
    const all = graph.constant(
      "int32",
      [1, levels],
      Int32Array.from({ length: levels }, (_, i) => i),
    );
    return reduceSum(where(equal(pixels, all), logSoftmax(outputs), 0), { axes: [1] });
  },
  logits: (outputs) => outputs,
  logWeights: "outputs",
};
