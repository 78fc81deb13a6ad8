/**
 * A model as a plain ONNX file that any language's runtime reads: the weights inside, the batch free. Opset 17, IR 8,
 * standard operators only. Input `pixels` uint8 [N, H, W, C], levels 0 .. K - 1 (and `condition` float32 [N, D] where
 * the model has one). An image with a value that is no level answers NaN.
 */

import { conditionNumbersOf } from "../models/condition.ts";
import { pixelcnnLogits, pixelcnnLogProbability } from "../models/log-probability.ts";
import { type Model, pixelcnnOf } from "../models/model.ts";
import type { Lookup } from "../network/lookup.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { add, cast, neg, reduceSum, relu, reshape, sqrt, sub } from "../onnx/ops.ts";
import { toOnnx } from "../onnx/proto.ts";
import { frozen } from "./full-pass.ts";

export interface ExportOptions {
  /**
   * `likelihood`: output `logProbability` [N], nats. `logits`: output `logits` [N, H, W, C, K], unnormalised
   * log-probabilities of each level.
   */
  readonly what?: ExportKind;
}
export const EXPORT_KINDS = ["likelihood", "logits"] as const;
export type ExportKind = (typeof EXPORT_KINDS)[number];

/** The bytes of the file. Its metadata hold the model's config as JSON under `pixelcnn.config`. */
export function exportOnnx(given: Model, { what = "likelihood" }: ExportOptions = {}): Uint8Array {
  const { config: model, parameters } = pixelcnnOf(given);
  const { height, width, channels, levels, condition } = model;
  const graph = new Graph(`pixelcnn-${what}`);
  const pixels = graph.input("pixels", "uint8", [1, height, width, channels]);
  const h = condition ? graph.input("condition", "float32", [1, conditionNumbersOf(condition)]) : null;
  const lookup: Lookup = frozen(graph, { config: model, parameters });
  if (what === "likelihood") {
    const logProbability = pixelcnnLogProbability(model, lookup, { pixels, condition: h });
    graph.output("logProbability", add(logProbability, nanBeyond(pixels, levels)));
  } else {
    const logits = reshape(pixelcnnLogits(model, lookup, { pixels, condition: h }), [
      1,
      height,
      width,
      channels,
      levels,
    ]);
    graph.output("logits", add(logits, reshape(nanBeyond(pixels, levels), [1, 1, 1, 1, 1])));
  }
  return toOnnx(graph, { symbolicBatch: "N", metadata: { "pixelcnn.config": JSON.stringify(model) } });
}

/** [B]: 0 for an image of levels 0 .. K - 1, NaN for one with any value beyond, which has no probability. */
function nanBeyond(pixels: Value, levels: number): Value {
  const beyond = reduceSum(relu(sub(cast(pixels, "float32"), levels - 1)), { axes: [1, 2, 3] });
  return sqrt(neg(beyond));
}
