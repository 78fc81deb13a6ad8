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
  onMore: NO_POINTS,
  unit: "",
  rate: null,
  stale: true,
};

/** The test figure: of the last test, or the best of all. */
export function testOf({ tests, onMore }: Curve, which: "last" | "best"): number | null {
  const values = [...tests.value, ...onMore.value];
  if (values.length === 0) return null;
  if (which === "best") return Math.min(...values);
  const later = (onMore.step.at(-1) ?? 0) >= (tests.step.at(-1) ?? 0) ? onMore : tests;
  return later.value.at(-1)!;
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
