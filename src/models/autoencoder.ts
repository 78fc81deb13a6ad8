/**
 * Auto-encoders (van den Oord et al. 2016, section 3.4): the encoder's outputs are the condition of a Gated PixelCNN,
 * both trained end to end on the likelihood; or, the baseline, the input of a deconvolution trained on squared error. A
 * PixelCNN decoder is an ordinary model with a vector as its condition, so likelihood, exact engine and codec run it as
 * they are.
 */

import { z } from "zod";
import { fail } from "../errors.ts";
import type { Lookup } from "../network/lookup.ts";
import { checkParameters, type ParameterMap, type ParameterSpec } from "../network/parameters.ts";
import type { Value } from "../onnx/graph.ts";
import { mul, neg, reshape } from "../onnx/ops.ts";
import { type GatedConfig, gatedLayers, imageFields } from "./config.ts";
import {
  deconvolutionFields,
  deconvolutionOutputs,
  deconvolutionParameters,
  deconvolutionWidth,
  outputLevels,
  squaredError,
} from "./deconvolution.ts";
import { encoderOutputs, encoderParameters, encoderSchema } from "./encoder.ts";
import { pixelcnnLogProbability } from "./log-probability.ts";
import { configProblems, largestMap, pixelcnnParameters } from "./networks.ts";
import { objectOf } from "./schema.ts";

const decoderSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("pixelcnn"),
    ...objectOf(gatedLayers).shape,
    /**
     * Feature maps of m(h), which tells each place of the image its own of the latents; 0: V h, the same everywhere.
     */
    mapFeatures: z.int().min(0).max(4096).default(0),
    /**
     * Whether m(h) has a linear path too, one feature a channel. With the encoder's it begins as the image of the
     * principal components, so that the layers see a blurred image from the first step on.
     */
    linear: z.boolean().default(false),
  }),
  z.strictObject({ kind: z.literal("deconvolution"), ...deconvolutionFields }),
]);
type DecoderConfig = z.output<typeof decoderSchema>;

export const autoencoderSchema = z
  .strictObject({
    family: z.literal("autoencoder"),
    ...objectOf(imageFields).shape,
    /** Numbers that an image becomes, m. */
    latents: z.int().min(1).max(65536).default(10),
    encoder: encoderSchema.prefault({}),
    decoder: decoderSchema.prefault({ kind: "pixelcnn" }),
  })
  .superRefine((config, context) => {
    const { decoder } = config;
    if (decoder.kind === "pixelcnn" && decoder.linear && decoder.mapFeatures === 0) {
      const message = "expected mapFeatures above 0 beside a linear path, which is a part of m(h), but received 0";
      context.addIssue({ code: "custom", path: ["decoder", "mapFeatures"], message });
    }
    // What a PixelCNN asks of its fields, asked of the decoder's.
    const pixelcnn = decoderOf(config).pixelcnn(config);
    for (const { path, message } of pixelcnn ? configProblems(pixelcnn) : [])
      context.addIssue({ code: "custom", path: ["decoder", ...path.split(".")], message });
  });
/** A resolved auto-encoder config. */
export type AutoencoderConfig = z.output<typeof autoencoderSchema>;

/** Optional inputs of the loss, for each image of a batch: [B], 1 or 0. */
export interface LeftOut {
  /** 0 for an image whose latents are left out (zeros, the null condition). Default: all are kept. */
  readonly keep?: Value | null | undefined;
  /** 0 for an image whose pixels the decoder is not shown. Default: it sees all. */
  readonly sees?: Value | null | undefined;
}

/** The two decoders, a row each. */
interface Decoder<D extends DecoderConfig> {
  readonly unit: "nats" | "squared error";
  parameters(config: AutoencoderConfig & { decoder: D }): ParameterSpec[];
  /** [B], of each image. */
  loss(
    config: AutoencoderConfig & { decoder: D },
    lookup: Lookup,
    pixels: Value,
    latents: Value,
    sees: LeftOut["sees"],
  ): Value;
  /** Numbers of its largest layer, per image. */
  largestLayer(config: AutoencoderConfig & { decoder: D }): number;
  /** The PixelCNN that it is: p(image | latents). */
  pixelcnn(config: AutoencoderConfig & { decoder: D }): GatedConfig | null;
  /** latents [B, m] -> levels [B, H, W, C], not rounded; null for one that is sampled instead. */
  readonly reconstruct: ((config: AutoencoderConfig & { decoder: D }, lookup: Lookup, latents: Value) => Value) | null;
}
type DecoderOf<K extends DecoderConfig["kind"]> = Extract<DecoderConfig, { kind: K }>;

const DECODERS: { readonly [K in DecoderConfig["kind"]]: Decoder<DecoderOf<K>> } = {
  pixelcnn: {
    unit: "nats",
    parameters: (config) => pixelcnnParameters(decoderConfig(config)),
    loss: (config, lookup, pixels, latents, sees) =>
      neg(pixelcnnLogProbability(decoderConfig(config), lookup, { pixels, condition: latents, sees })),
    largestLayer: (config) => largestMap(decoderConfig(config)),
    pixelcnn: ({ height, width, channels, levels, latents, decoder: { kind: _, mapFeatures, linear, ...layers } }) => {
      const condition = {
        kind: "vector" as const,
        size: latents,
        ...(mapFeatures > 0 ? { features: mapFeatures } : {}),
        ...(mapFeatures > 0 && linear ? { linear: channels } : {}),
      };
      return { family: "gated-pixelcnn", height, width, channels, levels, ...layers, condition };
    },
    reconstruct: null,
  },
  deconvolution: {
    unit: "squared error",
    parameters: (config) => deconvolutionParameters(config.decoder, config, config.latents),
    loss: (config, lookup, pixels, latents) =>
      squaredError(deconvolutionOutputs(config.decoder, config, lookup, latents), pixels, config.levels),
    largestLayer: (config) => deconvolutionWidth(config.decoder, config),
    pixelcnn: () => null,
    reconstruct: (config, lookup, latents) =>
      outputLevels(deconvolutionOutputs(config.decoder, config, lookup, latents), config.levels),
  },
};

/** What a config's decoder does. */
export function decoderOf(config: AutoencoderConfig): Decoder<DecoderConfig> {
  return DECODERS[config.decoder.kind] as unknown as Decoder<DecoderConfig>;
}

/** The PixelCNN decoder as a model of its own: p(image | latents). */
export function decoderConfig(config: AutoencoderConfig): GatedConfig {
  const { kind } = config.decoder;
  return (
    decoderOf(config).pixelcnn(config) ??
    fail("usage", `expected an auto-encoder with a pixelcnn decoder but received one with a ${kind} decoder`)
  );
}

/** The decoder's parameters out of the auto-encoder's; those of {@link decoderConfig} for a PixelCNN. */
export function decoderParameters(config: AutoencoderConfig, parameters: ParameterMap): ParameterMap {
  checkParameters(autoencoderParameters(config), parameters);
  return new Map([...parameters].filter(([name]) => !name.startsWith("encoder.")));
}

/** The encoder's parameters, then the decoder's. */
export function autoencoderParameters(config: AutoencoderConfig): ParameterSpec[] {
  return [...encoderParameters(config.encoder, config, config.latents), ...decoderOf(config).parameters(config)];
}

/** pixels [B, H, W, C] uint8 -> latents [B, m]. */
export function latentsOf(config: AutoencoderConfig, lookup: Lookup, pixels: Value): Value {
  return encoderOutputs(config.encoder, config, lookup, pixels);
}

/**
 * Loss of each image, [B]: nats of p(image | its latents), or the squared error of the reconstruction, summed over
 * sub-pixels.
 */
export function autoencoderLoss(
  config: AutoencoderConfig,
  lookup: Lookup,
  pixels: Value,
  { keep, sees }: LeftOut = {},
): Value {
  const codes = latentsOf(config, lookup, pixels);
  const latents = keep ? mul(codes, reshape(keep, [keep.shape[0]!, 1])) : codes;
  return decoderOf(config).loss(config, lookup, pixels, latents, sees);
}

/**
 * latents [B, m] -> the deconvolution's reconstruction [B, H, W, C] as levels, 0 .. levels - 1, clipped but not
 * rounded.
 */
export function reconstruction(config: AutoencoderConfig, lookup: Lookup, latents: Value): Value {
  const { reconstruct } = decoderOf(config);
  return reconstruct
    ? reconstruct(config, lookup, latents)
    : fail(
        "usage",
        "expected an auto-encoder with a deconvolution decoder to reconstruct with but received one with a " +
          `${config.decoder.kind} decoder, ` +
          "which is sampled instead",
      );
}
