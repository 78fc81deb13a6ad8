/**
 * What a source (a folder, a file, a named set) offers: its own train and test images, or one pile that is divided by a
 * seed. Every format answers with one of these, so that the rule of the splits is written once, here.
 */

import { fail } from "../errors.ts";
import { asSplit, concatenate, type Dataset, splitBySeed } from "./dataset.ts";
import { splitByClass } from "./split-by-class.ts";
import { splitByName } from "./split-by-name.ts";

export type Source =
  /** Both splits are named by the source; each is opened only when asked for. */
  | { readonly kind: "divided"; readonly train: () => Promise<Dataset>; readonly test: () => Promise<Dataset> }
  /** One pile. `onlyTest`: the source says that all of it is test images (`test.parquet`). */
  | { readonly kind: "whole"; readonly open: () => Promise<Dataset>; readonly onlyTest?: boolean };

export type Split = "train" | "test" | "all";

export interface SplitOptions {
  readonly split: Split;
  /** What is drawn for the test split: single images, or whole classes. */
  readonly splitBy: "image" | "class";
  readonly testFraction: number;
  readonly splitSeed: number;
  /** Images, or classes, are drawn each by its name, or by their order. */
  readonly splitDraw: "name" | "order";
}

/**
 * One split of a source. A source that names both splits keeps them. Otherwise `testFraction` of its images or of its
 * classes, drawn by `splitSeed`, is the test split (0: all of it is train), save that a source of test images alone is
 * all test.
 */
export async function chooseSplit(
  name: string,
  source: Source,
  { split, splitBy, testFraction, splitSeed, splitDraw }: SplitOptions,
): Promise<Dataset> {
  if (source.kind === "divided") {
    if (splitBy === "class" && split !== "all") {
      fail(
        "usage",
        `expected one pile of images to divide by class for ${name}, but it names its own train and test images; ` +
          "use splitBy image, or give one of its folders",
      );
    }
    if (split !== "all") return source[split]();
    return concatenate(name, "all", [await source.train(), await source.test()]);
  }
  if (source.onlyTest && split === "train") {
    fail(
      "usage",
      `expected train images for ${name}, but it holds test images only (by its name); give the folder that holds both`,
    );
  }
  if (testFraction === 0 && split === "test" && !source.onlyTest) {
    fail(
      "usage",
      `expected a testFraction above 0 for the test split of ${name}, which names no test images itself, but ` +
        "received 0",
    );
  }
  const whole = await source.open();
  if (split === "all" || source.onlyTest || testFraction === 0) return asSplit(whole, split);
  const divide = splitBy === "class" ? splitByClass : splitDraw === "name" ? splitByName : splitBySeed;
  const draw = { seed: splitSeed, testFraction, draw: splitDraw };
  return orClose(whole, async () => (await divide(whole, draw))[split]);
}

/** What `wrap` makes of a data set; when it refuses, the data set is closed. */
export async function orClose(dataset: Dataset, wrap: () => Dataset | Promise<Dataset>): Promise<Dataset> {
  try {
    return await wrap();
  } catch (error) {
    await dataset.close?.();
    throw error;
  }
}
