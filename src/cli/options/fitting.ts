/** What becomes of images that cannot be read or used, and of those of another size. */

import { fail } from "../../errors.ts";
import type { Terminal } from "../terminal.ts";

export const onBrokenArg = {
  "on-broken": {
    type: "string",
    valueHint: "B",
    default: "error",
    description:
      "Images that cannot be read or used: error (all of them are named, nothing is done), or skip (they are left " +
      "out and named, the exit code is 1)",
  },
} as const;

export function readOnBroken(value: string): "error" | "skip" {
  if (value === "error" || value === "skip") return value;
  return fail("usage", `expected error or skip for --on-broken but received ${JSON.stringify(value)}`);
}

const FITS = ["resize", "crop", "contain"] as const;

export const fitArg = {
  fit: {
    type: "string",
    valueHint: "F",
    description:
      "Images of other sizes or more channels than the model's, of data that it was not trained on: resize " +
      "(stretched), crop (the middle cut out) or contain (padded); default: they are an error",
  },
} as const;

interface FittingWords {
  readonly fit?: string | undefined;
  readonly "on-broken": string;
}

/** The rules for images of a command that has both options; afterwards, how many were left out and the exit code. */
export function readFitting(words: FittingWords, terminal: Pick<Terminal, "warn">) {
  const { fit } = words;
  if (fit !== undefined && !FITS.some((one) => one === fit))
    fail("usage", `expected resize, crop or contain for --fit but received ${JSON.stringify(fit)}`);
  let skipped = 0;
  return {
    rules: {
      fit: fit as (typeof FITS)[number] | undefined,
      onBroken: readOnBroken(words["on-broken"]),
      onSkipped: (reasons: readonly string[]): void => {
        skipped += reasons.length;
      },
      tell: terminal.warn,
    },
    skipped: () => skipped,
    code: () => (skipped > 0 ? 1 : 0),
  };
}
