/**
 * One door to the families of models, for training, encoding and whatever reads a config: what a model is, its parameters, its inputs, its loss.
 * A config without a family is a Gated PixelCNN.
 */

import { z } from "zod";
import { fail } from "../errors.ts";
import { countOf, type Lookup, lookupFlat, type ParameterSpec } from "../nn/params.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { mul, neg, reduceSum } from "../onnx/ops.ts";
import { autoencoderLoss, autoencoderParameters, autoencoderSchema, latentsOf, reconstruction } from "./autoencoder.ts";
import { conditionNumbersOf } from "./condition.ts";
import { parseStrict, pixelcnnSchema } from "./config.ts";
import { deconvolutionWidth } from "./deconvolution.ts";
import { embedderLoss, embedderParameters, embedderSchema, embeddingsOf } from "./embedder.ts";
import { encoderWidth } from "./encoder.ts";
import { pixelcnnLogProbability, pixelcnnParameters } from "./pixelcnn.ts";

export const modelSchema = z.discriminatedUnion("family", [pixelcnnSchema, autoencoderSchema, embedderSchema]);
/** A resolved config of any family. */
export type ModelConfig = z.output<typeof modelSchema>;
/** What a user may write. */
export type ModelInput = z.input<typeof modelSchema>;

/** Checks a model config of any family and fills in the defaults. */
export function resolveModel(input: unknown): ModelConfig {
  return parseStrict(modelSchema, input, "the model config");
}

/** Every parameter of the model, in the order of its page in docs/model.md. */
export function modelParameters(config: ModelConfig): ParameterSpec[] {
  switch (config.family) {
    case "gated-pixelcnn":
      return pixelcnnParameters(config);
    case "autoencoder":
      return autoencoderParameters(config);
    case "embedder":
      return embedderParameters(config);
  }
}

export interface ModelInputs {
  /** Numbers an image of the condition, D; 0 for none. */
  readonly condition: number;
  /** Whether the loss asks for the class of each image. */
  readonly labels: boolean;
  /** Whether the loss can be told which images' own codes to leave out: an auto-encoder whose decoder is a PixelCNN. */
  readonly keep: boolean;
  /** Whether the loss can be told which images' pixels not to show: a PixelCNN that has a condition to go by instead. */
  readonly sees: boolean;
}

/** What a loss wants beside the pixels. */
export function modelInputs(config: ModelConfig): ModelInputs {
  return {
    condition: config.family === "gated-pixelcnn" && config.condition ? conditionNumbersOf(config.condition) : 0,
    labels: config.family === "embedder",
    keep: config.family === "autoencoder" && config.decoder.kind === "pixelcnn",
    sees:
      config.family === "autoencoder"
        ? config.decoder.kind === "pixelcnn"
        : config.family === "gated-pixelcnn" && config.condition !== null,
  };
}

export interface LossInputs {
  /** [B, H, W, C] uint8. */
  readonly pixels: Value;
  /** [B, D], for a PixelCNN with a condition. */
  readonly condition?: Value | null | undefined;
  /** [B] int32, for an embedder. */
  readonly labels?: Value | null | undefined;
  /** [B], 1 or 0, for an auto-encoder with a PixelCNN: 0 leaves an image's latents out. */
  readonly keep?: Value | null | undefined;
  /** [B], 1 or 0, for a PixelCNN with a condition: 0 does not show it an image's pixels. */
  readonly sees?: Value | null | undefined;
}

/**
 * The loss summed over the batch's images, a scalar: nats, squared error, or B times the triplet loss, so that divided by B it is the mean.
 */
export function modelLoss(config: ModelConfig, lookup: Lookup, inputs: LossInputs): Value {
  const { pixels, condition = null, labels = null, keep = null, sees = null } = inputs;
  switch (config.family) {
    case "gated-pixelcnn":
      return neg(reduceSum(pixelcnnLogProbability(config, lookup, pixels, condition, sees)));
    case "autoencoder":
      return reduceSum(autoencoderLoss(config, lookup, pixels, { keep, sees }));
    case "embedder":
      if (!labels) return fail("usage", "expected the class of each image to train an embedder with but received no labels");
      return mul(embedderLoss(config, lookup, pixels, labels), pixels.shape[0]!);
  }
}

/** What the loss of an image is measured in. */
export function lossUnit(config: ModelConfig): "nats" | "squared error" | "triplet loss" {
  if (config.family === "embedder") return "triplet loss";
  return config.family === "autoencoder" && config.decoder.kind === "deconvolution" ? "squared error" : "nats";
}

/** Whether the loss of a batch is the sum of its images', so that a batch may be cut into shards. */
export function separable(config: ModelConfig): boolean {
  return config.family !== "embedder";
}

/**
 * What knowing nothing costs, an image: the nats of a uniform guess; the squared error of a mid-grey image at its worst, one a sub-pixel;
 * the largest triplet loss there is. A loss several times this has diverged.
 */
export function uniformLoss(config: ModelConfig): number {
  const dims = config.height * config.width * config.channels;
  if (config.family === "embedder") return 4 + config.margin;
  return lossUnit(config) === "nats" ? dims * Math.log(config.levels) : dims;
}

/** Numbers of the largest layer, an image: what decides how many images fit in a cache together. */
export function largestLayer(config: ModelConfig): number {
  const { height, width } = config;
  if (config.family === "gated-pixelcnn") return height * width * config.features;
  const encoder = encoderWidth(config.encoder, config);
  if (config.family === "embedder") return encoder;
  const { decoder } = config;
  return Math.max(encoder, decoder.kind === "pixelcnn" ? height * width * decoder.features : deconvolutionWidth(decoder, config));
}

/** Numbers that an image becomes: latents of an auto-encoder, the embedding of an embedder. */
export function codeSize(config: ModelConfig): number {
  if (config.family === "autoencoder") return config.latents;
  return config.family === "embedder" ? config.size : noEncoder();
}

/** pixels [B, H, W, C] uint8 -> codes [B, m]: latents, any real numbers, or embeddings of length one. */
export function modelCodes(config: ModelConfig, lookup: Lookup, pixels: Value): Value {
  if (config.family === "autoencoder") return latentsOf(config, lookup, pixels);
  return config.family === "embedder" ? embeddingsOf(config, lookup, pixels) : noEncoder();
}

const noEncoder = (): never =>
  fail("usage", "expected an auto-encoder or an embedder to encode with but received a gated-pixelcnn, which has no encoder");

/** Encoding: `pixels` uint8 [B, H, W, C] and flat `weights` (all of the model's) -> `codes` float32 [B, m]. */
export function encoderGraph(config: ModelConfig, batch: number): Graph {
  const graph = new Graph("encoder");
  const specs = modelParameters(config);
  const pixels = graph.input("pixels", "uint8", [batch, config.height, config.width, config.channels]);
  const weights = graph.input("weights", "float32", [countOf(specs)]);
  graph.output("codes", modelCodes(config, lookupFlat(specs, weights), pixels));
  return graph;
}

/** Reconstruction by a deconvolution: `codes` float32 [B, m] and flat `weights` -> `pixels` float32 [B, H, W, C], 0 .. levels - 1. */
export function reconstructionGraph(config: ModelConfig, batch: number): Graph {
  if (config.family !== "autoencoder")
    return fail("usage", `expected an auto-encoder to reconstruct with but received a model of family ${config.family}`);
  const graph = new Graph("reconstruction");
  const specs = modelParameters(config);
  const codes = graph.input("codes", "float32", [batch, config.latents]);
  const weights = graph.input("weights", "float32", [countOf(specs)]);
  graph.output("pixels", reconstruction(config, lookupFlat(specs, weights), codes));
  return graph;
}
