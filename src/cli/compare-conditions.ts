/** What the right condition is worth: the likelihood of images under their own conditions and under those of others. */

import type { Dataset } from "../data/dataset.ts";
import { labelsOf } from "../data/split-by-class.ts";
import { fail } from "../errors.ts";
import { latentConditions } from "../evaluate.ts";
import { type LikelihoodOptions, likelihood } from "../likelihood.ts";
import { type ConditionValue, checkDescribes, conditionsOf } from "../models/condition.ts";
import type { ConditionConfig } from "../models/config.ts";
import { codesKind, familyName } from "../models/families.ts";
import { randomFrom } from "../random.ts";
import type { OpenModel } from "./model-argument.ts";
import type { CommandContext, Outcome } from "./run-command.ts";

/** Pairs of an image and another's condition that a comparison wants at least, in whole rounds over the images. */
const PAIRS = 500;

export function noCondition({ name, whole }: OpenModel): never {
  return fail("usage", `expected --conditions own: ${name} is ${familyName(whole.config.model)} without a condition`);
}

export async function compareConditions(
  opened: OpenModel,
  data: Dataset,
  seed: number,
  options: LikelihoodOptions,
  { terminal }: CommandContext,
  done: (json: object, text: string) => Outcome,
): Promise<Outcome> {
  const { config, parameters, whole } = opened;
  const { condition } = config.model;
  if (condition === null) return noCondition(opened);
  const { model } = whole.config;
  const own =
    codesKind(model) === "latents"
      ? await latentConditions(model, whole.parameters, data, options)
      : await conditionsOfAll(condition, data);
  const labels = await labelsOf(data);
  const measure = (conditions: readonly ConditionValue[], label: string): ReturnType<typeof likelihood> => {
    const onProgress = terminal.counter(label, "images");
    return likelihood(config.model, parameters, data, { ...options, conditions, onProgress });
  };
  const right = await measure(own, "own conditions");
  const rounds = Math.max(1, Math.ceil(PAIRS / data.length));
  let [nats, pairs, better] = [0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    const from = othersOf(data.length, seed, round);
    const wrong = await measure(
      from.map((i) => own[i]!),
      `others' conditions (${round + 1} of ${rounds})`,
    );
    nats += wrong.nats / rounds;
    from.forEach((j, i) => {
      // Another image of the same class is no stranger, and an equal condition says nothing.
      if ((labels[i]! >= 0 && labels[i] === labels[j]) || equal(own[i]!, own[j]!)) return;
      pairs++;
      if (right.each[i]! < wrong.each[i]!) better++;
    });
  }
  terminal.endProgress();
  if (pairs === 0) fail("data", `expected images of different conditions to compare but all of ${data.name} are alike`);
  const dims = config.model.height * config.model.width * config.model.channels;
  return done(
    {
      images: data.length,
      conditions: "shuffled",
      nats,
      bitsPerDim: nats / dims / Math.LN2,
      ownNats: right.nats,
      ownBitsPerDim: right.bitsPerDim,
      pairs,
      ownBetter: better / pairs,
    },
    `${right.nats.toFixed(2)} nats an image with its own condition, ${nats.toFixed(2)} with another's: ${(nats - right.nats).toFixed(2)} nats more\n` +
      `the own one is better in ${((100 * better) / pairs).toFixed(1)} % of ${pairs} pairs`,
  );
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

/** Whose condition each image gets: one cycle through a random order, so nobody keeps their own place. */
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
