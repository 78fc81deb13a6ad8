/**
 * Which images a picture of samples shows: rows of one condition each, with a name beside each row in what is printed.
 */

import type { Dataset } from "../data/dataset.ts";
import { fail } from "../errors.ts";
import { type ConditionValue, conditionsOf } from "../models/condition.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import { counted } from "../words.ts";
import { type Asked, askedConditions, type ConditionWords, possibleConditions } from "./asked-conditions.ts";
import type { ModelImages } from "./model-images.ts";
import type { OpenedPixelcnn } from "./open-model.ts";

/** Classes in a picture when none are named. */
const CLASSES = 10;

/** `each` images of every condition, one condition after another. */
export function repeated(asked: readonly Asked[], each: number): ConditionValue[] {
  return asked.flatMap(({ value }) => Array.from({ length: each }, () => value));
}

/** Every class of a model of classes, the first few of many; null for another condition. */
export function everyClass({ condition }: PixelcnnConfig): Asked[] | null {
  if (condition?.kind !== "class") return null;
  return condition.classes.slice(0, CLASSES).map((label, value) => ({ label, value }));
}

/** The conditions of the first images of a data set, with the images. */
export async function conditionsOfFirst(model: PixelcnnConfig, data: Dataset, count: number): Promise<Asked[]> {
  const indices = Array.from({ length: Math.min(count, data.length) }, (_, i) => i);
  const batch = await data.batch(indices, { epoch: 0 });
  const size = batch.pixels.length / indices.length;
  return conditionsOf(model.condition!, batch).map((value, i) => ({
    label: data.nameOf(i),
    value,
    image: batch.pixels.slice(i * size, (i + 1) * size),
  }));
}

/** Conditions to draw under: those that are asked for, or a model's classes. Null of a model without a condition. */
export async function conditionsToDraw(
  words: ConditionWords,
  opened: OpenedPixelcnn,
  tell: (text: string) => void,
): Promise<readonly Asked[] | null> {
  const found = (await askedConditions(words, opened, tell)) ?? everyClass(opened.config);
  return found || opened.config.condition === null ? found : failUnasked(opened);
}

/**
 * One condition for each of some images: what is asked for, or the image's own class. Null of a model without a
 * condition.
 */
export async function conditionsToComplete(
  words: ConditionWords,
  opened: OpenedPixelcnn,
  { names: { length }, labels }: ModelImages,
  tell: (text: string) => void,
): Promise<readonly ConditionValue[] | null> {
  const { condition } = opened.config;
  const asked = await askedConditions(words, opened, tell);
  if (asked && asked.length !== 1 && asked.length !== length)
    fail(
      "usage",
      `expected one condition, or one for each of ${counted(length, "image")}, but received ${asked.length}`,
    );
  if (asked) return Array.from({ length }, (_, i) => asked[asked.length === 1 ? 0 : i]!.value);
  if (condition === null) return null;
  return condition.kind === "class" && labels.every((label) => label >= 0) ? labels : failUnasked(opened);
}

function failUnasked(opened: OpenedPixelcnn): never {
  return fail("usage", `expected a condition for ${opened.name}, ${possibleConditions(opened)}, but received none`);
}
