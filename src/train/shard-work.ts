/**
 * Losses and gradients of shards, one a thread at a time: what a step on the CPU is made of. A shard's sums are the
 * same to the bit on whichever thread, in whichever process, on machines of one kind.
 */

import { fail } from "../errors.ts";
import { type ModelConfig, modelInputs } from "../models/families.ts";
import { openPool } from "../onnx/pool.ts";
import { compile } from "../onnx/session.ts";
import { type DTypes, type Tensor, tensor } from "../tensor.ts";
import { gradientGraph } from "./step.ts";

/** The images of a step, or of a part of one. */
export interface StepImages {
  /** [B, H, W, C], levels. */
  readonly pixels: Uint8Array;
  /** [B, D] for a model with a condition (models/condition.ts). */
  readonly condition?: Float32Array | undefined;
  /** [B], for a model that learns from who is who. */
  readonly labels?: Int32Array | undefined;
  /** [B], 1 or 0, for an auto-encoder with a PixelCNN: 0 leaves an image's latents out; default all 1. */
  readonly keep?: Float32Array | undefined;
  /** [B], 1 or 0, for a PixelCNN with a condition: 0 does not show it an image's pixels; default all 1. */
  readonly sees?: Float32Array | undefined;
}

/** Of one shard. */
export interface ShardSums {
  /** Summed over the shard's images, as `gradient` is. */
  readonly loss: number;
  readonly gradient: Float32Array;
}

export interface ShardWork {
  /** Shards that are worked on side by side. */
  readonly lanes: number;
  /** Of the shard whose first image is `from`, of the `batch` images given. Weights may be shared memory. */
  sums(images: StepImages, batch: number, from: number, weights: Float32Array): Promise<ShardSums>;
  close(): Promise<void>;
}

/** `shard`: images a shard. `threads`: default one a core. */
export async function openShardWork(model: ModelConfig, shard: number, threads?: number): Promise<ShardWork> {
  const pool = await openPool(compile(gradientGraph(model, shard)), threads ? { threads } : {});
  return {
    lanes: pool.lanes,
    close: () => pool.close(),
    async sums(images, batch, from, weights) {
      const feeds = imageFeeds(model, images, batch, from, shard);
      const { loss, gradient } = await pool.run({ ...feeds, weights: tensor("float32", [weights.length], weights) });
      return { loss: Number(loss!.data[0]), gradient: gradient!.data as DTypes["float32"] };
    },
  };
}

/** `count` of the `batch` images given, as the graphs of step.ts take them. */
export function imageFeeds(
  model: ModelConfig,
  images: StepImages,
  batch: number,
  from: number,
  count: number,
): Record<string, Tensor> {
  const { height, width, channels } = model;
  const { condition: D, labels, ...wants } = modelInputs(model);
  const each = height * width * channels;
  if (images.pixels.length !== batch * each)
    fail(
      "internal",
      `expected ${batch} images of ${each} sub-pixels for a step but received ${images.pixels.length} numbers`,
    );
  const feeds: Record<string, Tensor> = {
    pixels: tensor("uint8", [count, height, width, channels], images.pixels.slice(from * each, (from + count) * each)),
  };
  if (D > 0) {
    const h = images.condition ?? fail("usage", `expected a condition of ${D} numbers an image but received none`);
    if (h.length !== batch * D)
      fail(
        "usage",
        `expected a condition of ${D} numbers for each of ${batch} images but received ${h.length} numbers`,
      );
    feeds.condition = tensor("float32", [count, D], h.slice(from * D, (from + count) * D));
  }
  if (labels) {
    const given = images.labels ?? fail("usage", "expected a label an image but received none");
    if (given.length !== batch)
      fail("usage", `expected a label for each of ${batch} images but received ${given.length}`);
    feeds.labels = tensor("int32", [count], given.slice(from, from + count));
  }
  for (const name of ["keep", "sees"] as const) {
    if (!wants[name]) continue;
    const given = images[name] ?? new Float32Array(batch).fill(1);
    if (given.length !== batch)
      fail("usage", `expected a number of ${name} for each of ${batch} images but received ${given.length}`);
    feeds[name] = tensor("float32", [count], given.slice(from, from + count));
  }
  return feeds;
}
