/**
 * A division by name: whether an image is a test image depends on its own name and the seed, and on no other image. A
 * folder that grows moves no image from one split to the other.
 */

import { checkInteger, fail, show } from "../errors.ts";
import { randomFrom } from "../random.ts";
import { asSplit, type Dataset, subset } from "./dataset.ts";

/** Where a name falls, 0 .. 1. Names are compared in one normal form, so that a copy from another disk falls alike. */
export function placeOfName(name: string, seed: number): number {
  const units = Array.from(name.normalize("NFC"), (letter) => letter.codePointAt(0)!);
  return randomFrom(seed, ...units).uniform();
}

/**
 * Images whose names fall below `testFraction` are the test split; both halves keep the order of the whole. Where all
 * would fall to one side, the image nearest to the border goes to the other.
 */
export function splitByName(
  dataset: Dataset,
  { seed, testFraction }: { seed: number; testFraction: number },
): { train: Dataset; test: Dataset } {
  checkInteger("the seed of the split", seed, 0);
  if (!(testFraction > 0 && testFraction < 1))
    fail("usage", `expected a number between 0 and 1 for testFraction but received ${show(testFraction)}`);
  const { length, name } = dataset;
  if (length < 2)
    fail("data", `expected at least 2 images to divide into train and test for ${name} but received ${length}`);
  // The data set's own name is a path, which may change.
  const own = (index: number): string => dataset.nameOf(index).replace(`${name}/`, "");
  const places = Float64Array.from({ length }, (_, index) => placeOfName(own(index), seed));
  const order = [...places.keys()].sort((a, b) => places[a]! - places[b]!);
  const below = order.filter((index) => places[index]! < testFraction).length;
  const tests = new Set(order.slice(0, Math.min(length - 1, Math.max(1, below))));
  const half = (isTest: boolean): Dataset =>
    subset(
      dataset,
      order.filter((index) => tests.has(index) === isTest).sort((a, b) => a - b),
    );
  return { train: asSplit(half(false), "train"), test: asSplit(half(true), "test") };
}
