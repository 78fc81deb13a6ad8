/**
 * What both PixelRNNs share (van den Oord et al. 2016, "Pixel Recurrent Neural Networks", arXiv 1601.06759): the first
 * convolution and the way out of a layer.
 */

import {
  above,
  bias,
  condition,
  type FeatureMap,
  here,
  left,
  type NetworkBuilder,
  plus,
  type Term,
  taps,
} from "../network/steps.ts";

/** Parts of an LSTM: output, forget and input gates, and the content. */
export const GATES = ["o", "f", "i", "g"];

/** Biases of the gates; a forget gate begins open, so that a fresh state is remembered. */
export const gateBias = (name: string): Term => bias(name, [], { f: 1 });

/** Layer 1: n x n, mask A, from the image to the stream of 2F features. */
export function firstConvolution(
  net: NetworkBuilder,
  { features: F, firstKernel: n }: { features: number; firstKernel: number },
): FeatureMap {
  const r = (n - 1) / 2;
  const fan = (r * n + r) * net.input.features;
  return net.sum("layer1.x", { features: 2 * F }, [
    bias("layer1.b"),
    condition("layer1.V"),
    taps(net.input, above(r, n, 1, 1), "layer1.above.W", { axes: [r, n], fan }),
    taps(net.input, left(r), "layer1.left.W", { axes: [r], fan }),
    here(net.input, "A", "layer1.centre{c}.W", { fan }),
  ]);
}

/** The stream with what a layer's states say added to it: 1x1, mask B at the pixel itself. */
export const addStates = (net: NetworkBuilder, l: string, x: FeatureMap, states: readonly Term[]): FeatureMap =>
  net.sum(`${l}.x`, { features: x.features }, [plus(x), bias(`${l}.out.b`), ...states]);
