/** What the page makes of a run's log and config. */

import { figureOf, logEntries, numberIn } from "../runs/log-entries.ts";

/** A run as the server lists it (server/run-shelf.ts). */
export interface Run {
  readonly id: string;
  readonly name: string;
  readonly family: string;
  readonly data: string;
  readonly weights: boolean;
  readonly pictures: readonly string[];
}

export interface Point {
  readonly step: number;
  readonly images: number;
  readonly minutes: number;
  readonly value: number;
}

export interface Curve {
  readonly steps: readonly Point[];
  readonly tests: readonly Point[];
  readonly unit: string;
  /** Images a second, of the last lines. */
  readonly rate: number | null;
  /** Images of the training split, where the log says it. */
  readonly total: number | null;
  /** Byte of the log where the next lines begin. */
  readonly next: number;
  /** Whether the log has more. */
  readonly stale: boolean;
}

export const emptyCurve: Curve = { steps: [], tests: [], unit: "", rate: null, total: null, next: 0, stale: true };

/** Takes new lines of the log. A resumed run repeats steps: what comes later stands. */
export function grow(curve: Curve, text: string, next: number): Curve {
  const [steps, tests] = [[...curve.steps], [...curve.tests]];
  let { unit, rate, total } = curve;
  for (const entry of logEntries(text)) {
    const step = numberIn(entry, "step");
    if (step === null) continue;
    if (entry.type === "start") total = numberIn(entry, "images") ?? total;
    const minutes = (numberIn(entry, "seconds") ?? 0) / 60;
    if (entry.type === "step") {
      const value = figureOf(entry);
      if (value === null) continue;
      while (steps.length > 0 && steps.at(-1)!.step >= step) steps.pop();
      while (tests.length > 0 && tests.at(-1)!.step > step) tests.pop();
      const images = (numberIn(entry, "epoch") ?? 0) * (total ?? 1);
      steps.push({ step, images, minutes, value });
      unit = typeof entry.unit === "string" ? entry.unit : unit || "nats";
      rate = numberIn(entry, "imagesPerSecond") ?? rate;
    } else if (entry.type === "evaluation") {
      const value = figureOf(entry);
      if (value === null) continue;
      while (tests.length > 0 && tests.at(-1)!.step >= step) tests.pop();
      const images = step * ((steps.at(-1)?.images ?? 0) / (steps.at(-1)?.step || 1));
      tests.push({ step, images, minutes, value });
    }
  }
  return { ...curve, steps, tests, unit, rate, total, next };
}

export function testOf({ tests }: Curve, which: "last" | "best"): number | null {
  if (tests.length === 0) return null;
  return which === "last" ? tests.at(-1)!.value : Math.min(...tests.map(({ value }) => value));
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
