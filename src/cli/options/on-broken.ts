/** `--on-broken error|skip`: what becomes of images that cannot be read or used. */

import { fail } from "../../errors.ts";

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
