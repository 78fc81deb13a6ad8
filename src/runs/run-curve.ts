/** The picture of a run's training: loss and test figure over time, from its log. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { COLOURS, chartPanel, chartSvg, chartText, type Point } from "../pictures/chart.ts";
import { figureOf, logEntries, numberIn, onMoreImages, smoothed } from "./log-entries.ts";
import { writeWhole } from "./run-folder.ts";

/** Part of the losses, the highest, that the chart cuts off: the first steps of a run lie far above the rest. */
const CUT = 0.05;
/** Weight of the past in the moving average of the losses that are logged, one every few seconds. */
const SMOOTHING = 0.9;

/** Writes `curve.svg` into a run's folder; nothing where the log has no two steps yet. */
export async function writeCurve(folder: string, unit: string): Promise<void> {
  const svg = curveOf(await readFile(join(folder, "log.jsonl"), "utf8").catch(() => ""), unit);
  if (svg !== null) await writeWhole(join(folder, "curve.svg"), svg);
}

/** `unit`: of the loss. */
export function curveOf(log: string, unit: string): string | null {
  const losses: Point[] = [];
  const tests: { readonly at: Point; readonly images: number | null }[] = [];
  for (const entry of logEntries(log)) {
    const [seconds, value] = [numberIn(entry, "seconds"), figureOf(entry)];
    if (seconds === null || value === null) continue;
    const minutes = seconds / 60;
    // A resumed run repeats what a crash had lost.
    if (entry.type === "step") {
      while (losses.length > 0 && losses.at(-1)![0] >= minutes) losses.pop();
      losses.push([minutes, value]);
    } else if (entry.type === "evaluation") {
      while (tests.length > 0 && tests.at(-1)!.at[0] >= minutes) tests.pop();
      tests.push({ at: [minutes, value], images: numberIn(entry, "images") });
    }
  }
  if (losses.length < 2) return null;
  // One batch says little: the line is their moving average.
  const means = smoothed(
    losses.map(([, loss]) => loss),
    SMOOTHING,
  );
  const more = onMoreImages(tests.map(({ images }) => images));
  const rings = tests.filter((_, i) => more[i]).map(({ at }) => at);
  const line = tests.filter((_, i) => !more[i]).map(({ at }) => at);
  const shown = [...means].sort((a, b) => a - b).slice(0, Math.ceil((1 - CUT) * means.length));
  const all = [...shown, ...tests.map(({ at }) => at[1])];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const space = 0.1 * (most - least || 1);
  const [loss, test] = COLOURS as [string, string];
  const panel = chartPanel({
    ...{ left: 90, top: 64, width: 600, height: 320, title: "" },
    x: { label: "minutes of training", from: 0, to: losses.at(-1)![0] * 1.02 },
    y: { label: unit, from: least - space, to: most + space },
    lines: [
      { colour: loss, points: losses, pale: true },
      { colour: loss, points: losses.map(([minutes], i) => [minutes, means[i]!]) },
      { colour: test, points: line, dots: true, rings },
    ],
  });
  const mark = (x: number, colour: string, words: string): string =>
    `<path d="M${x} 44h26" stroke="${colour}" stroke-width="2"/>${chartText(x + 32, 48, words)}`;
  const legend = [
    mark(150, loss, "training loss, moving average"),
    ...(tests.length > 0 ? [mark(390, test, `test${rings.length > 0 ? " (ring: on more images)" : ""}`)] : []),
  ];
  return chartSvg(730, 450, "Training", [panel, ...legend]);
}
