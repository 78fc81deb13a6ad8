/**
 * A network and its head in a graph: outputs, and the log-probabilities of the pixels. For whatever family networks.ts
 * has.
 */

import { fail } from "../errors.ts";
import { networkOutputs } from "../network/graph.ts";
import type { Lookup } from "../network/lookup.ts";
import type { Value } from "../onnx/graph.ts";
import { reduceSum, reshape } from "../onnx/ops.ts";
import { conditionNumbersOf, mapOf } from "./condition.ts";
import { conditionMap } from "./condition-map.ts";
import type { PixelcnnConfig } from "./config.ts";
import { graphsOf } from "./heads/graphs.ts";
import { networkOf } from "./networks.ts";

export interface PixelcnnInputs {
  /** [B, H, W, C] uint8. */
  readonly pixels: Value;
  /** h [B, D] (condition.ts), where the model has a condition. */
  readonly condition?: Value | null | undefined;
  /**
   * [B], for training: 1, or 0 for an image whose pixels the network is not shown (zeros, as beyond the image's edge).
   * Default: all are.
   */
  readonly sees?: Value | null | undefined;
}

/**
 * The head's outputs, [B H W, M], of all channels side by side. Those of a sub-pixel depend on strictly earlier
 * sub-pixels alone, in order of rows, columns, channels.
 */
function pixelcnnOutputs(
  config: PixelcnnConfig,
  lookup: Lookup,
  { pixels, condition: h, sees }: PixelcnnInputs,
): Value {
  const network = networkOf(config);
  if ((config.condition === null) !== !h)
    fail(
      "usage",
      config.condition
        ? `expected a condition of ${conditionNumbersOf(config.condition)} numbers an image but received none`
        : "expected no condition for an unconditional model but received one",
    );
  const [, height, width] = pixels.shape as [number, number, number];
  const from = mapOf(config.condition);
  const s =
    h && from
      ? pixels.graph.scope("map", () => conditionMap(from, network.condition!, { height, width }, lookup, h))
      : h;
  return networkOutputs(network, lookup, { pixels, condition: s, sees });
}

/**
 * Unnormalised log-probabilities of all levels of each sub-pixel, [B H W C, K], given all that came before it.
 */
export function pixelcnnLogits(config: PixelcnnConfig, lookup: Lookup, inputs: PixelcnnInputs): Value {
  return graphsOf(config).logits(pixelcnnOutputs(config, lookup, inputs), inputs, config);
}

/** log p of each sub-pixel's level given all that came before it, [B, H W C], in nats. */
export function pixelcnnLogProbabilities(config: PixelcnnConfig, lookup: Lookup, inputs: PixelcnnInputs): Value {
  const [B, H, W, C] = inputs.pixels.shape as [number, number, number, number];
  const outputs = pixelcnnOutputs(config, lookup, inputs);
  return inputs.pixels.graph.scope("loss", () => {
    return reshape(graphsOf(config).logProbability(outputs, inputs, config), [B, H * W * C]);
  });
}

/**
 * log p(image), [B], in nats, summed in the graph's working type: what training wants. likelihood.ts sums in float64.
 */
export function pixelcnnLogProbability(config: PixelcnnConfig, lookup: Lookup, inputs: PixelcnnInputs): Value {
  const each = pixelcnnLogProbabilities(config, lookup, inputs);
  return inputs.pixels.graph.scope("loss", () => reduceSum(each, { axes: [1] }));
}
