/**
 * The convolutional encoder of auto-encoders and embedders: an image as a few numbers. Layers that halve the image
 * (kernel 4, stride 2, ReLU), then all that is left as one vector, a hidden layer, and the outputs. docs/model.md gives
 * every shape. It sees the whole image at once: nothing here is masked.
 */

import { z } from "zod";
import { fail } from "../errors.ts";
import type { Lookup } from "../network/lookup.ts";
import { bias, matrix, type ParameterSpec } from "../network/parameters.ts";
import { scaledPixels } from "../network/pixels.ts";
import type { Value } from "../onnx/graph.ts";
import { add, div, gemm, mul, reduceSum, relu, reshape, sqrt, sub } from "../onnx/ops.ts";
import { convolveDown, halved, RESAMPLE_KERNEL, type Size } from "./resample.ts";

/** Variance doubled for inputs that come through ReLU, which halves it (He et al. 2015). */
export const RELU_GAIN = Math.SQRT2;

export const encoderSchema = z
  .strictObject({
    /** Feature maps of each layer; each halves height and width, rounded up. */
    features: z.array(z.int().min(1).max(4096)).min(1).max(12).default([32, 64, 128]),
    /** Units of the hidden layer after the last map; 0 for none. */
    hidden: z.int().min(0).max(65536).default(128),
    /**
     * Whether each image's sums of the hidden layer are brought to mean 0 and variance 1 before their ReLU (layer
     * normalisation, Ba et al. 2016). Without it a fast rate can drive the outputs to hundreds: the hidden layer adds
     * thousands of numbers, which Adam moves all at once.
     */
    normalise: z.boolean().default(false),
    /**
     * A linear path beside the layers: the outputs add a product of the whole image. It begins at the principal
     * components of the training images, and the layers' own outputs at zero (train/principal-start.ts).
     */
    linear: z.boolean().default(false),
  })
  .superRefine(({ hidden, normalise }, context) => {
    if (hidden > 1 || !normalise) return;
    const message = `expected a hidden layer of at least 2 units to normalise but received ${hidden}`;
    context.addIssue({ code: "custom", path: ["hidden"], message });
  });
export type EncoderConfig = z.output<typeof encoderSchema>;

/** What images look like to a model. */
export interface ImageShape extends Size {
  readonly channels: number;
  readonly levels: number;
}

/** Size of the image, then of each layer's maps. */
export function encoderSizes({ features }: EncoderConfig, image: Size): Size[] {
  const sizes: Size[] = [{ height: image.height, width: image.width }];
  for (const _ of features) sizes.push(halved(sizes.at(-1)!));
  return sizes;
}

/** Every parameter of an encoder to `outputs` numbers; all names begin with "encoder.". */
export function encoderParameters(config: EncoderConfig, image: ImageShape, outputs: number): ParameterSpec[] {
  const { features, hidden, linear } = config;
  const specs = features.flatMap((out, i): ParameterSpec[] => {
    const inputs = i === 0 ? image.channels : features[i - 1]!;
    const shape = [RESAMPLE_KERNEL, RESAMPLE_KERNEL, inputs, out];
    return [
      matrix(`encoder.layer${i + 1}.W`, shape, RESAMPLE_KERNEL ** 2 * inputs, RELU_GAIN),
      bias(`encoder.layer${i + 1}.b`, [out]),
    ];
  });
  const { height, width } = encoderSizes(config, image).at(-1)!;
  const flat = height * width * features.at(-1)!;
  if (hidden > 0)
    specs.push(matrix("encoder.hidden.W", [flat, hidden], flat, RELU_GAIN), bias("encoder.hidden.b", [hidden]));
  specs.push(matrix("encoder.outputs.W", [hidden || flat, outputs], hidden || flat, linear ? 0 : RELU_GAIN));
  specs.push(bias("encoder.outputs.b", [outputs]));
  // Values of about 1, and a factor in the graph: Adam's steps are as large for every weight.
  if (linear) specs.push(matrix("encoder.linear.W", [image.height * image.width * image.channels, outputs], 1));
  return specs;
}

/** pixels [B, H, W, C] uint8 -> [B, outputs], any real numbers. */
export function encoderOutputs(config: EncoderConfig, image: ImageShape, lookup: Lookup, pixels: Value): Value {
  const [B, height, width, channels] = pixels.shape as [number, number, number, number];
  const { height: H, width: W, channels: C, levels } = image;
  if (pixels.dtype !== "uint8" || height !== H || width !== W || channels !== C)
    fail(
      "internal",
      `expected uint8 pixels [B, ${H}, ${W}, ${C}] for the encoder but received ${pixels.dtype}[${pixels.shape}]`,
    );
  return pixels.graph.scope("encoder", () => {
    const dtype = lookup("encoder.outputs.b").dtype as "float32" | "float64";
    const scaled = scaledPixels(pixels, levels, dtype);
    let x = reshape(scaled, [B, H * W, C]);
    encoderSizes(config, image)
      .slice(0, -1)
      .forEach((size, i) => {
        x = relu(convolveDown(x, lookup(`encoder.layer${i + 1}.W`), size, lookup(`encoder.layer${i + 1}.b`)));
      });
    let y = reshape(x, [B, x.shape[1]! * x.shape[2]!]);
    if (config.hidden > 0) {
      y = gemm(y, lookup("encoder.hidden.W"), { c: lookup("encoder.hidden.b") });
      y = relu(config.normalise ? layerNormalised(y) : y);
    }
    const outputs = gemm(y, lookup("encoder.outputs.W"), { c: lookup("encoder.outputs.b") });
    if (!config.linear) return outputs;
    const D = H * W * C;
    return add(outputs, mul(gemm(reshape(scaled, [B, D]), lookup("encoder.linear.W")), 1 / Math.sqrt(D)));
  });
}

/**
 * x [B, n] -> [B, n]: each row less its mean, over the root of its variance (and a bit, for rows of one number alone).
 */
function layerNormalised(x: Value): Value {
  const n = x.shape[1]!;
  const mean = (y: Value): Value => mul(reduceSum(y, { axes: [1], keepAxes: true }), 1 / n);
  const centred = sub(x, mean(x));
  return div(centred, sqrt(add(mean(mul(centred, centred)), 1e-5)));
}

/** Numbers of the encoder's largest layer, per image. */
export function encoderWidth(config: EncoderConfig, image: ImageShape): number {
  const sizes = encoderSizes(config, image);
  return Math.max(...config.features.map((out, i) => sizes[i + 1]!.height * sizes[i + 1]!.width * out));
}
