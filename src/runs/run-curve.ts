/** The picture of a run's training: loss and test figure over time, from its log. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { COLOURS, chartPanel, chartSvg, chartText, type Point } from "../pictures/chart.ts";
import { curveOfLog, type Points } from "./log-curve.ts";
import { smoothed } from "./log-entries.ts";
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
  const { steps, tests, onMore } = curveOfLog(log, Infinity);
  const pointsOf = ({ minutes, value }: Points): Point[] => minutes.map((at, i) => [at, value[i]!]);
  const [losses, line, rings] = [pointsOf(steps), pointsOf(tests), pointsOf(onMore)];
  if (losses.length < 2) return null;
  // One batch says little: the line is their moving average.
  const means = smoothed(
    losses.map(([, loss]) => loss),
    SMOOTHING,
  );
  const shown = [...means].sort((a, b) => a - b).slice(0, Math.ceil((1 - CUT) * means.length));
  const all = [...shown, ...tests.value, ...onMore.value];
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
    ...(line.length + rings.length > 0
      ? [mark(390, test, `test${rings.length > 0 ? " (ring: on more images)" : ""}`)]
      : []),
  ];
  return chartSvg(730, 450, "Training", [panel, ...legend]);
}
