/**
 * The end of every network: ReLU, 1x1, ReLU, 1x1 to the head's outputs, channel groups kept apart (arXiv 1601.06759,
 * table 1).
 */

import { bias, type FeatureMap, here, type Network, type NetworkBuilder, type Order } from "../../network/steps.ts";
import { headOf } from "./heads.ts";

/** The order of its parameters, behind those of the network. */
export const headOrder: Order = ["head.hidden{c}.W", "head.hidden.b", "head.logits{c}.W", "head.logits.b"];

interface Headed {
  readonly channels: number;
  readonly levels: number;
  readonly head: { readonly kind: string; readonly features: number };
}

/**
 * `x` through the head's hidden features to its outputs, whose weights begin at zero, so that a fresh model gives every
 * level the same.
 */
export function withHead(net: NetworkBuilder, x: FeatureMap, config: Headed, order?: Order): Network {
  const { channels: C, levels, head } = config;
  const { outputsOf, logWeights } = headOf(config);
  const a = net.relu("head.a", x);
  const b = net.sum("head.hidden", { features: head.features }, [
    bias("head.hidden.b"),
    here(a, "B", "head.hidden{c}.W"),
  ]);
  const outputs = net.sum("head.outputs", { features: C * outputsOf(levels) }, [
    bias("head.logits.b", [C]),
    here(net.relu("head.b", b), "B", "head.logits{c}.W", { gain: 0 }),
  ]);
  return net.finish(outputs, { logWeights, order });
}
