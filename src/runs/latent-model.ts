/**
 * The two halves of a model that knows images by their codes: what turns an image into a code (an auto-encoder's
 * latents, an embedding, a thumbnail), and what turns a code into images (a PixelCNN that draws them, or a
 * deconvolution). For `--like`, `encode`, `reconstruct` and `interpolate`.
 */

import { isAbsolute, join } from "node:path";
import { type Dataset, datasetFromArrays } from "../data/dataset.ts";
import { thumbnailOf } from "../data/thumbnails.ts";
import { fail } from "../errors.ts";
import { checkSignal } from "../jobs.ts";
import { decode, type EncodeOptions, encode } from "../measure/encode.ts";
import { describeCondition } from "../models/condition.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import { codeSize, codesKind, familyName, lossUnit, pixelcnnIn } from "../models/families.ts";
import { type Model, pixelcnnOf } from "../models/model.ts";
import type { ModelImages } from "./model-images.ts";
import { folderOf, type OpenedModel, openModel } from "./open-model.ts";

export interface ImageCodes {
  /** Embeddings have length one. */
  readonly kind: "latents" | "embedding" | "thumbnail";
  /** Of one image's code: [m], or a thumbnail's [h, w, C]. */
  readonly shape: readonly number[];
  /** Codes of all images, one after another in the data set's order. */
  of(data: Dataset, options?: EncodeOptions): Promise<Float32Array>;
}

/** What makes codes: the model itself, or the encoder that it is conditioned through; null where there is neither. */
export async function codesOf(opened: OpenedModel): Promise<ImageCodes | null> {
  const { config: model } = opened;
  const { condition: source } = opened.run;
  const kind = codesKind(model);
  if (kind) return { kind, shape: [codeSize(model)], of: (data, options) => encode(opened, data, options) };
  if (source?.from === "encoder")
    return codesOf(await openModel(isAbsolute(source.model) ? source.model : join(folderOf(opened), source.model)));
  if (source?.from !== "thumbnail") return null;
  const { height, width } = source;
  const shape = [height, width, model.channels];
  return { kind: "thumbnail", shape, of: (data, options) => thumbnailsOf(data, { height, width }, options) };
}

/** The codes of a model that must have some. */
export async function expectCodes(model: OpenedModel): Promise<ImageCodes> {
  const codes = await codesOf(model);
  if (codes) return codes;
  const { condition } = model.config as PixelcnnConfig;
  const given =
    condition === null ? "without a condition" : `conditioned on ${describeCondition(condition)}, not on images`;
  return fail(
    "model",
    "expected a model with an encoder (an auto-encoder, an embedder, or a Gated PixelCNN trained with --condition " +
      "encoder:MODEL, peers:MODEL or " +
      `thumbnail:HxW) but ${model.name} is ${familyName(model.config)} ${given}`,
  );
}

async function thumbnailsOf(
  data: Dataset,
  size: { readonly height: number; readonly width: number },
  { signal, onProgress }: EncodeOptions = {},
): Promise<Float32Array> {
  const each = data.height * data.width * data.channels;
  const thumbnails: Float32Array[] = [];
  for (let from = 0; from < data.length; from += 256) {
    checkSignal(signal);
    const indices = Array.from({ length: Math.min(256, data.length - from) }, (_, i) => from + i);
    const { pixels } = await data.batch(indices);
    for (const i of indices.keys()) thumbnails.push(thumbnailOf(pixels.subarray(i * each, (i + 1) * each), data, size));
    onProgress?.({ done: thumbnails.length, total: data.length });
  }
  return joined(thumbnails);
}

/** The images of `readImages` as data. */
export function asDataset(
  { pixels, names }: ModelImages,
  shape: Pick<Dataset, "height" | "width" | "channels" | "levels">,
): Dataset {
  const { height, width, channels, levels } = shape;
  const parts = { name: "images", split: "all", height, width, channels, levels, classes: null };
  return datasetFromArrays({ ...parts, nameOf: (i) => names[i]! }, pixels);
}

/** The code of each image. */
export async function codesEach(codes: ImageCodes, data: Dataset, options?: EncodeOptions): Promise<Float32Array[]> {
  const all = await codes.of(data, options);
  const m = all.length / data.length;
  return Array.from({ length: data.length }, (_, i) => all.slice(i * m, (i + 1) * m));
}

/** What makes images of codes. */
export type CodeImages =
  /** Draws them, under the code as a condition. */
  | { readonly kind: "pixelcnn"; readonly model: Model<PixelcnnConfig> }
  /** Gives one image a code: levels [N, H, W, C], not rounded. */
  | {
      readonly kind: "deconvolution";
      of(codes: readonly Float32Array[], options?: EncodeOptions): Promise<Float32Array>;
    };

/** The half of a model that makes images. */
export function imagesOf(opened: OpenedModel): CodeImages {
  const { name, config: model } = opened;
  if (pixelcnnIn(model)) return { kind: "pixelcnn", model: pixelcnnOf(opened) };
  if (lossUnit(model) !== "squared error")
    return fail(
      "model",
      `expected a model that makes images but ${name} is ${familyName(model)}; a model conditioned on its ` +
        `embeddings makes them: train with --condition encoder:${name}`,
    );
  return { kind: "deconvolution", of: (codes, options) => decode(opened, joined(codes), options) };
}

/** Levels that need not be whole as 0 .. 255, so that the blur of a model of few levels is seen. */
export function asGreys(levels: Float32Array, { levels: count }: { readonly levels: number }): Uint8Array {
  return Uint8Array.from(levels, (v) => Math.round((v * 255) / (count - 1)));
}

function joined(codes: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(codes.reduce((sum, code) => sum + code.length, 0));
  let at = 0;
  for (const code of codes) {
    all.set(code, at);
    at += code.length;
  }
  return all;
}
