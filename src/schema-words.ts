/** What a schema expected, in plain words: the library's own texts speak of its types. */

import type { z } from "zod";

const TYPES: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "text",
  boolean: "true or false",
  object: "an object",
  array: "a list",
  tuple: "a list",
  record: "an object",
};
const quoted = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value));
const listed = (values: readonly unknown[]): string => {
  const words = values.map(quoted);
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
};
const UNITS: Readonly<Record<string, string>> = { string: "letters", array: "items", tuple: "items", set: "items" };

/** `at most 256`, `a whole number`, `"cosine" or "constant"`: for "expected ... but received ...". */
export function expectedBy(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return TYPES[issue.expected] ?? issue.expected;
    case "invalid_value":
      return listed(issue.values);
    case "too_small": {
      const unit = UNITS[issue.origin] === undefined ? "" : ` ${UNITS[issue.origin]}`;
      return `${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${unit}`;
    }
    case "too_big": {
      const unit = UNITS[issue.origin] === undefined ? "" : ` ${UNITS[issue.origin]}`;
      return `${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${unit}`;
    }
    case "invalid_union": {
      const [, choices] = /Expected (.*)$/.exec(issue.message) ?? [];
      if (choices !== undefined) return listed(choices.replaceAll("'", "").split(" | "));
      if (issue.message !== "Invalid input") return issue.message.replace(/^expected /, "");
      const branches = issue.errors.flatMap((branch) => (branch[0] ? [expectedBy(branch[0])] : []));
      return branches.length === 0 ? issue.message : [...new Set(branches)].join(" or ");
    }
    default:
      return issue.message;
  }
}
