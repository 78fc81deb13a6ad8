/**
 * Which images a step sees, and what is known about them. All draws are named by the seed and the step's or the epoch's
 * number, so a run that resumes sees what the run that did not stop would have.
 */

import type { Dataset } from "../data/dataset.ts";
import { placesOf } from "../data/places.ts";
import { labelsOf } from "../data/split-by-class.ts";
import { fail } from "../errors.ts";
import type { Share } from "../jobs.ts";
import { type ConditionValue, checkDescribes, conditionMatrix, conditionsOf } from "../models/condition.ts";
import type { ConditionConfig } from "../models/config.ts";
import { modelCondition, modelInputs } from "../models/families.ts";
import { type Random, randomFrom } from "../random.ts";
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
  /** [B], 1 or 0: 0 for an image whose pixels the network is not shown. */
  readonly sees?: Float32Array;
}

/** Streams of the seed; 0 is the initial weights'. */
const ORDER = 1;
const DROPOUT = 2;
const IDENTITIES = 3;
const BALANCE = 4;
const BLIND = 5;

/** Gives the batch of the step after `step`, or a share of its images: only these are read. */
export async function openBatches(
  config: RunConfig,
  data: Dataset,
): Promise<(step: number, share?: Share) => Promise<TrainBatch>> {
  const { model, train } = config;
  const { seed, batch } = train;
  const condition = modelCondition(model);
  if (condition) checkDescribes(condition, data);
  const { labels: wantsLabels, keep: dropsCodes, sees } = modelInputs(model);
  const order = await orderOf(config, data);
  return async (step, { from, to } = { from: 0, to: batch }) => {
    const { indices, epochs } = order(step);
    const images = await readBatch(data, indices.subarray(from, to), epochs.subarray(from, to), condition);
    const keep = kept(batch, train.conditionDropout, randomFrom(seed, DROPOUT, step)).subarray(from, to);
    const values = images.values.map((value, i) => (keep[i] === 0 ? null : value));
    return {
      pixels: images.pixels,
      ...(condition ? { condition: conditionMatrix(condition, values) } : {}),
      ...(dropsCodes ? { keep } : {}),
      ...(sees ? { sees: kept(batch, train.blind, randomFrom(seed, BLIND, step)).subarray(from, to) } : {}),
      ...(wantsLabels ? { labels: images.labels } : {}),
    };
  };
}

/** Throws where every class is to be drawn as often and the data have none. */
export function checkBalance(
  { balance }: Pick<RunConfig["train"], "balance">,
  data: Pick<Dataset, "name" | "classes">,
): void {
  if (balance && !data.classes)
    fail(
      "usage",
      `expected classes to balance (train.balance) but ${data.name} has none: subfolders are classes; --set ` +
        "train.balance=false draws images as they come",
    );
}

async function orderOf({ model, train }: RunConfig, data: Dataset): Promise<(step: number) => Chosen> {
  const { seed, batch, perClass, balance } = train;
  if (modelInputs(model).labels) return identityOrder(seed, await labelsOf(data), batch, perClass);
  if (!balance) return batchOrder(seed, data.length, batch);
  checkBalance(train, data);
  return balancedOrder(seed, await labelsOf(data), batch);
}

/** 1 for each image of the batch that keeps something, 0 for the share that goes without. */
function kept(batch: number, share: number, random: Random): Float32Array {
  return Float32Array.from({ length: batch }, () => (random.uniform() < share ? 0 : 1));
}

interface Chosen {
  readonly indices: Uint32Array;
  readonly epochs: Uint32Array;
}

/**
 * Image indices of the step after `step`: epochs are permutations, and a batch may reach over the end of one into the
 * next.
 */
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

/** The images of each class that has any, in the order of the classes. */
function membersOf(labels: Int32Array): number[][] {
  const known = [...placesOf(labels)].filter(([label]) => label >= 0);
  return known.sort(([a], [b]) => a - b).map(([, images]) => images);
}

/**
 * Every class as often as any other: rounds of one image a class, each class's images in permutations of its own, so
 * that an image's epoch says how often it was seen before. Images without a label are left out.
 */
export function balancedOrder(seed: number, labels: Int32Array, batch: number): (step: number) => Chosen {
  const members = membersOf(labels);
  const K = members.length;
  if (K === 0) fail("data", "expected images of some class to balance (train.balance) but none has a class");
  const round = lastOf((r) => randomFrom(seed, BALANCE, 0, r).permutation(K));
  const within = members.map((images, c) =>
    lastOf((e) => randomFrom(seed, BALANCE, 1 + c, e).permutation(images.length)),
  );
  return (step) => {
    const indices = new Uint32Array(batch);
    const epochs = new Uint32Array(batch);
    for (let i = 0; i < batch; i++) {
      const at = step * batch + i;
      const r = Math.floor(at / K);
      const c = round(r)[at % K]!;
      const images = members[c]!;
      epochs[i] = Math.floor(r / images.length);
      indices[i] = images[within[c]!(epochs[i]!)[r % images.length]!]!;
    }
    return { indices, epochs };
  };
}

/** A function of a whole number that remembers its last answer. */
function lastOf<V>(of: (n: number) => V): (n: number) => V {
  let last: { n: number; value: V } | undefined;
  return (n) => {
    if (last?.n !== n) last = { n, value: of(n) };
    return last.value;
  };
}

/**
 * Batches of `perClass` images each of as many classes, drawn anew each step: what a triplet loss needs. Classes of
 * fewer images repeat some; images without a label are left out.
 */
export function identityOrder(
  seed: number,
  labels: Int32Array,
  batch: number,
  perClass: number,
): (step: number) => Chosen {
  const members = membersOf(labels);
  const classes = members.length;
  const each = Math.floor(batch / perClass);
  if (each < 2) {
    fail(
      "usage",
      `expected a batch of at least two classes of ${perClass} images but received train.batch ${batch}, ` +
        `train.perClass ${perClass}`,
    );
  }
  if (classes < 2) fail("data", `expected images of at least two classes to tell apart but received ${classes}`);
  return (step) => {
    const random = randomFrom(seed, IDENTITIES, step);
    const indices = new Uint32Array(batch);
    let order = random.permutation(classes);
    for (let i = 0, c = 0; i < batch; c++) {
      if (c === order.length) [order, c] = [random.permutation(classes), 0];
      const images = members[order[c]!]!;
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

/** Images in the order of `indices`, each drawn in its own epoch; those of one epoch are read together. */
async function readBatch(
  data: Dataset,
  indices: Uint32Array,
  epochs: Uint32Array,
  condition: ConditionConfig | null,
): Promise<ReadImages> {
  const each = data.height * data.width * data.channels;
  const pixels = new Uint8Array(indices.length * each);
  const labels = new Int32Array(indices.length);
  const values = new Array<ConditionValue>(condition ? indices.length : 0);
  for (const [epoch, own] of placesOf(epochs)) {
    const batch = await data.batch(
      own.map((i) => indices[i]!),
      { epoch },
    );
    const given = condition ? conditionsOf(condition, batch) : [];
    own.forEach((i, k) => {
      pixels.set(batch.pixels.subarray(k * each, (k + 1) * each), i * each);
      labels[i] = batch.labels[k]!;
      if (condition) values[i] = given[k]!;
    });
  }
  return { pixels, labels, values };
}
