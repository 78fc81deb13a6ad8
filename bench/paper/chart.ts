/** Test nats while the runs train, as an SVG of two panels: over steps and over minutes. */

import type { Test } from "./run-record.ts";
import { PART_TITLES, type Part } from "./table.ts";

export interface Curve {
  readonly part: Part;
  readonly title: string;
  readonly tests: readonly Test[];
}

/** Told apart with any colour vision (Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];
const PANEL = { width: 380, height: 280, top: 64, lefts: { steps: 76, time: 556 } };
const SIZE = { width: 976, height: 468 };
/** Nats above the best that are shown: what comes before is a steep fall, and would flatten the rest. */
const SHOWN = 15;

/** Round numbers that cover from..to in about five steps. */
function ticksOf(from: number, to: number): number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((times) => times * power >= rough)! * power;
  const count = Math.floor(to / step + 1e-9) - Math.ceil(from / step - 1e-9) + 1;
  return Array.from({ length: count }, (_, i) => (Math.ceil(from / step - 1e-9) + i) * step);
}

const label = (value: number): string => String(Number(value.toPrecision(6)));
const text = (x: number, y: number, words: string, more = ""): string =>
  `<text x="${x}" y="${y}" ${more}>${words.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`;

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
  const panels = (["steps", "time"] as const).map((part) =>
    panelOf(
      part,
      curves.filter((curve) => curve.part === part && curve.tests.length > 0),
      range,
      fewest,
      colourOf,
    ),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" ` +
      `width="${SIZE.width}" height="${SIZE.height}" ` +
      'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">',
    `<rect width="${SIZE.width}" height="${SIZE.height}" fill="#fff"/>`,
    text(SIZE.width / 2, 24, "Binarised MNIST: test nats while training", 'text-anchor="middle" font-size="16"'),
    ...panels,
    legendOf(titles, colourOf),
    "</svg>\n",
  ].join("\n");
}

function panelOf(
  part: Part,
  curves: readonly Curve[],
  y: { readonly from: number; readonly to: number },
  fewest: number,
  colourOf: (title: string) => string,
): string {
  const { width, height, top } = PANEL;
  const left = PANEL.lefts[part];
  const bottom = top + height;
  const along = (test: Test): number => (part === "steps" ? test.step : test.seconds / 60);
  const farthest = Math.max(...curves.flatMap(({ tests }) => tests.map(along)), 0);
  const frame = `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="none" stroke="#888"/>`;
  const title = text(left + width / 2, top - 12, PART_TITLES[part], 'text-anchor="middle" font-weight="bold"');
  if (farthest === 0)
    return [title, frame, text(left + width / 2, top + height / 2, "no test yet", 'text-anchor="middle"')].join("\n");
  const end = farthest * 1.04;
  const across = (value: number): number => Number((left + (width * value) / end).toFixed(1));
  const down = (nats: number): number => Number((bottom - (height * (nats - y.from)) / (y.to - y.from)).toFixed(1));
  const grid = ticksOf(y.from, y.to).map(
    (nats) =>
      `<path d="M${left} ${down(nats)}h${width}" stroke="#e4e4e4"/>` +
      text(left - 8, down(nats) + 4, label(nats), 'text-anchor="end"'),
  );
  const feet = ticksOf(0, end).map(
    (value) =>
      `<path d="M${across(value)} ${bottom}v5" stroke="#888"/>` +
      text(across(value), bottom + 20, label(value), 'text-anchor="middle"'),
  );
  const middle = top + height / 2;
  const axes = [
    text(
      left + width / 2,
      bottom + 42,
      part === "steps" ? "steps of 16 images" : "minutes of training",
      'text-anchor="middle"',
    ),
    text(
      left - 48,
      middle,
      "test nats an image",
      `text-anchor="middle" transform="rotate(-90 ${left - 48} ${middle})"`,
    ),
  ];
  // Early tests lie above what is shown.
  const clip = `<clipPath id="${part}"><rect x="${left}" y="${top}" width="${width}" height="${height}"/></clipPath>`;
  const lines = curves.map(({ title, tests }) => {
    const { line, end: last } = split(tests, fewest);
    const at = (test: Test): { x: number; y: number } => ({ x: across(along(test)), y: down(test.nats) });
    const points = line.map(at);
    // A run that ended before its first checkpoint has no line.
    const path =
      points.length === 0
        ? ""
        : `<path d="M${points.map((p) => `${p.x} ${p.y}`).join("L")}" fill="none" stroke-width="2"/>`;
    const dots = points.map((p) => `<circle cx="${p.x}" cy="${p.y}" r="2.5" stroke="none"/>`).join("");
    return { drawn: `<g stroke="${colourOf(title)}" fill="${colourOf(title)}">${path}${dots}</g>`, last, title };
  });
  // After all lines, so that none hides them.
  const rings = lines.flatMap(({ last, title }) => {
    if (!last) return [];
    const at = `cx="${across(along(last))}" cy="${down(last.nats)}"`;
    return [`<circle ${at} r="4.5" fill="#fff" stroke="${colourOf(title)}" stroke-width="2"/>`];
  });
  return [
    title,
    ...grid,
    ...feet,
    ...axes,
    clip,
    `<g clip-path="url(#${part})">`,
    ...lines.map(({ drawn }) => drawn),
    ...rings,
    "</g>",
    frame,
  ].join("\n");
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
