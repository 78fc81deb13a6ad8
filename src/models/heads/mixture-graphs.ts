/**
 * The discretised logistic mixture head as graphs.
 *
 * With z = (edge - mean) / scale,
 *   log(sigma(z1) - sigma(z0)) = -softplus(-z1) - softplus(z0) + log(1 - exp(-w / scale)):
 * the difference would cancel, these three do not, and their gradients are at most about 1 / scale.
 */

import { scaledPixels } from "../../network/pixels.ts";
import { logSumExp, softplus } from "../../onnx/composites.ts";
import type { Value } from "../../onnx/graph.ts";
import {
  add,
  cast,
  concat,
  div,
  exp,
  greater,
  less,
  log,
  max,
  min,
  mul,
  neg,
  pad,
  reshape,
  slice,
  sub,
  tanh,
  where,
} from "../../onnx/ops.ts";
import type { HeadGraphs, HeadPixels } from "./head.ts";
import { type MixtureConfig, outputsOf } from "./mixture.ts";

/** Bounds of the log-scales, as in PixelCNN++ from below: beyond, gradients of 1 / scale drown all others. */
const LOG_SCALE = 7;

/** Of the components of one channel, [N, M] each. */
interface Components {
  /** Unnormalised logarithms. */
  readonly weight: Value;
  readonly mean: Value;
  /** 1 / scale. */
  readonly inverse: Value;
  /** log(1 - exp(-w / scale)): what a bin of two edges has less than one without an end. */
  readonly inner: Value;
}

/** The components of each channel. */
function componentsOf(outputs: Value, { pixels, sees }: HeadPixels, config: MixtureConfig): Components[] {
  const { channels: C, levels: K } = config;
  const M = config.head.components;
  const [N, dtype] = [outputs.shape[0]!, outputs.dtype as "float32" | "float64"];
  const seen = (): Value => {
    const x = scaledPixels(pixels, K, dtype);
    return reshape(sees ? mul(x, reshape(sees, [sees.shape[0]!, 1, 1, 1])) : x, [N, C]);
  };
  let first = 0;
  return outputsOf(config).map((count, c) => {
    const part = (i: number): Value => slice(outputs, 1, first + i * M, first + (i + 1) * M);
    let mean = part(1);
    for (let e = 0; e < c; e++) mean = add(mean, mul(tanh(part(3 + e)), slice(seen(), 1, e, e + 1)));
    const inverse = exp(neg(max(min(part(2), LOG_SCALE), -LOG_SCALE)));
    // 1 - exp(-d) = 2 t / (1 + t), t = tanh(d / 2), which does not cancel either.
    const t = tanh(mul(inverse, 1 / (K - 1)));
    const made = { weight: part(0), mean, inverse, inner: log(div(mul(t, 2), add(t, 1))) };
    first += count;
    return made;
  });
}

export const mixtureGraphs: HeadGraphs<MixtureConfig> = {
  logProbability(outputs, given, config) {
    const { channels: C, levels: K } = config;
    const [N, dtype] = [outputs.shape[0]!, outputs.dtype as "float32" | "float64"];
    const asked = reshape(cast(given.pixels, dtype), [N, C]);
    const each = componentsOf(outputs, given, config).map(({ weight, mean, inverse, inner }, c) => {
      const level = slice(asked, 1, c, c + 1);
      // From whole numbers, so that an edge is rounded once: a small scale makes much of an error.
      const z = (above: 0 | 1): Value => mul(sub(div(add(mul(level, 2), 2 * above - K), K - 1), mean), inverse);
      const isFirst = less(level, 0.5);
      const isLast = greater(level, K - 1.5);
      // The first bin has no edge below it and the last none above: there nothing is taken away.
      const above = where(isLast, 0, softplus(neg(z(1))));
      const below = where(isFirst, 0, softplus(z(0)));
      const cut = where(isFirst, 0, where(isLast, 0, inner));
      const logP = sub(sub(add(weight, cut), above), below);
      return sub(logSumExp(logP), logSumExp(weight));
    });
    return concat(each, 1);
  },
  logits(outputs, given, config) {
    const { channels: C, levels: K } = config;
    const M = config.head.components;
    const [N, dtype] = [outputs.shape[0]!, outputs.dtype as "float32" | "float64"];
    const numbers = (count: number, of: (k: number) => number): Value =>
      outputs.graph.constant(
        dtype,
        [1, count, 1],
        Array.from({ length: count }, (_, k) => of(k)),
      );
    const edges = numbers(K - 1, (k) => (2 * (k + 1) - K) / (K - 1));
    const isInner = numbers(K, (k) => (k === 0 || k === K - 1 ? 0 : 1));
    const each = componentsOf(outputs, given, config).map(({ weight, mean, inverse, inner }) => {
      const row = (v: Value): Value => reshape(v, [N, 1, M]);
      const z = mul(sub(edges, row(mean)), row(inverse));
      const above = pad(softplus(neg(z)), [0, 0, 0], [0, 1, 0]);
      const below = pad(softplus(z), [0, 1, 0], [0, 0, 0]);
      const logP = sub(sub(add(row(weight), mul(isInner, row(inner))), above), below);
      return sub(reshape(logSumExp(logP), [N, K]), logSumExp(weight));
    });
    return reshape(concat(each, 1), [N * C, K]);
  },
};
