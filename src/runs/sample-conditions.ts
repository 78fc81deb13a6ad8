/** Which images a picture of samples shows: rows of one condition each, with a name beside each row in what is printed. */

import type { Dataset } from "../data/dataset.ts";
import { type ConditionValue, conditionsOf } from "../models/condition.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import type { Asked } from "./asked-conditions.ts";

/** Classes of a picture that nobody asked for by name. */
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
