/**
 * The deconvolutional decoder of the baseline auto-encoder (van den Oord et al. 2016, section 3.4): latents to a small
 * map, transposed convolutions that double it until it covers the image, one linear output per sub-pixel. Trained on
 * squared error, so it predicts a mean where a PixelCNN predicts a distribution. docs/model.md gives every shape.
 */

import { z } from "zod";
import type { Lookup } from "../network/lookup.ts";
import { bias, matrix, type ParameterSpec } from "../network/parameters.ts";
import { scaledPixels } from "../network/pixels.ts";
import { convolve, tapsAt } from "../onnx/composites.ts";
import type { Value } from "../onnx/graph.ts";
import { add, concat, gemm, max, min, mul, reduceSum, relu, reshape, slice, sub } from "../onnx/ops.ts";
import { type ImageShape, RELU_GAIN } from "./encoder.ts";
import { convolveUp, doubled, RESAMPLE_KERNEL, type Size } from "./resample.ts";

export const deconvolutionFields = {
  /**
   * Feature maps of each transposed convolution, first to last; each doubles the map. The first map has as many as the
   * first of them.
   */
  features: z.array(z.int().min(1).max(4096)).min(1).max(12).default([128, 64, 32]),
  /**
   * A linear path beside the layers: the image adds a product of the latents. With the encoder's it begins at the
   * principal components of the training images (train/principal-start.ts).
   */
  linear: z.boolean().default(false),
  /**
   * Feature maps of 3x3 convolutions with ReLU at the size of the image, before the outputs. They also see the image of
   * the linear path, and sharpen it.
   */
  refine: z.array(z.int().min(1).max(4096)).max(12).default([]),
};

export interface DeconvolutionConfig {
  readonly features: readonly number[];
  readonly linear: boolean;
  readonly refine: readonly number[];
}

/** Inputs of each refining convolution, and of the outputs behind them. */
function refineInputs({ features, linear, refine }: DeconvolutionConfig, channels: number): number[] {
  return [features.at(-1)! + (linear && refine.length > 0 ? channels : 0), ...refine];
}

/** The offsets of a 3x3 kernel. */
const AROUND = Array.from({ length: 9 }, (_, t): [number, number] => [Math.floor(t / 3) - 1, (t % 3) - 1]);

/** Size of the first map: the image's, halved once per layer, rounded up. */
export function firstMap({ features }: Pick<DeconvolutionConfig, "features">, { height, width }: Size): Size {
  const times = 2 ** features.length;
  return { height: Math.ceil(height / times), width: Math.ceil(width / times) };
}

/** Every parameter; all names begin with "decoder.". */
export function deconvolutionParameters(
  config: DeconvolutionConfig,
  image: ImageShape,
  latents: number,
): ParameterSpec[] {
  const { features } = config;
  const { height, width } = firstMap(config, image);
  const flat = height * width * features[0]!;
  return [
    matrix("decoder.map.W", [latents, flat], latents, RELU_GAIN),
    bias("decoder.map.b", [flat]),
    ...features.flatMap((out, i): ParameterSpec[] => {
      const inputs = features[Math.max(0, i - 1)]!;
      // Four of the sixteen taps reach an output.
      return [
        matrix(`decoder.layer${i + 1}.W`, [RESAMPLE_KERNEL, RESAMPLE_KERNEL, inputs, out], 4 * inputs, RELU_GAIN),
        bias(`decoder.layer${i + 1}.b`, [out]),
      ];
    }),
    ...config.refine.flatMap((out, i): ParameterSpec[] => {
      const inputs = refineInputs(config, image.channels)[i]!;
      return [
        matrix(`decoder.refine${i + 1}.W`, [3, 3, inputs, out], 9 * inputs, RELU_GAIN),
        bias(`decoder.refine${i + 1}.b`, [out]),
      ];
    }),
    // Zero, so that a fresh model's guess is mid-grey, or that of the linear path.
    matrix("decoder.outputs.W", [refineInputs(config, image.channels).at(-1)!, image.channels], 1, 0),
    bias("decoder.outputs.b", [image.channels]),
    ...(config.linear
      ? [
          matrix("decoder.linear.W", [latents, image.height * image.width * image.channels], 1),
          bias("decoder.linear.b", [image.height * image.width * image.channels]),
        ]
      : []),
  ];
}

/** latents [B, m] -> the image expected, [B, H, W, C], in scaled units: -1 is level 0, 1 the highest. Not clipped. */
export function deconvolutionOutputs(
  config: DeconvolutionConfig,
  image: ImageShape,
  lookup: Lookup,
  latents: Value,
): Value {
  const B = latents.shape[0]!;
  const { height: H, width: W, channels: C } = image;
  return latents.graph.scope("decoder", () => {
    let size = firstMap(config, image);
    let x = relu(gemm(latents, lookup("decoder.map.W"), { c: lookup("decoder.map.b") }));
    x = reshape(x, [B, size.height * size.width, config.features[0]!]);
    config.features.forEach((_, i) => {
      x = relu(convolveUp(x, lookup(`decoder.layer${i + 1}.W`), size, lookup(`decoder.layer${i + 1}.b`)));
      size = doubled(size);
    });
    const D = H * W * C;
    const line = config.linear
      ? add(
          mul(gemm(latents, lookup("decoder.linear.W")), 1 / Math.sqrt(latents.shape[1]!)),
          lookup("decoder.linear.b"),
        )
      : null;
    const map = reshape(x, [B, size.height, size.width, x.shape[2]!]);
    x = reshape(slice(slice(map, 1, 0, H), 2, 0, W), [B, H * W, x.shape[2]!]);
    if (line && config.refine.length > 0) x = concat([x, reshape(line, [B, H * W, C])], 2);
    config.refine.forEach((out, i) => {
      const w = lookup(`decoder.refine${i + 1}.W`);
      const taps = tapsAt(H, W, AROUND);
      const y = convolve(x, reshape(w, [taps.count * x.shape[2]!, out]), {
        taps,
        bias: lookup(`decoder.refine${i + 1}.b`),
      });
      x = relu(reshape(y, [B, H * W, out]));
    });
    const rows = reshape(x, [B * H * W, x.shape[2]!]);
    const outputs = gemm(rows, lookup("decoder.outputs.W"), { c: lookup("decoder.outputs.b") });
    const y = reshape(outputs, [B, D]);
    return reshape(line ? add(y, line) : y, [B, H, W, C]);
  });
}

/** Sum over sub-pixels of (y - x)^2 in scaled units, [B]. */
export function squaredError(outputs: Value, pixels: Value, levels: number): Value {
  return outputs.graph.scope("loss", () => {
    const difference = sub(outputs, scaledPixels(pixels, levels, outputs.dtype as "float32" | "float64"));
    return reduceSum(mul(difference, difference), { axes: [1, 2, 3] });
  });
}

/** Outputs as levels, 0 .. levels - 1, clipped but not rounded. */
export function outputLevels(outputs: Value, levels: number): Value {
  return min(max(mul(add(outputs, 1), (levels - 1) / 2), 0), levels - 1);
}

/** Numbers of the largest layer, per image. */
export function deconvolutionWidth(config: DeconvolutionConfig, image: ImageShape): number {
  const { height, width } = firstMap(config, image);
  return Math.max(...config.features.map((out, i) => height * width * 4 ** (i + 1) * out));
}
