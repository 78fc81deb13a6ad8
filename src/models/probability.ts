/** Which part of a model gives the probability of an image: a PixelCNN itself, or the decoder of an auto-encoder. */

import { fail } from "../errors.ts";
import type { Parameters } from "../nn/params.ts";
import { decoderConfig, decoderParameters } from "./autoencoder.ts";
import type { PixelcnnConfig } from "./config.ts";
import type { ModelConfig } from "./family.ts";

/** The PixelCNN that a model is or decodes with; null where there is none. */
export function pixelcnnIn(model: ModelConfig): PixelcnnConfig | null {
  if (model.family === "gated-pixelcnn") return model;
  return model.family === "autoencoder" && model.decoder.kind === "pixelcnn" ? decoderConfig(model) : null;
}

/** That PixelCNN with its parameters; `name` is what an error calls the model. */
export function pixelcnnOf(
  model: ModelConfig,
  parameters: Parameters,
  name = "the model",
): { model: PixelcnnConfig; parameters: Parameters } {
  const found =
    pixelcnnIn(model) ??
    fail("model", `expected a model that gives the probability of an image but ${name} is ${familyName(model)}`);
  return { model: found, parameters: model.family === "autoencoder" ? decoderParameters(model, parameters) : parameters };
}

/** What a family is called. */
export function familyName(model: ModelConfig): string {
  if (model.family === "gated-pixelcnn") return "a Gated PixelCNN";
  return model.family === "embedder" ? "an embedder" : `an auto-encoder with a ${model.decoder.kind} decoder`;
}
