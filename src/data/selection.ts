/** The words for some images of a data set: `mnist:test`, `mnist:test:0-7,12`, `folder:all:3`. */

import { existsSync } from "node:fs";
import { fail } from "../errors.ts";
import { namedSets } from "./named.ts";
import type { Split } from "./options.ts";

export interface Selection {
  readonly source: string;
  readonly split: Split;
  /** Numbers and ranges; undefined for the whole split. */
  readonly numbers: string | undefined;
}

/** Null where the word is no selection, or is the path of something that exists. */
export function readSelection(word: string): Selection | null {
  const [, source, split, numbers] = /^(.+?):(train|test|all)(?::([\d,-]+))?$/.exec(word) ?? [];
  return source === undefined || existsSync(word) ? null : { source, split: split as Split, numbers };
}

/** `0-7,12` as numbers below `length`. `word`: where they stand, for an error. */
export function indicesOf(numbers: string, word: string, length: number): number[] {
  return numbers.split(",").flatMap((part) => {
    const range = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!range)
      return fail(
        "usage",
        `expected numbers and ranges such as 0-7,12 in ${word} but received ${JSON.stringify(part)}`,
      );
    const from = Number(range[1]);
    const to = range[2] === undefined ? from : Number(range[2]);
    if (to < from || to >= length)
      fail("usage", `expected numbers from 0 to ${length - 1} in ${word} but received ${part}`);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** A split by its name, or an error. */
export function checkSplit(split: string): Split {
  if (split === "train" || split === "test" || split === "all") return split;
  return fail("usage", `expected test, train or all for the split but received ${JSON.stringify(split)}`);
}

/** The error of a word that names no images. */
export function failNoImages(word: string): never {
  return fail(
    "io",
    `expected an image, a folder, a named set (${namedSets.join(", ")}), or some of one such as mnist:test:0-99, ` +
      `but received ${JSON.stringify(word)}, and there is no such file`,
  );
}
