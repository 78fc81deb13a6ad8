/**
 * Auto-encoders (van den Oord et al. 2016, section 3.4): the encoder's outputs are the condition of a Gated PixelCNN, both trained end to end on
 * the likelihood; or, the baseline, the input of a deconvolution trained on squared error.
 * A PixelCNN decoder is an ordinary model with a vector as its condition, so likelihood, exact engine and codec run it as they are.
 */

import { z } from "zod";
import { fail } from "../errors.ts";
import { checkParameters, type Lookup, type ParameterSpec, type Parameters } from "../nn/params.ts";
import type { Value } from "../onnx/graph.ts";
import { mul, neg, reshape } from "../onnx/ops.ts";
import { type PixelcnnConfig, pixelcnnSchema } from "./config.ts";
import {
  deconvolutionFields,
  deconvolutionOutputs,
  deconvolutionParameters,
  outputLevels,
  squaredError,
} from "./deconvolution.ts";
import { encoderOutputs, encoderParameters, encoderSchema } from "./encoder.ts";
import { pixelcnnLogProbability, pixelcnnParameters } from "./pixelcnn.ts";

const { height, width, channels, levels } = pixelcnnSchema.shape;
const { features, depth, firstKernel, kernels, dilations, skip, head } = pixelcnnSchema.shape;

export const autoencoderSchema = z
  .strictObject({
    family: z.literal("autoencoder"),
    height,
    width,
    channels,
    levels,
    /** Numbers that an image becomes, m. */
    latents: z.int().min(1).max(65536).default(10),
    encoder: encoderSchema.prefault({}),
    decoder: z
      .discriminatedUnion("kind", [
        z.strictObject({
          ...{ kind: z.literal("pixelcnn"), features, depth, firstKernel, kernels, dilations, skip, head },
          /** Feature maps of m(h), which tells each place of the image its own of the latents; 0: V h, the same everywhere. */
          mapFeatures: z.int().min(0).max(4096).default(0),
        }),
        z.strictObject({ kind: z.literal("deconvolution"), ...deconvolutionFields }),
      ])
      .prefault({ kind: "pixelcnn" }),
  })
  .superRefine((config, context) => {
    // What a PixelCNN asks of its fields, asked of the decoder's.
    if (config.decoder.kind !== "pixelcnn") return;
    const result = pixelcnnSchema.safeParse(decoderConfig(config));
    for (const { path, message } of result.error?.issues ?? [])
      context.addIssue({ code: "custom", path: ["decoder", ...path], message });
  });
/** A resolved auto-encoder config. */
export type AutoencoderConfig = z.output<typeof autoencoderSchema>;

/** The PixelCNN decoder as a model of its own: p(image | latents). */
export function decoderConfig({ height, width, channels, levels, latents, decoder }: AutoencoderConfig): PixelcnnConfig {
  if (decoder.kind !== "pixelcnn")
    return fail("usage", `expected an auto-encoder with a pixelcnn decoder but received one with a ${decoder.kind} decoder`);
  const { kind: _, mapFeatures, ...fields } = decoder;
  const condition = { kind: "vector" as const, size: latents, ...(mapFeatures > 0 ? { features: mapFeatures } : {}) };
  return { family: "gated-pixelcnn", height, width, channels, levels, ...fields, condition };
}

/** The decoder's parameters out of the auto-encoder's; those of {@link decoderConfig} for a PixelCNN. */
export function decoderParameters(config: AutoencoderConfig, parameters: Parameters): Parameters {
  checkParameters(autoencoderParameters(config), parameters);
  return new Map([...parameters].filter(([name]) => !name.startsWith("encoder.")));
}

/** The encoder's parameters, then the decoder's. */
export function autoencoderParameters(config: AutoencoderConfig): ParameterSpec[] {
  const { encoder, decoder, latents } = config;
  return [
    ...encoderParameters(encoder, config, latents),
    ...(decoder.kind === "pixelcnn"
      ? pixelcnnParameters(decoderConfig(config))
      : deconvolutionParameters(decoder, config, latents)),
  ];
}

/** pixels [B, H, W, C] uint8 -> latents [B, m]. */
export function latentsOf(config: AutoencoderConfig, lookup: Lookup, pixels: Value): Value {
  return encoderOutputs(config.encoder, config, lookup, pixels);
}

/**
 * Loss of each image, [B]: nats of p(image | its latents), or the squared error of the reconstruction, summed over sub-pixels.
 * For a PixelCNN, `keep` [B]: 1, or 0 for an image whose latents are left out (zeros, the null condition); `sees` [B]: 1, or 0 for an image whose
 * pixels the decoder is not shown. Null keeps and shows all.
 */
export function autoencoderLoss(
  config: AutoencoderConfig,
  lookup: Lookup,
  pixels: Value,
  { keep = null, sees = null }: { readonly keep?: Value | null; readonly sees?: Value | null } = {},
): Value {
  const codes = latentsOf(config, lookup, pixels);
  const latents = keep ? mul(codes, reshape(keep, [keep.shape[0]!, 1])) : codes;
  return config.decoder.kind === "pixelcnn"
    ? neg(pixelcnnLogProbability(decoderConfig(config), lookup, pixels, latents, sees))
    : squaredError(deconvolutionOutputs(config.decoder, config, lookup, latents), pixels, config.levels);
}

/** latents [B, m] -> the deconvolution's reconstruction [B, H, W, C] as levels, 0 .. levels - 1, clipped but not rounded. */
export function reconstruction(config: AutoencoderConfig, lookup: Lookup, latents: Value): Value {
  if (config.decoder.kind !== "deconvolution")
    return fail(
      "usage",
      "expected an auto-encoder with a deconvolution decoder to reconstruct with but received one with a pixelcnn decoder, which is sampled instead",
    );
  return outputLevels(deconvolutionOutputs(config.decoder, config, lookup, latents), config.levels);
}
