/**
 * The Gated PixelCNN (van den Oord et al. 2016, arXiv 1606.05328, section 2), in the paper's order and with the paper's names.
 * docs/model.md gives every shape. Axes: B images, P = H W positions, C channels, K levels, F features, S skip, R head, D numbers of
 * a condition (condition.ts), M features of a map.
 */

import { fail } from "../errors.ts";
import { categorical } from "../heads/categorical.ts";
import type { Head } from "../heads/head.ts";
import { causalProduct, horizontalTaps, seenBy, verticalTaps } from "../nn/causal.ts";
import { bias, type Lookup, matrix, type ParameterSpec } from "../nn/params.ts";
import { scaledPixels } from "../nn/pixels.ts";
import { convolve, gate } from "../onnx/composites.ts";
import type { Value } from "../onnx/graph.ts";
import { add, cast, concat, gemm, mul, reduceSum, relu, reshape } from "../onnx/ops.ts";
import { conditionNumbersOf, conditionWidth, mapOf } from "./condition.ts";
import { mapFeatures, mapParameters } from "./condition-map.ts";
import { layersOf, type PixelcnnConfig } from "./config.ts";

export function headOf(_config: PixelcnnConfig): Head {
  return categorical;
}

/** Every parameter of the model: names as in the paper, W and V for f(ilter) and g(ate). */
export function pixelcnnParameters(config: PixelcnnConfig): ParameterSpec[] {
  const { channels: C, levels, features: F, skip: S, head, condition } = config;
  const layers = layersOf(config);
  const map = mapOf(condition);
  const specs: ParameterSpec[] = map ? mapParameters(map, config) : [];
  const conditions = condition ? conditionWidth(condition, config.height, config.width) : 0;
  const perGroup = (
    name: (c: number) => string,
    inputs: number,
    outputs: number,
    mask: "A" | "B",
    fanIn = inputs,
    gain = 1,
  ): void => {
    for (let c = 0; c < C; c++) {
      const seen = seenBy(c, inputs, C, mask);
      if (seen > 0) specs.push(matrix(name(c), [seen, outputs / C], fanIn, gain));
    }
  };
  layers.forEach(({ kernel }, i) => {
    const l = i + 1;
    const inputs = l === 1 ? C : F;
    const up = (kernel + 1) / 2;
    const left = (kernel - 1) / 2;
    const horizontalFan = (left + 1) * inputs + F;
    for (const half of ["f", "g"]) {
      specs.push(matrix(`layer${l}.vertical.W_${half}`, [up, kernel, inputs, F], up * kernel * inputs));
      specs.push(bias(`layer${l}.vertical.b_${half}`, [F]));
      specs.push(matrix(`layer${l}.horizontal.W_${half}`, [left, inputs, F], horizontalFan));
      specs.push(matrix(`layer${l}.link.W_${half}`, [2 * F, F], 2 * F, 0.7));
      perGroup((c) => `layer${l}.centre${c}.W_${half}`, inputs, F, l === 1 ? "A" : "B", horizontalFan);
      specs.push(bias(`layer${l}.horizontal.b_${half}`, [F]));
      if (condition) {
        specs.push(matrix(`layer${l}.vertical.V_${half}`, [conditions, F], conditions));
        specs.push(matrix(`layer${l}.horizontal.V_${half}`, [conditions, F], conditions));
      }
    }
    if (l < layers.length || S === 0) {
      perGroup((c) => `layer${l}.residual${c}.W`, F, F, "B");
      specs.push(bias(`layer${l}.residual.b`, [F]));
    }
    if (S > 0) perGroup((c) => `layer${l}.skip${c}.W`, F, S, "B");
  });
  if (S > 0) specs.push(bias("skip.b", [S]));
  perGroup((c) => `head.hidden${c}.W`, S || F, head.features, "B");
  specs.push(bias("head.hidden.b", [head.features]));
  // Zero, so that a fresh model gives every level the same probability.
  perGroup((c) => `head.logits${c}.W`, head.features, C * headOf(config).outputsOf(levels), "B", head.features, 0);
  specs.push(bias("head.logits.b", [C, headOf(config).outputsOf(levels)]));
  return specs;
}

/**
 * The network: pixels [B, H, W, C] uint8 (and, where the model has a condition, h [B, D], condition.ts) -> the head's outputs [B P C, M].
 * Outputs of a sub-pixel depend on strictly earlier sub-pixels alone, in order of rows, columns, channels.
 * `sees` [B], for training: 1, or 0 for an image whose pixels the network is not shown (zeros, as beyond the image's edge); null shows all.
 */
export function pixelcnnOutputs(
  config: PixelcnnConfig,
  lookup: Lookup,
  pixels: Value,
  h: Value | null = null,
  sees: Value | null = null,
): Value {
  const { channels: C, levels, features: F, skip: S, head } = config;
  const { graph } = pixels;
  const [B, height, width] = pixels.shape as [number, number, number];
  if (pixels.dtype !== "uint8" || pixels.shape.length !== 4 || pixels.shape[3] !== C) {
    fail("internal", `expected uint8 pixels [B, H, W, ${C}] but received ${pixels.dtype}[${pixels.shape}]`);
  }
  if ((config.condition === null) !== (h === null)) {
    fail(
      "usage",
      config.condition
        ? `expected a condition of ${conditionNumbersOf(config.condition)} numbers an image but received none`
        : "expected no condition for an unconditional model but received one",
    );
  }
  const P = height * width;
  const rows = (x: Value): Value => reshape(x, [B * P, x.shape.at(-1)!]);
  const images = (x: Value): Value => reshape(x, [B, P, x.shape.at(-1)!]);
  const layers = layersOf(config);
  const dtype = lookup("head.hidden.b").dtype as "float32" | "float64";

  const map = mapOf(config.condition);
  const s = h && map ? graph.scope("map", () => mapFeatures(map, { height, width }, lookup, h)) : null;
  const scaled = reshape(scaledPixels(pixels, config.levels, dtype), [B, P, C]);
  let vertical = sees ? mul(scaled, reshape(sees, [B, 1, 1])) : scaled;
  let horizontal = vertical;
  let skips: Value | null = null;

  layers.forEach(({ kernel, dilation }, i) => {
    const l = i + 1;
    const [first, last] = [l === 1, l === layers.length];
    graph.scope(`layer${l}`, () => {
      const biasOf = (stack: string): Value => reshape(lookup.pair(`layer${l}.${stack}.b`), [2 * F]);
      // V h, one vector an image, or V s, one a pixel.
      const withCondition = (p: Value, stack: string): Value => {
        if (s) return gemm(s, lookup.pair(`layer${l}.${stack}.V`), { c: p });
        return h ? rows(add(images(p), reshape(gemm(h, lookup.pair(`layer${l}.${stack}.V`)), [B, 1, 2 * F]))) : p;
      };

      // Vertical stack: p [B P, 2F]. Its one shift down by a row is in layer 1's taps.
      const p = graph.scope("vertical", () => {
        const taps = verticalTaps({ height, width }, kernel, dilation, first);
        return withCondition(
          convolve(vertical, lookup.pair(`layer${l}.vertical.W`), { taps, bias: biasOf("vertical") }),
          "vertical",
        );
      });

      // Horizontal stack: link from p (before its gate), left taps, centre: q [B P, 2F].
      const q = graph.scope("horizontal", () => {
        const link = withCondition(gemm(p, lookup.pair(`layer${l}.link.W`), { c: biasOf("horizontal") }), "horizontal");
        const left = lookup.pair(`layer${l}.horizontal.W`);
        if (C === 1 && !first) {
          // One group: the centre is just one more tap.
          return convolve(horizontal, concat([left, lookup.pair(`layer${l}.centre0.W`)], 0), {
            taps: horizontalTaps({ height, width }, kernel, dilation, true),
            bias: link,
          });
        }
        const q = convolve(horizontal, left, { taps: horizontalTaps({ height, width }, kernel, dilation, false), bias: link });
        return C === 1
          ? q
          : add(
              q,
              causalProduct(rows(horizontal), (c) => lookup.pair(`layer${l}.centre${c}.W`), {
                outputs: F,
                groups: C,
                mask: first ? "A" : "B",
                halves: 2,
              }),
            );
      });
      const y = graph.scope("gate", () => gate(q));

      if (S > 0) {
        const skip = graph.scope("skip", () =>
          causalProduct(y, (c) => lookup(`layer${l}.skip${c}.W`), {
            outputs: S,
            groups: C,
            mask: "B",
            ...(first ? { bias: lookup("skip.b") } : {}),
          }),
        );
        skips = skips ? add(skips, skip) : skip;
      }
      if (!last || S === 0) {
        const r = graph.scope("residual", () =>
          causalProduct(y, (c) => lookup(`layer${l}.residual${c}.W`), {
            outputs: F,
            groups: C,
            mask: "B",
            bias: lookup(`layer${l}.residual.b`),
          }),
        );
        horizontal = images(first ? r : add(r, rows(horizontal)));
      }
      if (!last) vertical = images(graph.scope("vertical", () => gate(p)));
    });
  });

  return graph.scope("head", () => {
    const block = { groups: C, mask: "B" } as const;
    const a = relu(skips ?? rows(horizontal));
    const hidden = causalProduct(a, (c) => lookup(`head.hidden${c}.W`), {
      ...block,
      outputs: head.features,
      bias: lookup("head.hidden.b"),
    });
    const M = headOf(config).outputsOf(levels);
    const bias = reshape(lookup("head.logits.b"), [C * M]);
    return reshape(
      causalProduct(relu(hidden), (c) => lookup(`head.logits${c}.W`), { ...block, outputs: C * M, bias }),
      [B * P * C, M],
    );
  });
}

/** log p of each sub-pixel's level given all that came before it, [B, H W C], in nats. */
export function pixelcnnLogProbabilities(
  config: PixelcnnConfig,
  lookup: Lookup,
  pixels: Value,
  h: Value | null = null,
  sees: Value | null = null,
): Value {
  const [B, H, W, C] = pixels.shape as [number, number, number, number];
  const outputs = pixelcnnOutputs(config, lookup, pixels, h, sees);
  return pixels.graph.scope("loss", () => {
    const targets = reshape(cast(pixels, "int32"), [B * H * W * C, 1]);
    return reshape(headOf(config).logProbability(outputs, targets, config.levels), [B, H * W * C]);
  });
}

/** log p(image), [B], in nats, summed in the graph's working type: what training wants. likelihood.ts sums in float64. */
export function pixelcnnLogProbability(
  config: PixelcnnConfig,
  lookup: Lookup,
  pixels: Value,
  h: Value | null = null,
  sees: Value | null = null,
): Value {
  const each = pixelcnnLogProbabilities(config, lookup, pixels, h, sees);
  return pixels.graph.scope("loss", () => reduceSum(each, { axes: [1] }));
}
