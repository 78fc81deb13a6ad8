/**
 * Classification by a model of classes: log p(x | y) of each image under every class y, and p(y | x) by Bayes' rule,
 * all classes being as likely.
 */

import type { Dataset } from "../data/dataset.ts";
import { labelsOf } from "../data/split-by-class.ts";
import { fail } from "../errors.ts";
import type { LabelledProgress, OnProgress, Share } from "../jobs.ts";
import { checkDescribes } from "../models/condition.ts";
import { familyName } from "../models/families.ts";
import { type Model, pixelcnnOf } from "../models/model.ts";
import type { ShardOption } from "./batches.ts";
import { imageNats, type LikelihoodOptions } from "./likelihood.ts";

export interface Classification {
  readonly classes: readonly string[];
  /** Images with a label, and those of them whose own class is the likeliest. */
  readonly labelled: number;
  readonly right: number;
  /** Mean -log p(y | x) of an image's own class. */
  readonly posteriorNats: number;
  /** Wrong pairs, the most frequent first. */
  readonly confusion: readonly { readonly from: number; readonly to: number; readonly count: number }[];
}

export interface ClassifyOptions extends Omit<LikelihoodOptions, "onProgress" | "conditions" | "limit"> {
  readonly onProgress?: ((progress: LabelledProgress) => void) | undefined;
}

/** Classifies all images of a data set that has the model's classes. */
export async function classify(model: Model, data: Dataset, options: ClassifyOptions = {}): Promise<Classification> {
  const { classes, nats } = await classNats(model, data, options);
  return { classes, ...bayes(nats, await labelsOf(data), data.name) };
}

/** -log p of each image under every class: of all images, or of a shard's. */
export interface ClassNats extends Share {
  readonly classes: readonly string[];
  /** By class. */
  readonly nats: readonly Float64Array[];
}

export async function classNats(
  model: Model,
  data: Dataset,
  { onProgress, ...options }: ClassifyOptions & ShardOption = {},
): Promise<ClassNats> {
  const { condition } = pixelcnnOf(model).config;
  if (condition?.kind !== "class")
    return fail("usage", `expected a model of classes but received ${familyName(model.config)} without`);
  checkDescribes(condition, data);
  const { classes } = condition;
  const nats: Float64Array[] = [];
  let share: Share = { from: 0, to: 0 };
  for (const [value, label] of classes.entries()) {
    const what = `class ${label} (${value + 1} of ${classes.length})`;
    const progress: OnProgress = (of) => onProgress?.({ what, ...of });
    const { each, from, to } = await imageNats(model, data, { ...options, conditions: value, onProgress: progress });
    nats.push(each);
    share = { from, to };
  }
  return { ...share, classes, nats };
}

/** By Bayes' rule, of the nats of each image under every class; `name` is the data's, for errors. */
export function bayes(
  nats: readonly Float64Array[],
  labels: ArrayLike<number>,
  name: string,
): Omit<Classification, "classes"> {
  let [labelled, right, posterior] = [0, 0, 0];
  const wrong = new Map<number, number>();
  for (const [i, label] of Array.from(labels).entries()) {
    if (label < 0) continue;
    labelled++;
    const own = nats.map((each) => each[i]!);
    const least = Math.min(...own);
    const best = own.indexOf(least);
    posterior += own[label]! - least + Math.log(own.reduce((sum, x) => sum + Math.exp(least - x), 0));
    const pair = label * nats.length + best;
    if (best === label) right++;
    else wrong.set(pair, (wrong.get(pair) ?? 0) + 1);
  }
  if (labelled === 0) fail("data", `expected labels to check the classes against but ${name} has none`);
  const confusion = [...wrong]
    .map(([pair, count]) => ({ from: Math.floor(pair / nats.length), to: pair % nats.length, count }))
    .sort((a, b) => b.count - a.count);
  return { labelled, right, posteriorNats: posterior / labelled, confusion };
}
