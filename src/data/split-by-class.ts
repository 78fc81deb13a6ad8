/**
 * A division by class: the test split holds whole classes (persons, say) of which training sees no image. Both splits
 * keep the list of all classes, so that a label means the same in each.
 */

import { checkInteger, fail, show } from "../errors.ts";
import { randomFrom } from "../random.ts";
import { asSplit, type Dataset, subset } from "./dataset.ts";
import { placeOfName } from "./split-by-name.ts";

/** Images read at a time where labels are not known without. */
const AT_ONCE = 256;

/** The label of every image (-1: none); without reading images where the data set knows it. */
export async function labelsOf(dataset: Dataset): Promise<Int32Array> {
  const { length } = dataset;
  const labels = new Int32Array(length);
  if (dataset.labelOf) return labels.map((_, i) => dataset.labelOf!(i));
  for (let start = 0; start < length; start += AT_ONCE) {
    const indices = Array.from({ length: Math.min(AT_ONCE, length - start) }, (_, i) => start + i);
    labels.set((await dataset.batch(indices)).labels, start);
  }
  return labels;
}

/**
 * `testFraction` of the classes that have images, at least one and never all, drawn by `seed`: each by its own name, so
 * that new classes move no other (about that fraction), or by their order (exactly). Both halves keep the order of the
 * whole. An image without a class could show anybody: it is an error.
 */
export async function splitByClass(
  dataset: Dataset,
  { seed, testFraction, draw = "name" }: { seed: number; testFraction: number; draw?: "name" | "order" },
): Promise<{ train: Dataset; test: Dataset }> {
  checkInteger("the seed of the split", seed, 0);
  if (!(testFraction > 0 && testFraction < 1)) {
    fail("usage", `expected a number between 0 and 1 for testFraction but received ${show(testFraction)}`);
  }
  const { name, classes } = dataset;
  if (!classes) fail("usage", `expected classes to divide ${name} by, such as subfolders, but it has none`);
  const labels = await labelsOf(dataset);
  const loose = labels.indexOf(-1);
  if (loose >= 0) {
    const count = labels.filter((label) => label === -1).length;
    fail(
      "data",
      `expected a class for every image of ${name}, which is divided by class, but ${count} of ${labels.length} ` +
        `have none, ${dataset.nameOf(loose)} for one`,
    );
  }
  const present = [...new Set(labels)].sort((a, b) => a - b);
  if (present.length < 2) {
    fail("data", `expected images of at least 2 classes to divide ${name} by class but received ${present.length}`);
  }
  const most = present.length - 1;
  const places = present.map((label) => placeOfName(classes[label]!, seed));
  const byName = [...present.keys()].sort((a, b) => places[a]! - places[b]!);
  const below = places.filter((place) => place < testFraction).length;
  const order = draw === "name" ? byName : [...randomFrom(seed).permutation(present.length)];
  const tests = draw === "name" ? below : Math.round(present.length * testFraction);
  const held = new Set(order.slice(0, Math.min(most, Math.max(1, tests))).map((k) => present[k]!));
  const half = (isTest: boolean): Dataset =>
    subset(
      dataset,
      [...labels.keys()].filter((i) => held.has(labels[i]!) === isTest),
    );
  return { train: asSplit(half(false), "train"), test: asSplit(half(true), "test") };
}
