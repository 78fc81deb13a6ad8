/**
 * The end of every network: ReLU, 1x1, ReLU, 1x1 to the head's outputs, channel groups kept apart (arXiv 1601.06759,
 * table 1).
 */

import { bias, type FeatureMap, here, type Network, type NetworkBuilder, type Order } from "../../network/steps.ts";
import type { HeadConfig } from "../config.ts";
import { headOf } from "./heads.ts";

/** The order of its parameters, behind those of the network. */
export const headOrder: Order = ["head.hidden{c}.W", "head.hidden.b", "head.logits{c}.W", "head.logits.b"];

/** `x` through the head's hidden features to its outputs. */
export function withHead(net: NetworkBuilder, x: FeatureMap, config: HeadConfig, order?: Order): Network {
  const { outputsOf, terms, logWeights } = headOf(config);
  const a = net.relu("head.a", x);
  const b = net.sum("head.hidden", { features: config.head.features }, [
    bias("head.hidden.b"),
    here(a, "B", "head.hidden{c}.W"),
  ]);
  const outputs = net.sum("head.outputs", { features: outputsOf(config) }, terms(config, net.relu("head.b", b)));
  return net.finish(outputs, { logWeights, order });
}
