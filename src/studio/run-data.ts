/** What the page makes of a run's curves and config. */

import { type LogCurve, NO_POINTS } from "../runs/log-curve.ts";

/** A run as the server lists it (server/run-shelf.ts). */
export interface Run {
  readonly id: string;
  readonly name: string;
  readonly family: string;
  readonly data: string;
  readonly weights: boolean;
  readonly pictures: readonly string[];
}

export interface Curve extends LogCurve {
  /** Whether the log has more. */
  readonly stale: boolean;
}

export const emptyCurve: Curve = {
  steps: NO_POINTS,
  tests: NO_POINTS,
  last: NO_POINTS,
  unit: "",
  rate: null,
  stale: true,
};

/** The test figure: of the last test, or the best of all. */
export function testOf({ tests, last }: Curve, which: "last" | "best"): number | null {
  const values = [...tests.value, ...last.value];
  if (values.length === 0) return null;
  return which === "last" ? values.at(-1)! : Math.min(...values);
}

/** A config as flat settings: "train.batch" and its value. */
export function settingsOf(config: unknown, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(Object(config) as Record<string, unknown>)) {
    const name = path === "" ? key : `${path}.${key}`;
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      for (const [inner, text] of settingsOf(value, name)) found.set(inner, text);
    else found.set(name, JSON.stringify(value));
  }
  return found;
}
