/**
 * The Diagonal BiLSTM (arXiv 1601.06759, sections 3.2 and 3.3), as a list of steps: what its skewed rows read, above
 * and beside, said in place. One stream of states goes from left to right and may read the pixel's earlier channels;
 * the other from right to left over finished rows, which only the rows below may read. It sees every earlier pixel.
 * docs/model.md gives every shape. F features, C channels.
 */

import { buildNetwork, condition, here, type Network, taps } from "../network/steps.ts";
import { networkCondition } from "./condition.ts";
import type { DiagonalBilstmConfig } from "./config.ts";
import { withHead } from "./heads/output-layers.ts";
import { addStates, firstConvolution, GATES, gateBias } from "./recurrent-layers.ts";

export function diagonalBilstm(config: DiagonalBilstmConfig): Network {
  const { channels, levels, features: F, depth } = config;
  const net = buildNetwork({ channels, levels, condition: networkCondition(config) });
  let x = firstConvolution(net, config);
  for (let i = 2; i <= depth; i++) {
    const l = `layer${i}`;
    const fan = x.features + 2 * F;
    const fromLeft = net.declare(`${l}.left`, { features: F });
    const leftGates = net.sum(`${l}.leftGates`, { features: F, parts: GATES }, [
      gateBias(`${l}.left.b`),
      condition(`${l}.left.V`),
      taps(fromLeft, [[-1, 0]], `${l}.left.above.W`, { fan }),
      here(x, "B", `${l}.left.input{c}.W`, { fan }),
      taps(fromLeft, [[0, -1]], `${l}.left.beside.W`, { fan }),
    ]);
    net.cell(fromLeft, leftGates, [0, -1]);

    // A pixel of this stream knows its whole row, so it needs neither masks nor channel groups.
    const fromRight = net.declare(`${l}.right`, { features: F, groups: 1 });
    const rightGates = net.sum(`${l}.rightGates`, { features: F, groups: 1, parts: GATES }, [
      gateBias(`${l}.right.b`),
      condition(`${l}.right.V`),
      taps(fromRight, [[-1, 0]], `${l}.right.above.W`, { fan }),
      here(x, "all", `${l}.right.input.W`, { fan }),
      // Features hide their own pixel: without its levels most columns would never see the last pixel of the row above.
      ...(i === 2 ? [here(net.input, "all", `${l}.right.pixel.W`)] : []),
      taps(fromRight, [[0, 1]], `${l}.right.beside.W`, { fan }),
    ]);
    net.cell(fromRight, rightGates, [0, 1]);

    // The streams have a matrix each; the right-to-left one is shifted down by a row, so that nothing of a pixel's own
    // row leaks.
    x = addStates(net, l, x, [
      taps(fromRight, [[-1, 0]], `${l}.right.out.W`),
      here(fromLeft, "B", `${l}.left.out{c}.W`),
    ]);
  }
  return withHead(net, x, config);
}
