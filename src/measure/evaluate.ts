/**
 * The number that says how good a model is on a data set, for each family: likelihood of a PixelCNN or of an
 * auto-encoder's images given their latents, squared error of a deconvolution, verification of an embedder.
 */

import type { Dataset } from "../data/dataset.ts";
import { subset } from "../data/dataset.ts";
import { labelsOf } from "../data/split-by-class.ts";
import { codesKind, lossUnit, pixelcnnIn } from "../models/families.ts";
import type { Model } from "../models/model.ts";
import { decode, encode } from "./encode.ts";
import { type Likelihood, type LikelihoodOptions, likelihood } from "./likelihood.ts";
import { verification } from "./verification.ts";

export type Evaluation =
  | {
      readonly kind: "likelihood";
      readonly images: number;
      readonly nats: number;
      readonly bitsPerDim: number;
      readonly standardError: number;
    }
  /** Mean over the images of the summed squared error, x in -1 .. 1, and the root mean square error in levels. */
  | { readonly kind: "error"; readonly images: number; readonly squaredError: number; readonly levels: number }
  | { readonly kind: "verification"; readonly images: number; readonly auc: number; readonly balancedAccuracy: number };

export async function evaluate(model: Model, data: Dataset, options: LikelihoodOptions = {}): Promise<Evaluation> {
  const { config } = model;
  const { limit, device, threads, signal, onProgress } = options;
  const some = limit === undefined || limit >= data.length ? data : subset(data, { to: limit });
  if (lossUnit(config) === "triplet loss") {
    const codes = await encode(model, some, { device, threads, signal, onProgress });
    const labels = await labelsOf(some);
    const { auc, accuracy: balancedAccuracy } = verification(codes, labels);
    return { kind: "verification", images: some.length, auc, balancedAccuracy };
  }
  if (pixelcnnIn(config)) {
    // An auto-encoder's images have their own latents, whatever others are given.
    const own = codesKind(config) === "latents" ? { ...options, conditions: undefined } : options;
    return summary(await likelihood(model, data, own));
  }
  const codes = await encode(model, some, { device, threads, signal });
  const pixels = await decode(model, codes, { device, threads, signal, onProgress });
  const dims = config.height * config.width * config.channels;
  let sum = 0;
  for (let from = 0; from < some.length; from += 256) {
    const indices = Array.from({ length: Math.min(256, some.length - from) }, (_, i) => from + i);
    const batch = await some.batch(indices, { epoch: 0 });
    for (let i = 0; i < batch.pixels.length; i++) sum += (batch.pixels[i]! - pixels[from * dims + i]!) ** 2;
  }
  const each = sum / some.length;
  return {
    kind: "error",
    images: some.length,
    squaredError: each * (2 / (config.levels - 1)) ** 2,
    levels: Math.sqrt(each / dims),
  };
}

/** The evaluation as one readable line. */
export function describeEvaluation(evaluation: Evaluation): string {
  if (evaluation.kind === "error")
    return (
      `squared error ${evaluation.squaredError.toFixed(2)} an image (x in -1 .. 1), ` +
      `${evaluation.levels.toFixed(2)} levels root mean square`
    );
  if (evaluation.kind === "verification")
    return (
      `ROC AUC ${evaluation.auc.toFixed(4)}, best balanced accuracy ` +
      `${(100 * evaluation.balancedAccuracy).toFixed(1)} %`
    );
  // Also what the logs of earlier versions hold, which do not say their kind.
  return `${evaluation.bitsPerDim.toFixed(4)} bits/dim, ${evaluation.nats.toFixed(2)} nats an image`;
}

function summary({ images, nats, bitsPerDim, standardError }: Likelihood): Evaluation {
  return { kind: "likelihood", images, nats, bitsPerDim, standardError };
}
