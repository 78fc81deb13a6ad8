/** The curves of a run's log, thinned to what a chart can show. Free of Node: the studio's page knows the types. */

import { figureOf, type LogEntry, logEntries, numberIn, onMoreImages } from "./log-entries.ts";

/** Points, a list for each of their numbers. */
export interface Points {
  readonly step: readonly number[];
  readonly images: readonly number[];
  readonly minutes: readonly number[];
  readonly value: readonly number[];
}

export interface LogCurve {
  readonly steps: Points;
  readonly tests: Points;
  /** Tests on more images than the others, such as the last of a run: they belong on no line with them. */
  readonly onMore: Points;
  /** Of the losses. */
  readonly unit: string;
  /** Images a second, of the last step. */
  readonly rate: number | null;
}

export const NO_POINTS: Points = { step: [], images: [], minutes: [], value: [] };

interface Point {
  readonly step: number;
  readonly minutes: number;
  readonly epoch: number;
  readonly value: number;
  /** Images of a test. */
  readonly tested: number | null;
}

/**
 * Of a whole log; of its steps, every n-th, so that `most` are left, and the last. Tests are all kept. A spike between
 * two of these steps is not seen; to keep each stretch's extremes would show it, but would draw the moving average
 * towards them.
 */
export function curveOfLog(log: string, most = 1000): LogCurve {
  const lines = log.split("\n");
  const isStep = (line: string): boolean => line.startsWith('{"type":"step"');
  const stride = Math.ceil(lines.filter(isStep).length / most) || 1;
  const steps: Point[] = [];
  const tests: Point[] = [];
  let [unit, rate, total, at] = ["", null as number | null, 1, 0];
  const take = (entry: LogEntry): void => {
    const step = numberIn(entry, "step");
    if (entry.type === "start") total = numberIn(entry, "images") ?? total;
    const value = figureOf(entry);
    if (step === null || value === null || (entry.type !== "step" && entry.type !== "evaluation")) return;
    const minutes = (numberIn(entry, "seconds") ?? 0) / 60;
    const point = { step, minutes, epoch: numberIn(entry, "epoch") ?? 0, value, tested: numberIn(entry, "images") };
    // A resumed run repeats what a crash had lost: what comes later stands.
    if (entry.type === "step") {
      while (steps.length > 0 && steps.at(-1)!.step >= step) steps.pop();
      while (tests.length > 0 && tests.at(-1)!.step > step) tests.pop();
      steps.push(point);
      unit = typeof entry.unit === "string" ? entry.unit : unit || "nats";
      rate = numberIn(entry, "imagesPerSecond") ?? rate;
    } else {
      while (tests.length > 0 && tests.at(-1)!.step >= step) tests.pop();
      tests.push({ ...point, epoch: steps.at(-1) ? (steps.at(-1)!.epoch * step) / (steps.at(-1)!.step || 1) : 0 });
    }
  };
  const lastStep = lines.findLastIndex(isStep);
  for (const [i, line] of lines.entries()) {
    if (isStep(line) && at++ % stride !== 0 && i !== lastStep) continue;
    for (const entry of logEntries(line)) take(entry);
  }
  const columns = (points: readonly Point[]): Points => ({
    step: points.map(({ step }) => step),
    images: points.map(({ epoch }) => epoch * total),
    minutes: points.map(({ minutes }) => minutes),
    value: points.map(({ value }) => value),
  });
  const more = onMoreImages(tests.map(({ tested }) => tested));
  return {
    steps: columns(steps),
    tests: columns(tests.filter((_, i) => !more[i])),
    onMore: columns(tests.filter((_, i) => more[i])),
    unit,
    rate,
  };
}
