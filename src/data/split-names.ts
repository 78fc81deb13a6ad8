/**
 * How folders and files name their splits: train, test, and val, valid, validation or dev, in any case of letters. One
 * rule for folders of images and for Parquet files.
 */

import { fail } from "../errors.ts";
import { counted } from "../words.ts";

export type NamedSplit = "train" | "test" | "validation";

const NAMES: Readonly<Record<string, NamedSplit>> = {
  train: "train",
  training: "train",
  test: "test",
  testing: "test",
  val: "validation",
  valid: "validation",
  validation: "validation",
  dev: "validation",
};

/** The split that a folder's name says; null for any other name. */
export function splitNamed(name: string): NamedSplit | null {
  return NAMES[name.toLowerCase()] ?? null;
}

export interface ChosenSplits {
  /** Names of the parts, as they are written. */
  readonly train: string;
  readonly test: string;
  /** What the user should know: which part is the test split, what is left out. */
  readonly notes: readonly string[];
}

/**
 * Which parts are the two splits. The validation part is the test split where there is no other; otherwise it is left
 * out, and said. Null where no part is named train, or no other a test or validation part.
 *
 * @param parts how many images each part holds, by its name
 * @throws of kind "data" where two parts name one split, or one of the two is empty
 */
export function chooseSplits(where: string, parts: ReadonlyMap<string, number>): ChosenSplits | null {
  const named = (split: NamedSplit): string[] => [...parts.keys()].filter((name) => splitNamed(name) === split);
  const only = (split: NamedSplit): string | undefined => {
    const [first, second] = named(split);
    if (second !== undefined)
      fail("data", `expected one ${split} split in ${where} but received both ${first} and ${second}`);
    return first;
  };
  const train = only("train");
  const tests = named("test").length > 0 ? only("test") : only("validation");
  if (train === undefined || tests === undefined) return null;
  for (const name of [train, tests])
    if (parts.get(name) === 0) {
      const other = name === train ? tests : train;
      fail("data", `expected images in ${name}, beside ${other}, in ${where} but it holds none: fill or delete it`);
    }
  const left = [...parts].filter(([name, count]) => name !== train && name !== tests && count > 0);
  const count = left.reduce((sum, [, images]) => sum + images, 0);
  const names = left.map(([name]) => name);
  const notes = [
    ...(splitNamed(tests) === "test" ? [] : [`${tests} is taken as the test split of ${where}`]),
    ...(count === 0
      ? []
      : [
          `${counted(count, "image")} of ${where} beside ${train} and ${tests} are left out: ` +
            `${names.slice(0, 8).join(", ")}${names.length > 8 ? ", ..." : ""}`,
        ]),
  ];
  return { train, test: tests, notes };
}
