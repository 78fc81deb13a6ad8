/**
 * One door to the families of models, for training, encoding and whatever reads a config: what a model is, its
 * parameters, its inputs, its loss. A family is a row of the table below; those that give an image a probability share
 * one, and are rows of networks.ts.
 */

import type { z } from "zod";
import { fail } from "../errors.ts";
import { type Lookup, lookupFlat } from "../network/lookup.ts";
import { countOf, type ParameterMap, type ParameterSpec } from "../network/parameters.ts";
import { Graph, type Value } from "../onnx/graph.ts";
import { mul, neg, reduceSum } from "../onnx/ops.ts";
import {
  type AutoencoderConfig,
  autoencoderLoss,
  autoencoderParameters,
  autoencoderSchema,
  decoderOf,
  decoderParameters,
  latentsOf,
  reconstruction,
} from "./autoencoder.ts";
import { conditionNumbersOf } from "./condition.ts";
import type { ConditionConfig, PixelcnnConfig } from "./config.ts";
import { type EmbedderConfig, embedderLoss, embedderParameters, embedderSchema, embeddingsOf } from "./embedder.ts";
import { encoderWidth } from "./encoder.ts";
import { type LinearPaths, linearPathsOf } from "./linear-paths.ts";
import { pixelcnnLogProbability } from "./log-probability.ts";
import { describeLayers, largestMap, networkTitle, pixelcnnParameters } from "./networks.ts";
import { familySchema, parseStrict } from "./schema.ts";

export const modelSchema = familySchema<
  AutoencoderConfig | EmbedderConfig,
  z.input<typeof autoencoderSchema> | z.input<typeof embedderSchema>
>(autoencoderSchema, embedderSchema);
/** A resolved config of any family. */
export type ModelConfig = z.output<typeof modelSchema>;
/** What a user may write. */
export type ModelInput = z.input<typeof modelSchema>;

/** Checks a model config of any family and fills in the defaults. */
export function resolveModel(input: unknown): ModelConfig {
  return parseStrict(modelSchema, input, "the model config");
}

export interface ModelInputs {
  /** Numbers of the condition per image, D; 0 for none. */
  readonly condition: number;
  /** Whether the loss needs the class of each image. */
  readonly labels: boolean;
  /** Whether the loss takes the input `keep`: an auto-encoder whose decoder is a PixelCNN. */
  readonly keep: boolean;
  /** Whether the loss takes the input `sees`: a PixelCNN with a condition. */
  readonly sees: boolean;
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

export type LossUnit = "nats" | "squared error" | "triplet loss";

/** What an encoder computes from an image: some numbers, and how many there are. */
interface Codes<M> {
  readonly kind: "latents" | "embedding";
  size(config: M): number;
  /** pixels [B, H, W, C] uint8 -> [B, m]. */
  of(config: M, lookup: Lookup, pixels: Value): Value;
}

interface Family<M> {
  /** Its name in a sentence, such as "an embedder". */
  title(config: M): string;
  parameters(config: M): ParameterSpec[];
  inputs(config: M): ModelInputs;
  /** The loss summed over the batch's images, a scalar, in its unit. */
  loss(config: M, lookup: Lookup, inputs: LossInputs): Value;
  unit(config: M): LossUnit;
  /** The loss per image of a model that knows nothing, in that unit. */
  uniformLoss(config: M): number;
  /** What the input `condition` is; null for none. */
  condition(config: M): ConditionConfig | null;
  /** Numbers of the largest layer, per image. */
  largestLayer(config: M): number;
  /** Whether the loss of a batch is the sum of its images'. */
  readonly separable: boolean;
  /** Null where there is no encoder. */
  readonly codes: Codes<M> | null;
  /** Paths that training begins at the principal components; null for none. */
  linearPaths(config: M): LinearPaths | null;
  /** The part that gives the probability of an image; null where there is none. */
  pixelcnn(config: M): PixelcnnConfig | null;
  pixelcnnParameters(config: M, parameters: ParameterMap): ParameterMap;
}

const dimsOf = ({ height, width, channels }: ModelConfig): number => height * width * channels;

const NOTHING: ModelInputs = { condition: 0, labels: false, keep: false, sees: false };

const pixelcnnFamily: Family<PixelcnnConfig> = {
  title: networkTitle,
  parameters: pixelcnnParameters,
  inputs: ({ condition }) => ({
    ...NOTHING,
    condition: condition ? conditionNumbersOf(condition) : 0,
    sees: condition !== null,
  }),
  loss: (config, lookup, inputs) => neg(reduceSum(pixelcnnLogProbability(config, lookup, inputs))),
  unit: () => "nats",
  uniformLoss: (config) => dimsOf(config) * Math.log(config.levels),
  condition: ({ condition }) => condition,
  largestLayer: largestMap,
  separable: true,
  codes: null,
  linearPaths: () => null,
  pixelcnn: (config) => config,
  pixelcnnParameters: (_, parameters) => parameters,
};

const autoencoder: Family<AutoencoderConfig> = {
  title: ({ decoder }) => `an auto-encoder with a ${decoder.kind} decoder`,
  parameters: autoencoderParameters,
  inputs: (config) => {
    const draws = decoderOf(config).pixelcnn(config) !== null;
    return { ...NOTHING, keep: draws, sees: draws };
  },
  loss: (config, lookup, { pixels, keep, sees }) => reduceSum(autoencoderLoss(config, lookup, pixels, { keep, sees })),
  unit: (config) => decoderOf(config).unit,
  uniformLoss: (config) =>
    decoderOf(config).unit === "nats" ? dimsOf(config) * Math.log(config.levels) : dimsOf(config),
  condition: () => null,
  largestLayer: (config) => Math.max(encoderWidth(config.encoder, config), decoderOf(config).largestLayer(config)),
  separable: true,
  codes: { kind: "latents", size: ({ latents }) => latents, of: latentsOf },
  linearPaths: linearPathsOf,
  pixelcnn: (config) => decoderOf(config).pixelcnn(config),
  pixelcnnParameters: decoderParameters,
};

const embedder: Family<EmbedderConfig> = {
  title: () => "an embedder",
  parameters: embedderParameters,
  inputs: () => ({ ...NOTHING, labels: true }),
  // B times the loss, so that divided by B it is the mean.
  loss: (config, lookup, { pixels, labels }) =>
    labels
      ? mul(embedderLoss(config, lookup, pixels, labels), pixels.shape[0]!)
      : fail("usage", "expected the class of each image to train an embedder with but received no labels"),
  unit: () => "triplet loss",
  uniformLoss: ({ margin }) => 4 + margin,
  condition: () => null,
  largestLayer: (config) => encoderWidth(config.encoder, config),
  separable: false,
  codes: { kind: "embedding", size: ({ size }) => size, of: embeddingsOf },
  linearPaths: linearPathsOf,
  pixelcnn: () => null,
  pixelcnnParameters: (_, parameters) => parameters,
};

const ENCODERS: Readonly<Record<string, Family<AutoencoderConfig> | Family<EmbedderConfig>>> = {
  autoencoder,
  embedder,
};
const familyOf = (config: ModelConfig): Family<ModelConfig> =>
  (ENCODERS[config.family] ?? pixelcnnFamily) as unknown as Family<ModelConfig>;

/** Every parameter of the model, in the order of its page in docs/model.md. */
export const modelParameters = (config: ModelConfig): ParameterSpec[] => familyOf(config).parameters(config);

/** What a loss wants beside the pixels. */
export const modelInputs = (config: ModelConfig): ModelInputs => familyOf(config).inputs(config);

/**
 * The loss summed over the batch's images, a scalar: nats, squared error, or B times the triplet loss, so that divided
 * by B it is the mean.
 */
export const modelLoss = (config: ModelConfig, lookup: Lookup, inputs: LossInputs): Value =>
  familyOf(config).loss(config, lookup, inputs);

/** What the loss of an image is measured in. */
export const lossUnit = (config: ModelConfig): LossUnit => familyOf(config).unit(config);

/** The condition that a model trains with: a class, a vector, a map; null for a model without one. */
export const modelCondition = (config: ModelConfig): ConditionConfig | null => familyOf(config).condition(config);

/** Whether the loss of a batch is the sum of its images', so that a batch may be cut into shards. */
export const separable = (config: ModelConfig): boolean => familyOf(config).separable;

/**
 * The loss per image of a model that knows nothing: the nats of a uniform guess; the squared error of a mid-grey image
 * at its worst, one per sub-pixel; the largest possible triplet loss. A loss several times this has diverged.
 */
export const uniformLoss = (config: ModelConfig): number => familyOf(config).uniformLoss(config);

/** Linear paths, which training begins at the principal components of its images; null for none. */
export const linearPaths = (config: ModelConfig): LinearPaths | null => familyOf(config).linearPaths(config);

/** Numbers of the largest layer, per image: they decide how many images fit in a cache together. */
export const largestLayer = (config: ModelConfig): number => familyOf(config).largestLayer(config);

/** A family's name in a sentence. */
export const familyName = (config: ModelConfig): string => familyOf(config).title(config);

/**
 * Which part of a model gives the probability of an image: a PixelCNN itself, or the decoder of an auto-encoder; null
 * where there is none.
 */
export const pixelcnnIn = (config: ModelConfig): PixelcnnConfig | null => familyOf(config).pixelcnn(config);

/** That PixelCNN's parameters out of the model's. */
export const pixelcnnParametersOf = (config: ModelConfig, parameters: ParameterMap): ParameterMap =>
  familyOf(config).pixelcnnParameters(config, parameters);

/**
 * What a model's encoder computes from an image: the latents of an auto-encoder, the embedding of an embedder; null
 * without an encoder.
 */
export const codesKind = (config: ModelConfig): "latents" | "embedding" | null => familyOf(config).codes?.kind ?? null;

/** Numbers that an image becomes: latents of an auto-encoder, the embedding of an embedder. */
export const codeSize = (config: ModelConfig): number => encoderOf(config).size(config);

/** pixels [B, H, W, C] uint8 -> codes [B, m]: latents, any real numbers, or embeddings of length one. */
const modelCodes = (config: ModelConfig, lookup: Lookup, pixels: Value): Value =>
  encoderOf(config).of(config, lookup, pixels);

function encoderOf(config: ModelConfig): Codes<ModelConfig> {
  return (
    familyOf(config).codes ??
    fail(
      "usage",
      `expected an auto-encoder or an embedder to encode with but received a ${config.family}, which has no encoder`,
    )
  );
}

/** Encoding: `pixels` uint8 [B, H, W, C] and flat `weights` (all of the model's) -> `codes` float32 [B, m]. */
export function encoderGraph(config: ModelConfig, batch: number): Graph {
  const graph = new Graph("encoder");
  const specs = modelParameters(config);
  const pixels = graph.input("pixels", "uint8", [batch, config.height, config.width, config.channels]);
  const weights = graph.input("weights", "float32", [countOf(specs)]);
  graph.output("codes", modelCodes(config, lookupFlat(specs, weights), pixels));
  return graph;
}

/**
 * Reconstruction by a deconvolution: `codes` float32 [B, m] and flat `weights` -> `pixels` float32 [B, H, W, C], 0 ..
 * levels - 1.
 */
export function reconstructionGraph(model: ModelConfig, batch: number): Graph {
  if (!("decoder" in model))
    return fail("usage", `expected an auto-encoder to reconstruct with but received a model of family ${model.family}`);
  const config = model;
  const graph = new Graph("reconstruction");
  const specs = modelParameters(config);
  const codes = graph.input("codes", "float32", [batch, config.latents]);
  const weights = graph.input("weights", "float32", [countOf(specs)]);
  graph.output("pixels", reconstruction(config, lookupFlat(specs, weights), codes));
  return graph;
}

/** The layers of a model, in words. */
export function describeNetwork(model: ModelConfig): string {
  const pixelcnn = pixelcnnIn(model);
  if (!("encoder" in model)) return `${model.family}, ${describeLayers(pixelcnn!)}`;
  const encoder = `encoder of ${model.encoder.features} features`;
  if (!("decoder" in model)) return `${model.family}, ${encoder} to ${model.size} numbers`;
  const decodes = pixelcnn ? `a PixelCNN of ${describeLayers(pixelcnn)}` : `a ${model.decoder.kind}`;
  return `${model.family}, ${encoder} to ${model.latents} latents, ${decodes}`;
}
