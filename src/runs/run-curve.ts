/** The picture of a run's training: loss and test figure over time, from its log. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { COLOURS, chartPanel, chartSvg, chartText, type Point } from "../pictures/chart.ts";
import { figureOf, logEntries, numberIn } from "./log-entries.ts";
import { writeWhole } from "./run-folder.ts";

/** Part of the losses, the highest, that the chart cuts off: the first steps of a run lie far above the rest. */
const CUT = 0.05;

/** Writes `curve.svg` into a run's folder; nothing where the log has no two steps yet. */
export async function writeCurve(folder: string, unit: string): Promise<void> {
  const svg = curveOf(await readFile(join(folder, "log.jsonl"), "utf8").catch(() => ""), unit);
  if (svg !== null) await writeWhole(join(folder, "curve.svg"), svg);
}

/** `unit`: of the loss. */
export function curveOf(log: string, unit: string): string | null {
  const losses: Point[] = [];
  const tests: Point[] = [];
  for (const entry of logEntries(log)) {
    const [seconds, value] = [numberIn(entry, "seconds"), figureOf(entry)];
    if (seconds === null || value === null) continue;
    const minutes = seconds / 60;
    const points = entry.type === "step" ? losses : entry.type === "evaluation" ? tests : null;
    if (points === null) continue;
    // A resumed run repeats what a crash had lost.
    while (points.length > 0 && points.at(-1)![0] >= minutes) points.pop();
    points.push([minutes, value]);
  }
  if (losses.length < 2) return null;
  const shown = losses.map(([, loss]) => loss).sort((a, b) => a - b);
  const all = [...shown.slice(0, Math.ceil((1 - CUT) * shown.length)), ...tests.map(([, value]) => value)];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const space = 0.05 * (most - least || 1);
  const [loss, test] = COLOURS as [string, string];
  const panel = chartPanel({
    ...{ left: 90, top: 64, width: 600, height: 320, title: "" },
    x: { label: "minutes of training", from: 0, to: losses.at(-1)![0] * 1.02 },
    y: { label: unit, from: least - space, to: most + space },
    lines: [
      { colour: loss, points: losses },
      { colour: test, points: tests, dots: true },
    ],
  });
  const legend = [
    `<path d="M300 44h26" stroke="${loss}" stroke-width="2"/>${chartText(332, 48, "training loss")}`,
    `<path d="M440 44h26" stroke="${test}" stroke-width="2"/>${chartText(472, 48, "test")}`,
  ];
  return chartSvg(730, 450, "Training", [panel, ...(tests.length > 0 ? legend : legend.slice(0, 1))]);
}
