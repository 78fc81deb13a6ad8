/**
 * The categorical head as graphs: log p(x) = logit[x] - log sum exp(logits). The pick is by comparison, which every
 * device has, not by gather.
 */

import { cast, equal, logSoftmax, reduceSum, reshape, where } from "../../onnx/ops.ts";
import { sizeOf } from "../../tensor.ts";
import type { HeadGraphs } from "./head.ts";

export const categoricalGraphs: HeadGraphs = {
  logProbability(outputs, { pixels }, { levels }) {
    const all = outputs.graph.constant(
      "int32",
      [1, levels],
      Int32Array.from({ length: levels }, (_, i) => i),
    );
    const count = sizeOf(pixels.shape);
    const asked = reshape(cast(pixels, "int32"), [count, 1]);
    return reduceSum(where(equal(asked, all), logSoftmax(reshape(outputs, [count, levels])), 0), { axes: [1] });
  },
  logits: (outputs, { pixels }, { levels }) => reshape(outputs, [sizeOf(pixels.shape), levels]),
};
