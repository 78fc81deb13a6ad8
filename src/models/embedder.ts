/**
 * Embedders: the encoder to a vector of length one, trained with a triplet loss so that images of one class lie
 * together. triplet.ts.
 */

import { z } from "zod";
import type { Lookup } from "../network/lookup.ts";
import type { ParameterSpec } from "../network/parameters.ts";
import type { Value } from "../onnx/graph.ts";
import { imageFields } from "./config.ts";
import { encoderOutputs, encoderParameters, encoderSchema } from "./encoder.ts";
import { objectOf } from "./schema.ts";
import { normalised, tripletLoss } from "./triplet.ts";

export const embedderSchema = z.strictObject({
  family: z.literal("embedder"),
  ...objectOf(imageFields).shape,
  /** Numbers of an embedding, m. */
  size: z.int().min(1).max(65536).default(32),
  encoder: encoderSchema.prefault({}),
  /** How much nearer an image of the same class should be than one of another, in squared distance (0 .. 4). */
  margin: z.number().gt(0).max(4).default(0.2),
});
/** A resolved embedder config. */
export type EmbedderConfig = z.output<typeof embedderSchema>;

export function embedderParameters(config: EmbedderConfig): ParameterSpec[] {
  return encoderParameters(config.encoder, config, config.size);
}

/** pixels [B, H, W, C] uint8 -> embeddings [B, m] of length one. */
export function embeddingsOf(config: EmbedderConfig, lookup: Lookup, pixels: Value): Value {
  const outputs = encoderOutputs(config.encoder, config, lookup, pixels);
  return pixels.graph.scope("embedding", () => normalised(outputs));
}

/** The triplet loss of a batch, a scalar: a mean over pairs. labels [B] int32, the class of each image. */
export function embedderLoss(config: EmbedderConfig, lookup: Lookup, pixels: Value, labels: Value): Value {
  return tripletLoss(embeddingsOf(config, lookup, pixels), labels, config.margin);
}
