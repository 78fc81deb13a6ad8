/**
 * Which images a step sees and what is known of them. All draws are named by the seed and the step's or the epoch's number, so a run that resumes
 * sees what the run that did not stop would have.
 */

import type { Dataset } from "../data/dataset.ts";
import { labelsOf } from "../data/split-by-class.ts";
import { fail } from "../errors.ts";
import { type ConditionValue, checkDescribes, conditionMatrix, conditionsOf } from "../models/condition.ts";
import type { ConditionConfig } from "../models/config.ts";
import { modelInputs } from "../models/family.ts";
import { randomFrom } from "../random.ts";
import type { RunConfig } from "./config.ts";

export interface TrainBatch {
  /** [B, H, W, C], levels. */
  readonly pixels: Uint8Array;
  /** [B, D]. */
  readonly condition?: Float32Array;
  /** [B]. */
  readonly labels?: Int32Array;
  /** [B], 1 or 0: 0 for an image whose own latents are left out. */
  readonly keep?: Float32Array;
}

/** Streams of the seed; 0 is the initial weights'. */
const ORDER = 1;
const DROPOUT = 2;
const IDENTITIES = 3;

/** Gives the batch of the step after `step`. */
export async function openBatches(config: RunConfig, data: Dataset): Promise<(step: number) => Promise<TrainBatch>> {
  const { model, train } = config;
  const { seed, batch } = train;
  const condition = model.family === "gated-pixelcnn" ? model.condition : null;
  if (condition) checkDescribes(condition, data);
  const { labels: wantsLabels, keep: dropsCodes } = modelInputs(model);
  const order = wantsLabels
    ? identityOrder(seed, await labelsOf(data), batch, train.perClass)
    : batchOrder(seed, data.length, batch);
  return async (step) => {
    const { indices, epochs } = order(step);
    const images = await readBatch(data, indices, epochs, condition);
    const keep = kept(batch, train.conditionDropout, seed, step);
    const values = images.values.map((value, i) => (keep[i] === 0 ? null : value));
    return {
      pixels: images.pixels,
      ...(condition ? { condition: conditionMatrix(condition, values) } : {}),
      ...(dropsCodes ? { keep } : {}),
      ...(wantsLabels ? { labels: images.labels } : {}),
    };
  };
}

/** 1 for each image of the batch that keeps its condition, 0 for the share that goes without. */
function kept(batch: number, share: number, seed: number, step: number): Float32Array {
  const keep = new Float32Array(batch).fill(1);
  if (share === 0) return keep;
  const random = randomFrom(seed, DROPOUT, step);
  return keep.map(() => (random.uniform() < share ? 0 : 1));
}

interface Chosen {
  readonly indices: Uint32Array;
  readonly epochs: Uint32Array;
}

/** Image indices of the step after `step`: epochs are permutations, and a batch may reach over the end of one into the next. */
export function batchOrder(seed: number, images: number, batch: number): (step: number) => Chosen {
  const orders = new Map<number, Uint32Array>();
  const orderOf = (epoch: number): Uint32Array => {
    let order = orders.get(epoch);
    if (!order) {
      order = randomFrom(seed, ORDER, epoch).permutation(images);
      orders.delete(epoch - 2);
      orders.set(epoch, order);
    }
    return order;
  };
  return (step) => {
    const indices = new Uint32Array(batch);
    const epochs = new Uint32Array(batch);
    for (let i = 0; i < batch; i++) {
      const at = step * batch + i;
      epochs[i] = Math.floor(at / images);
      indices[i] = orderOf(epochs[i]!)[at % images]!;
    }
    return { indices, epochs };
  };
}

/**
 * Batches of `perClass` images each of as many classes, drawn anew each step: what a triplet loss needs. Classes of fewer images repeat some;
 * images without a label are left out.
 */
export function identityOrder(seed: number, labels: Int32Array, batch: number, perClass: number): (step: number) => Chosen {
  const members = new Map<number, number[]>();
  labels.forEach((label, index) => {
    if (label >= 0) members.set(label, [...(members.get(label) ?? []), index]);
  });
  const classes = [...members.keys()].sort((a, b) => a - b);
  const each = Math.floor(batch / perClass);
  if (each < 2) {
    fail(
      "usage",
      `expected a batch of at least two classes of ${perClass} images but received train.batch ${batch}, train.perClass ${perClass}`,
    );
  }
  if (classes.length < 2) fail("data", `expected images of at least two classes to tell apart but received ${classes.length}`);
  return (step) => {
    const random = randomFrom(seed, IDENTITIES, step);
    const indices = new Uint32Array(batch);
    let order = random.permutation(classes.length);
    for (let i = 0, c = 0; i < batch; c++) {
      if (c === order.length) [order, c] = [random.permutation(classes.length), 0];
      const images = members.get(classes[order[c]!]!)!;
      const drawn = random.permutation(images.length);
      for (let k = 0; k < perClass && i < batch; k++, i++) indices[i] = images[drawn[k % drawn.length]!]!;
    }
    return { indices, epochs: new Uint32Array(batch).fill(Math.floor((step * batch) / labels.length)) };
  };
}

interface ReadImages {
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
  readonly values: readonly ConditionValue[];
}

async function readBatch(
  data: Dataset,
  indices: Uint32Array,
  epochs: Uint32Array,
  condition: ConditionConfig | null,
): Promise<ReadImages> {
  const split = epochs.findIndex((e) => e !== epochs[0]);
  if (split < 0) {
    const batch = await data.batch(indices, { epoch: epochs[0]! });
    return { pixels: batch.pixels, labels: batch.labels, values: condition ? conditionsOf(condition, batch) : [] };
  }
  const [before, after] = [
    await readBatch(data, indices.slice(0, split), epochs.slice(0, split), condition),
    await readBatch(data, indices.slice(split), epochs.slice(split), condition),
  ];
  const pixels = new Uint8Array(before.pixels.length + after.pixels.length);
  pixels.set(before.pixels);
  pixels.set(after.pixels, before.pixels.length);
  return {
    pixels,
    labels: Int32Array.from([...before.labels, ...after.labels]),
    values: [...before.values, ...after.values],
  };
}
