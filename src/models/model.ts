/** A model is one value: its config and its weights. It is the first argument of every function that uses one. */

import { fail } from "../errors.ts";
import type { ParameterMap } from "../network/parameters.ts";
import type { PixelcnnConfig } from "./config.ts";
import { familyName, type ModelConfig, pixelcnnIn, pixelcnnParametersOf } from "./families.ts";

export interface Model<C extends ModelConfig = ModelConfig> {
  readonly config: C;
  /** Weights by name: exactly those that the config requires. */
  readonly parameters: ParameterMap;
}

/**
 * The part of a model that gives the probability of an image: a PixelCNN itself, or the decoder of an auto-encoder.
 * `name` is what an error calls it.
 */
export function pixelcnnOf({ config, parameters }: Model, name = "the model"): Model<PixelcnnConfig> {
  const found =
    pixelcnnIn(config) ??
    fail("model", `expected a model that gives the probability of an image but ${name} is ${familyName(config)}`);
  return { config: found, parameters: pixelcnnParametersOf(config, parameters) };
}
