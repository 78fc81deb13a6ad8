/** What a deconvolution trained on squared error makes of images' codes, beside the images. */

import type { Dataset } from "../data/dataset.ts";
import { fail } from "../errors.ts";
import type { EncodeOptions } from "../measure/encode.ts";
import { familyName, lossUnit, type ModelConfig } from "../models/families.ts";
import { codesEach, expectCodes, imagesOf } from "./latent-model.ts";
import { type OpenedModel, openModel } from "./open-model.ts";

/** An auto-encoder whose reconstructions can stand beside the model's images. */
export async function openBaseline(name: string, { name: other, config: model }: OpenedModel): Promise<OpenedModel> {
  const baseline = await openModel(name);
  const own = baseline.config;
  if (lossUnit(own) !== "squared error")
    return fail(
      "model",
      `expected an auto-encoder with a deconvolution decoder for --baseline but ${name} is ${familyName(own)}`,
    );
  const imagesOfModel = (m: typeof model): string => `${m.height}x${m.width}x${m.channels}, ${m.levels} levels`;
  if (imagesOfModel(own) !== imagesOfModel(model))
    fail(
      "model",
      `expected a baseline for images of ${imagesOfModel(model)}, as ${other} has, but ${name} is for ` +
        `${imagesOfModel(own)}`,
    );
  return baseline;
}

/** Each image's code through the same model's deconvolution: levels [N, H, W, C], not rounded. */
export async function reconstruct(model: OpenedModel, data: Dataset, options: EncodeOptions): Promise<Float32Array> {
  const back = imagesOf(model);
  if (back.kind !== "deconvolution")
    return fail("internal", `expected a deconvolution in ${model.name} but found a ${back.kind}`);
  return back.of(await codesEach(await expectCodes(model), data, options), options);
}

/** Of each image, summed over its sub-pixels, x in -1 .. 1: what `eval` averages. */
export function squaredErrors(pixels: Uint8Array, back: Float32Array, model: ModelConfig): number[] {
  const size = model.height * model.width * model.channels;
  const unit = (2 / (model.levels - 1)) ** 2;
  return Array.from({ length: pixels.length / size }, (_, i) => {
    let sum = 0;
    for (let p = i * size; p < (i + 1) * size; p++) sum += (pixels[p]! - back[p]!) ** 2;
    return sum * unit;
  });
}
