/** The argument `<model>`: a run's or model's folder, or the name of a model that ships in the package's `models/`. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail } from "../errors.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import { pixelcnnOf } from "../models/families.ts";
import type { Parameters } from "../network/parameters.ts";
import { loadModel } from "../train/checkpoint.ts";
import type { RunConfig } from "../train/config.ts";
import { didYouMean } from "./nearest.ts";

/** A model of any family. */
export interface AnyModel {
  /** As the user named it. */
  readonly name: string;
  readonly folder: string;
  readonly config: RunConfig;
  readonly parameters: Parameters;
  /** Training steps behind the weights. */
  readonly step: number;
}

/** A model that gives the probability of an image: a PixelCNN, or the decoder of an auto-encoder whose decoder is one. */
export interface OpenModel extends AnyModel {
  readonly config: RunConfig<PixelcnnConfig>;
  /** What it was opened from. */
  readonly whole: AnyModel;
}

const SHIPPED = fileURLToPath(new URL("../../models/", import.meta.url));

/** Names of the models in the package. */
export function shippedModels(): string[] {
  if (!existsSync(SHIPPED)) return [];
  return readdirSync(SHIPPED, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(SHIPPED, entry.name, "config.json")))
    .map((entry) => entry.name)
    .sort();
}

export function shippedFolder(name: string): string {
  return join(SHIPPED, name);
}

/** Where the model lies; a path that exists comes before a shipped name. */
function findModel(name: string): string {
  if (existsSync(join(name, "config.json"))) return name;
  const shipped = shippedModels();
  if (shipped.includes(name)) return shippedFolder(name);
  if (existsSync(name)) return fail("model", `expected a run or model folder at ${name} but it holds no config.json`);
  const ships =
    shipped.length > 0
      ? `the name of a shipped model (${shipped.join(", ")})`
      : "the name of a shipped model (this build ships none)";
  return fail(
    "usage",
    `expected a run or model folder, or ${ships}, but received ${JSON.stringify(name)}${didYouMean(name, shipped)}`,
  );
}

export async function openAnyModel(name: string): Promise<AnyModel> {
  const folder = findModel(name);
  if (!existsSync(join(folder, "model.safetensors"))) {
    fail(
      "model",
      `expected weights in ${folder} but there is no model.safetensors: the run was stopped before its first checkpoint; train on with: pixelcnn train --resume --out ${folder}`,
    );
  }
  return { name, folder, ...(await loadModel(folder)) };
}

/** Opens a model that gives probabilities; for an auto-encoder, its decoder. */
export async function openModel(name: string): Promise<OpenModel> {
  const whole = await openAnyModel(name);
  const { model, parameters } = pixelcnnOf(whole.config.model, whole.parameters, name);
  return { ...whole, config: { ...whole.config, model }, parameters, whole };
}
