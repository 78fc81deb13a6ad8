/** Images of a data set through an encoder, and codes through a deconvolution, on the throughput engine: each image once, in order. */

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
import { openPool } from "../onnx/pool.ts";
import { compile, type Device } from "../onnx/session.ts";
import { type Tensor, tensor } from "../tensor.ts";

export interface EncodeOptions {
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Images a call; the result does not depend on it beyond rounding. */
  readonly batch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

/** Codes of all images, [N, m], in the data set's order: latents of an auto-encoder, or embeddings of length one. */
export async function encode(model: Model, data: Dataset, options: EncodeOptions = {}): Promise<Float32Array> {
  const { config } = model;
  const { height, width, channels } = config;
  // First: images of another size are no matter to a model without an encoder.
  const m = codeSize(config);
  checkImages(config, data);
  const codes = new Float32Array(data.length * m);
  await inBatches(model, data.length, encoderGraph, options, async (indices) => ({
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
    fail("usage", `expected ${m} numbers an image, the latents of its auto-encoder, but received ${codes.length} in all`);
  const each = config.height * config.width * config.channels;
  const pixels = new Float32Array(count * each);
  await inBatches(model, count, reconstructionGraph, options, async (indices) => {
    const chosen = new Float32Array(indices.length * m);
    indices.forEach((index, i) => {
      chosen.set(codes.subarray(index * m, (index + 1) * m), i * m);
    });
    return {
      inputs: { codes: tensor("float32", [indices.length, m], chosen) },
      take: (outputs, from, size) => pixels.set((outputs.pixels!.data as Float32Array).subarray(0, size * each), from * each),
    };
  });
  return pixels;
}

/** Throws unless a data set's images are of a model's size, channels and levels. */
export function checkImages(config: ModelConfig, data: Pick<Dataset, "name" | "height" | "width" | "channels" | "levels">): void {
  for (const axis of ["height", "width", "channels", "levels"] as const) {
    if (data[axis] !== config[axis])
      fail(
        "usage",
        `expected images of ${axis} ${config[axis]}, as the model's config says, but ${data.name} has ${axis} ${data[axis]}`,
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
  }: Pick<EncodeOptions, "device" | "threads" | "signal"> & { readonly limit?: number | undefined } = {},
): Promise<Float32Array[]> {
  const some = limit === undefined || limit >= data.length ? data : subset(data, { to: limit });
  const codes = await encode(model, some, { device, threads, signal });
  const m = codeSize(model.config);
  return Array.from({ length: some.length }, (_, i) => codes.subarray(i * m, (i + 1) * m));
}

interface Call {
  readonly inputs: Record<string, Tensor>;
  /** Keeps what came of the first `size` images of the call, which are images `from` and on. */
  take(outputs: Record<string, Tensor>, from: number, size: number): void;
}

/** Runs a graph of a fixed batch over 0 .. count - 1 on all lanes. */
async function inBatches(
  { config, parameters }: Model,
  count: number,
  graphOf: (config: ModelConfig, batch: number) => Graph,
  { device, threads, signal, onProgress, ...options }: EncodeOptions,
  prepare: (indices: number[]) => Promise<Call>,
): Promise<void> {
  const flat = flatten(modelParameters(config), parameters);
  const batch = Math.max(1, Math.min(count, options.batch ?? Math.max(1, Math.floor(240_000 / largestLayer(config)))));
  const program = compile(graphOf(config, batch));
  if (count === 0) return;
  const weights = new Float32Array(
    typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(flat.byteLength) : new SharedArrayBuffer(flat.byteLength),
  );
  weights.set(flat);
  const session = await openPool(program, { ...(device ? { device } : {}), ...(threads ? { threads } : {}) });
  try {
    let next = 0;
    let done = 0;
    const lane = async (): Promise<void> => {
      while (next < count) {
        signal?.throwIfAborted();
        const from = next;
        const size = Math.min(batch, count - from);
        next += size;
        // The last batch is filled up with its own last image, whose results are not read.
        const { inputs, take } = await prepare(Array.from({ length: batch }, (_, i) => from + Math.min(i, size - 1)));
        take(await session.run({ ...inputs, weights: tensor("float32", [flat.length], weights) }), from, size);
        done += size;
        onProgress?.(done, count);
      }
    };
    await Promise.all(Array.from({ length: session.lanes + 1 }, lane));
  } finally {
    await session.close();
  }
}
