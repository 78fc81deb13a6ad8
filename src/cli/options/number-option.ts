/** Numbers on the command line: an option's text as a number in its range, or an error that names the option. */

import { fail } from "../../errors.ts";

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  /** Whether a fraction is allowed; default no. */
  readonly fraction?: boolean;
  /** Whether `min` itself is too small. */
  readonly above?: boolean;
}

export function numberOption(
  name: string,
  text: string | undefined,
  { min = 0, max = Number.POSITIVE_INFINITY, fraction = false, above = false }: NumberRange = {},
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  const fits =
    text.trim() !== "" &&
    Number.isFinite(value) &&
    (fraction || Number.isSafeInteger(value)) &&
    value >= min &&
    value <= max &&
    !(above && value === min);
  if (fits) return value;
  const kind = fraction ? "a number" : "a whole number";
  const range =
    max === Number.POSITIVE_INFINITY ? `${above ? "above" : "of at least"} ${min}` : `from ${min} to ${max}`;
  return fail("usage", `expected ${kind} ${range} for --${name} but received ${JSON.stringify(text)}`);
}
