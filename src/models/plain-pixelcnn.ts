/**
 * The plain PixelCNN (van den Oord et al. 2016, "Pixel Recurrent Neural Networks", arXiv 1601.06759, sections 3.3 to
 * 3.5), as a list of steps: one stack of masked convolutions, so it has a blind spot above and to the right of the
 * pixel; the tests say where. docs/model.md gives every shape.
 */

import {
  above,
  bias,
  buildNetwork,
  condition,
  type FeatureMap,
  here,
  left,
  type Mask,
  type Network,
  plus,
  type Term,
  taps,
} from "../network/steps.ts";
import { networkCondition } from "./condition.ts";
import { type LayerShape, layersOf, type PlainConfig } from "./config.ts";
import { withHead } from "./heads/output-layers.ts";

export function plainPixelcnn(config: PlainConfig): Network {
  const { channels, levels, features: F } = config;
  const net = buildNetwork({ channels, levels, condition: networkCondition(config) });
  const [first, ...blocks] = layersOf(config) as [LayerShape, ...LayerShape[]];

  // Layer 1: n x n, mask A, from the image to the stream of 2F features.
  let x = net.sum("layer1.x", { features: 2 * F }, masked(net.input, "A", first, "layer1"));
  // Residual blocks, each 1x1, n x n of mask B, and 1x1 back to 2F.
  for (const [i, shape] of blocks.entries()) {
    const l = `layer${i + 2}`;
    const inner = net.sum(`${l}.inner`, { features: F }, [
      bias(`${l}.in.b`),
      here(net.relu(`${l}.relu`, x), "B", `${l}.in{c}.W`, { gain: RELU }),
    ]);
    const y = net.sum(`${l}.y`, { features: F }, masked(net.relu(`${l}.innerRelu`, inner), "B", shape, l, RELU));
    x = net.sum(`${l}.x`, { features: 2 * F }, [
      plus(x),
      bias(`${l}.out.b`),
      here(net.relu(`${l}.yRelu`, y), "B", `${l}.out{c}.W`),
    ]);
  }
  return withHead(net, x, config);
}

/** ReLU halves the variance of what it passes on. */
const RELU = Math.SQRT2;

/**
 * A masked n x n convolution with the condition: the rows above, the pixels to the left, and of the pixel itself the
 * earlier channels.
 */
function masked(map: FeatureMap, mask: Mask, { kernel: n, dilation: d }: LayerShape, name: string, gain = 1): Term[] {
  const r = (n - 1) / 2;
  // What the mask leaves of the n x n taps.
  const by = { fan: (r * n + r + 1) * map.features, gain };
  return [
    bias(`${name}.b`),
    condition(`${name}.V`),
    taps(map, above(r, n, d, d), `${name}.above.W`, { ...by, axes: [r, n] }),
    taps(map, left(r, d), `${name}.left.W`, { ...by, axes: [r] }),
    here(map, mask, `${name}.centre{c}.W`, by),
  ];
}
