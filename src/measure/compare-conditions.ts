/** The value of the right condition: the likelihood of images under their own conditions and under those of others. */

import type { Dataset } from "../data/dataset.ts";
import { labelsOf } from "../data/split-by-class.ts";
import { fail } from "../errors.ts";
import type { LabelledProgress, Share } from "../jobs.ts";
import { type ConditionValue, checkDescribes, conditionsOf } from "../models/condition.ts";
import type { ConditionConfig } from "../models/config.ts";
import { codesKind, familyName } from "../models/families.ts";
import { type Model, pixelcnnOf } from "../models/model.ts";
import { randomFrom } from "../random.ts";
import type { ShardOption } from "./batches.ts";
import { ownLatents } from "./encode.ts";
import { type ImageNats, imageNats, type Likelihood, type LikelihoodOptions, likelihoodOf } from "./likelihood.ts";

/** Pairs of an image and another's condition that a comparison wants at least, in whole rounds over the images. */
const PAIRS = 500;

export interface ConditionComparison {
  /** Nats per image under its own condition. */
  readonly own: Likelihood;
  /** Mean nats per image under the condition of another. */
  readonly nats: number;
  /** Pairs of an image and another's condition that differ, and of these the share in which the own one is better. */
  readonly pairs: number;
  readonly ownBetter: number;
}

export interface CompareOptions extends Omit<LikelihoodOptions, "onProgress" | "conditions"> {
  /** Names who gets whose condition. Default 1. */
  readonly seed?: number | undefined;
  readonly onProgress?: ((progress: LabelledProgress) => void) | undefined;
}

/** Likelihoods of images under their own conditions and under those of other images. */
export async function compareConditions(
  model: Model,
  data: Dataset,
  options: CompareOptions = {},
): Promise<ConditionComparison> {
  return comparisonOf(await comparedNats(model, data, options), data.name);
}

/** -log p of images under their own conditions and under others': of all images, or of a shard's. */
export interface ComparedNats extends Share {
  /** Sub-pixels of an image. */
  readonly dims: number;
  readonly own: Float64Array;
  /** By round: each image under the condition of another. */
  readonly others: readonly Float64Array[];
  /** By round: 1 where that condition is a stranger's, and not as good as the image's own. */
  readonly strange: readonly Uint8Array[];
}

export async function comparedNats(
  model: Model,
  data: Dataset,
  { seed = 1, onProgress, ...options }: CompareOptions & ShardOption = {},
): Promise<ComparedNats> {
  const { condition } = pixelcnnOf(model).config;
  if (condition === null)
    return fail(
      "usage",
      `expected a model with a condition to compare but received ${familyName(model.config)} without one`,
    );
  const values =
    codesKind(model.config) === "latents"
      ? await ownLatents(model, data, options)
      : await conditionsOfAll(condition, data);
  const labels = await labelsOf(data);
  const measure = (conditions: readonly ConditionValue[], what: string): Promise<ImageNats> =>
    imageNats(model, data, { ...options, conditions, onProgress: (of) => onProgress?.({ what, ...of }) });
  const { each: own, ...share } = await measure(values, "own conditions");
  const rounds = Math.max(1, Math.ceil(PAIRS / data.length));
  const others: Float64Array[] = [];
  const strange: Uint8Array[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = othersOf(data.length, seed, round);
    const wrong = await measure(
      from.map((i) => values[i]!),
      `others' conditions (${round + 1} of ${rounds})`,
    );
    others.push(wrong.each);
    // Another image of the same class is no stranger, and an equal condition says nothing.
    const isStranger = (j: number, i: number): boolean =>
      !((labels[i]! >= 0 && labels[i] === labels[j]) || equal(values[i]!, values[j]!));
    strange.push(Uint8Array.from(from, (j, i) => (isStranger(j, i) ? 1 : 0)).slice(share.from, share.to));
  }
  return { ...share, own, others, strange };
}

/** What they say together; `name` is the data's, for errors. */
export function comparisonOf({ own: each, others, strange, dims }: ComparedNats, name: string): ConditionComparison {
  const own = likelihoodOf(each, dims);
  let [nats, pairs, better] = [0, 0, 0];
  others.forEach((wrong, round) => {
    nats += likelihoodOf(wrong, dims).nats / others.length;
    strange[round]!.forEach((is, i) => {
      if (is === 0) return;
      pairs++;
      if (each[i]! < wrong[i]!) better++;
    });
  });
  if (pairs === 0) fail("data", `expected images of different conditions to compare but all of ${name} are alike`);
  return { own, nats, pairs, ownBetter: better / pairs };
}

async function conditionsOfAll(condition: ConditionConfig, data: Dataset): Promise<ConditionValue[]> {
  checkDescribes(condition, data);
  const values: ConditionValue[] = [];
  for (let from = 0; from < data.length; from += 256) {
    const indices = Array.from({ length: Math.min(256, data.length - from) }, (_, i) => from + i);
    values.push(...conditionsOf(condition, await data.batch(indices, { epoch: 0 })));
  }
  return values;
}

/** The image whose condition each image gets: one cycle through a random order, so none keeps its own. */
export function othersOf(count: number, seed: number, round: number): number[] {
  const order = randomFrom(seed, round).permutation(count);
  const from = new Array<number>(count);
  order.forEach((image, i) => {
    from[image] = order[(i + 1) % count]!;
  });
  return from;
}

function equal(a: ConditionValue, b: ConditionValue): boolean {
  if (a === null || b === null || typeof a === "number" || typeof b === "number") return a === b;
  return a.length === b.length && a.every((x, i) => x === b[i]);
}
