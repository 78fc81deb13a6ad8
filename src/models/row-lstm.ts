/**
 * The Row LSTM (arXiv 1601.06759, sections 3.1 and 3.3), as a list of steps: each row's states go on from the row
 * above, three or more columns wide, so a pixel sees a triangle above it. docs/model.md gives every shape. F features,
 * C channels.
 */

import { above, buildNetwork, condition, here, left, type Network, taps } from "../network/steps.ts";
import { networkCondition } from "./condition.ts";
import type { RowLstmConfig } from "./config.ts";
import { withHead } from "./heads/output-layers.ts";
import { addStates, firstConvolution, GATES, gateBias } from "./recurrent-layers.ts";

export function rowLstm(config: RowLstmConfig): Network {
  const { channels, levels, features: F, kernel: k, depth } = config;
  const net = buildNetwork({ channels, levels, condition: networkCondition(config) });
  const m = (k - 1) / 2;
  let x = firstConvolution(net, config);
  for (let i = 2; i <= depth; i++) {
    const l = `layer${i}`;
    const fan = (m + 1) * x.features + k * F;
    const state = net.declare(`${l}.state`, { features: F });
    const gates = net.sum(`${l}.gates`, { features: F, parts: GATES }, [
      gateBias(`${l}.b`),
      condition(`${l}.V`),
      // State-to-state: k x 1 over the row above, which is finished, so without a mask.
      taps(state, above(1, k, 1, 1), `${l}.state.W`, { axes: [k], fan }),
      // Input-to-state: k x 1, mask B.
      taps(x, left(m), `${l}.input.W`, { axes: [m], fan }),
      here(x, "B", `${l}.input{c}.W`, { fan }),
    ]);
    net.cell(state, gates, [-1, 0]);
    x = addStates(net, l, x, [here(state, "B", `${l}.out{c}.W`)]);
  }
  return withHead(net, x, config);
}
