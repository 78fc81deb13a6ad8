/** Test nats while the runs train, as an SVG of two panels: over steps and over minutes. */

import { type ChartLine, COLOURS, chartPanel, chartSvg, chartText as text } from "../../src/pictures/chart.ts";
import type { Test } from "./run-record.ts";
import { PART_TITLES, type Part } from "./table.ts";

export interface Curve {
  readonly part: Part;
  readonly title: string;
  readonly tests: readonly Test[];
}

const PANEL = { width: 380, height: 280, top: 64, lefts: { steps: 76, time: 556 } };
const SIZE = { width: 976, height: 468 };
/** Nats above the best that are shown: what comes before is a steep fall, and would flatten the rest. */
const SHOWN = 15;

/**
 * The tests at checkpoints, which make the line, and that of the end on more images, which is no point of it: the first
 * images of the test set are easier than the rest. `fewest`: images at a checkpoint.
 */
function split(tests: readonly Test[], fewest: number): { line: readonly Test[]; end: Test | null } {
  const last = tests.at(-1);
  return { line: tests.filter(({ images }) => images === fewest), end: last && last.images > fewest ? last : null };
}

/** `titles`: of all families, in the order of their colours. */
export function chartOf(curves: readonly Curve[], titles: readonly string[]): string {
  const all = curves.flatMap(({ tests }) => tests.map(({ nats }) => nats));
  const fewest = Math.min(...curves.flatMap(({ tests }) => tests.map(({ images }) => images)));
  const lowest = Math.min(...all);
  const highest = Math.min(Math.max(...all), lowest + SHOWN);
  const margin = Math.max(0.5, (highest - lowest) * 0.05);
  const range = { from: lowest - margin, to: highest + margin };
  const colourOf = (title: string): string => COLOURS[titles.indexOf(title) % COLOURS.length]!;
  const panels = (["steps", "time"] as const).map((axis) => {
    const parts = (["steps", "time"] as const).filter((part) =>
      curves.some((c) => c.part === part && c.tests.length > 0),
    );
    // Where only one of the two was trained, its runs are shown over both axes.
    const part = parts.includes(axis) ? axis : parts[0]!;
    const own = curves.filter((curve) => curve.part === part && curve.tests.length > 0);
    return panelOf(axis, part === axis ? PART_TITLES[part] : "The same runs", own, range, fewest, colourOf);
  });
  const title = "Binarised MNIST: test nats while training";
  return chartSvg(SIZE.width, SIZE.height, title, [...panels, legendOf(titles, colourOf)]);
}

function panelOf(
  part: Part,
  title: string,
  curves: readonly Curve[],
  range: { readonly from: number; readonly to: number },
  fewest: number,
  colourOf: (title: string) => string,
): string {
  const { width, height, top } = PANEL;
  const left = PANEL.lefts[part];
  const along = (test: Test): number => (part === "steps" ? test.step : test.seconds / 60);
  const farthest = Math.max(...curves.flatMap(({ tests }) => tests.map(along)), 0);
  const lines = curves.map(({ title: family, tests }): ChartLine => {
    const { line, end } = split(tests, fewest);
    return {
      colour: colourOf(family),
      points: line.map((test) => [along(test), test.nats]),
      dots: true,
      rings: end ? [[along(end), end.nats] as const] : [],
    };
  });
  return chartPanel({
    ...{ left, top, width, height, lines, title },
    x: { label: part === "steps" ? "steps of 16 images" : "minutes of training", from: 0, to: farthest * 1.04 || 1 },
    y: { label: "test nats an image", ...range },
  });
}

/** Below the panels, where no line can lie. */
function legendOf(titles: readonly string[], colourOf: (title: string) => string): string {
  const y = PANEL.top + PANEL.height + 72;
  const families = titles.map((title, i) => {
    const x = 76 + i * 165;
    return (
      `<path d="M${x} ${y}h26" stroke="${colourOf(title)}" stroke-width="2"/>` +
      `<circle cx="${x + 13}" cy="${y}" r="2.5" fill="${colourOf(title)}"/>${text(x + 34, y + 4, title)}`
    );
  });
  const x = 76 + titles.length * 165;
  const ring = `<circle cx="${x + 6}" cy="${y}" r="4.5" fill="#fff" stroke="#555" stroke-width="2"/>`;
  const note =
    "Lines: the first images of the test set, at each checkpoint; what lies far above the best is cut off. " +
    "Rings: on more of the test set.";
  return [...families, ring, text(x + 20, y + 4, "end of a run"), text(76, y + 32, note, 'fill="#555"')].join("\n");
}
