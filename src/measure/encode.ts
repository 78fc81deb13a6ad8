/**
 * Images of a data set through an encoder, and codes through a deconvolution, on the throughput engine: each image
 * once, in order.
 */

import { type Dataset, subset } from "../data/dataset.ts";
import { fail } from "../errors.ts";
import {
  codeSize,
  encoderGraph,
  largestLayer,
  type ModelConfig,
  modelParameters,
  reconstructionGraph,
} from "../models/families.ts";
import type { Model } from "../models/model.ts";
import { flatten } from "../network/parameters.ts";
import type { Graph } from "../onnx/graph.ts";
import { tensor } from "../tensor.ts";
import { type BatchOptions, type Call, inBatches } from "./batches.ts";

export type EncodeOptions = BatchOptions;

/** Codes of all images, [N, m], in the data set's order: latents of an auto-encoder, or embeddings of length one. */
export async function encode(model: Model, data: Dataset, options: EncodeOptions = {}): Promise<Float32Array> {
  const { config } = model;
  const { height, width, channels } = config;
  // First: images of another size are no matter to a model without an encoder.
  const m = codeSize(config);
  checkImages(config, data);
  const codes = new Float32Array(data.length * m);
  await run(model, data.length, encoderGraph, options, async (indices) => ({
    inputs: { pixels: tensor("uint8", [indices.length, height, width, channels], (await data.batch(indices)).pixels) },
    take: (outputs, from, size) => codes.set((outputs.codes!.data as Float32Array).subarray(0, size * m), from * m),
  }));
  return codes;
}

/** Images of codes [N, m] by an auto-encoder's deconvolution: [N, H, W, C] as levels, 0 .. levels - 1, not rounded. */
export async function decode(model: Model, codes: Float32Array, options: EncodeOptions = {}): Promise<Float32Array> {
  const { config } = model;
  const m = codeSize(config);
  const count = codes.length / m;
  if (!Number.isInteger(count))
    fail(
      "usage",
      `expected ${m} numbers an image, the latents of its auto-encoder, but received ${codes.length} in all`,
    );
  const each = config.height * config.width * config.channels;
  const pixels = new Float32Array(count * each);
  await run(model, count, reconstructionGraph, options, async (indices) => {
    const chosen = new Float32Array(indices.length * m);
    indices.forEach((index, i) => {
      chosen.set(codes.subarray(index * m, (index + 1) * m), i * m);
    });
    return {
      inputs: { codes: tensor("float32", [indices.length, m], chosen) },
      take: (outputs, from, size) =>
        pixels.set((outputs.pixels!.data as Float32Array).subarray(0, size * each), from * each),
    };
  });
  return pixels;
}

/** Throws unless a data set's images are of a model's size, channels and levels. */
export function checkImages(
  config: ModelConfig,
  data: Pick<Dataset, "name" | "height" | "width" | "channels" | "levels">,
): void {
  for (const axis of ["height", "width", "channels", "levels"] as const) {
    if (data[axis] !== config[axis])
      fail(
        "usage",
        `expected images of ${axis} ${config[axis]}, as the model's config says, but ${data.name} has ${axis} ` +
          `${data[axis]}`,
      );
  }
}

/** Each image's own latents, as the conditions of an auto-encoder's decoder. */
export async function ownLatents(
  model: Model,
  data: Dataset,
  {
    limit,
    device,
    threads,
    signal,
  }: Omit<EncodeOptions, "batch" | "onProgress"> & { readonly limit?: number | undefined } = {},
): Promise<Float32Array[]> {
  const some = limit === undefined || limit >= data.length ? data : subset(data, { to: limit });
  const codes = await encode(model, some, { device, threads, signal });
  const m = codeSize(model.config);
  return Array.from({ length: some.length }, (_, i) => codes.subarray(i * m, (i + 1) * m));
}

/** Runs a graph of a model over images 0 .. count - 1. */
function run(
  { config, parameters }: Model,
  count: number,
  graphOf: (config: ModelConfig, batch: number) => Graph,
  options: EncodeOptions,
  prepare: (indices: number[]) => Promise<Call>,
): Promise<void> {
  const weights = flatten(modelParameters(config), parameters);
  const batch = Math.max(1, Math.min(count, options.batch ?? Math.max(1, Math.floor(240_000 / largestLayer(config)))));
  return inBatches({ graph: graphOf(config, batch), weights, batch, count }, options, prepare);
}
