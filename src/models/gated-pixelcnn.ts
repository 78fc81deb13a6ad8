/**
 * The Gated PixelCNN (van den Oord et al. 2016, arXiv 1606.05328, section 2 and figure 2), as a list of steps: every
 * engine reads it from here. docs/model.md gives every shape. F features, S of the skip connections, C channels.
 */

import {
  above,
  bias,
  buildNetwork,
  condition,
  type FeatureMap,
  here,
  left,
  type Network,
  type NetworkBuilder,
  type Order,
  plus,
  position,
  taps,
} from "../network/steps.ts";
import { networkCondition } from "./condition.ts";
import { type GatedConfig, hasColumn, layersOf } from "./config.ts";
import { headOrder, withHead } from "./heads/output-layers.ts";

export function gatedPixelcnn(config: GatedConfig): Network {
  const { channels, levels, features: F, skip: S } = config;
  const bits = Math.min(config.bits ?? 0, Math.ceil(Math.log2(levels)));
  const net = buildNetwork({ channels, levels, condition: networkCondition(config), bits });
  const gates = { features: F, parts: ["f", "g"] };
  const layers = layersOf(config);
  let [v, h] = [net.input, net.input];
  let skips = null;

  for (const [i, { kernel: n, dilation: d }] of layers.entries()) {
    const [l, first, last] = [`layer${i + 1}`, i === 0, i + 1 === layers.length];
    const [up, r] = [(n + 1) / 2, (n - 1) / 2];
    const fan = (r + 1) * h.features + F;

    // Vertical stack: all rows above. Its one shift down by a row is in layer 1; later layers read their own row of
    // features too.
    const p = net.sum(`${l}.p`, { ...gates, groups: 1 }, [
      bias(`${l}.vertical.b`),
      condition(`${l}.vertical.V`),
      ...(config.position === i + 1 ? [position(`${l}.vertical.P`, config)] : []),
      taps(v, above(up, n, d, first ? 1 : 0), `${l}.vertical.W`, { axes: [up, n] }),
      ...(hasColumn(config, i) ? [here(downColumns(net, l, v), "all", `${l}.column.W`)] : []),
    ]);
    // Horizontal stack: what the vertical stack knows of the rows above, the pixels to the left, and at the pixel
    // itself the earlier channels.
    const q = net.sum(`${l}.q`, gates, [
      bias(`${l}.horizontal.b`),
      condition(`${l}.horizontal.V`),
      here(p, "all", `${l}.link.W`, { gain: 0.7 }),
      taps(h, left(r, d), `${l}.horizontal.W`, { axes: [r], fan }),
      here(h, first ? "A" : "B", `${l}.centre{c}.W`, { fan }),
    ]);
    let y = net.gate(`${l}.y`, q);
    if (config.perceptron) {
      const inner = net.sum(`${l}.inner`, { features: config.perceptron }, [
        bias(`${l}.perceptron.b`),
        here(y, "B", `${l}.perceptron{c}.W`),
      ]);
      y = net.sum(`${l}.z`, { features: F }, [
        plus(y),
        bias(`${l}.perceptron.out.b`),
        here(net.relu(`${l}.innerRelu`, inner), "B", `${l}.perceptron.out{c}.W`),
      ]);
    }

    if (S > 0)
      skips = net.sum(`${l}.s`, { features: S }, [
        skips ? plus(skips) : bias("skip.b"),
        here(y, "B", `${l}.skip{c}.W`),
      ]);
    // No residual connection in layer 1, whose input is the image. In the last layer nothing reads the output beside
    // the skip connections.
    if (!last || S === 0)
      h = net.sum(`${l}.h`, { features: F }, [
        ...(first ? [] : [plus(h)]),
        bias(`${l}.residual.b`),
        here(y, "B", `${l}.residual{c}.W`),
      ]);
    if (!last) v = net.gate(`${l}.v`, p);
  }
  return withHead(net, skips ?? h, config, parameterOrder(layers.length));
}

/** An LSTM down each column, fed by the vertical features: a row step, since it reads itself in the row above alone. */
function downColumns(net: NetworkBuilder, l: string, v: FeatureMap): FeatureMap {
  const gates = net.sum(`${l}.column.gates`, { features: v.features, groups: 1, parts: ["o", "f", "i", "g"] }, [
    bias(`${l}.column.gates.b`, [], { f: 1 }),
    here(v, "all", `${l}.column.gates.W`),
  ]);
  return net.cell(net.declare(`${l}.column`, { features: v.features, groups: 1 }), gates, [-1, 0]);
}

/** The order that a seed draws first values in: of each layer, all of the gate's f, then all of its g. */
function parameterOrder(depth: number): Order {
  const gates = [
    "vertical.W",
    "vertical.b",
    "horizontal.W",
    "link.W",
    "centre{c}.W",
    "horizontal.b",
    "vertical.V",
    "horizontal.V",
  ];
  const layers = Array.from({ length: depth }, (_, i) => `layer${i + 1}`).flatMap((l) => [
    gates.map((name) => `${l}.${name}`),
    ...[`${l}.residual{c}.W`, `${l}.residual.b`, `${l}.skip{c}.W`],
  ]);
  return [...layers, "skip.b", ...headOrder];
}
