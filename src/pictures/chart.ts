/**
 * Charts as SVG: panels of lines or bars with round numbers along their axes. For run folders and benches; the studio's
 * page draws its own, which move.
 */

/** Told apart with any colour vision (Okabe and Ito). */
export const COLOURS: readonly string[] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

export type Point = readonly [x: number, y: number];

export interface ChartLine {
  readonly colour: string;
  readonly points: readonly Point[];
  /** Whether each point has a dot. */
  readonly dots?: boolean | undefined;
  /** Whether it stands behind others. */
  readonly pale?: boolean | undefined;
  /** Points of another kind than the line's, each a ring. */
  readonly rings?: readonly Point[] | undefined;
}

export interface ChartPanel {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly x: { readonly label: string; readonly from: number; readonly to: number };
  readonly y: { readonly label: string; readonly from: number; readonly to: number };
  readonly lines?: readonly ChartLine[] | undefined;
  /** From x to x, so high. */
  readonly bars?: readonly { readonly from: number; readonly to: number; readonly y: number }[] | undefined;
}

/** Round numbers that cover from..to in about five steps. */
function ticksOf(from: number, to: number): number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((times) => times * power >= rough)! * power;
  const count = Math.floor(to / step + 1e-9) - Math.ceil(from / step - 1e-9) + 1;
  return Array.from({ length: count }, (_, i) => (Math.ceil(from / step - 1e-9) + i) * step);
}

const label = (value: number): string => String(Number(value.toPrecision(6)));

export const chartText = (x: number, y: number, words: string, more = ""): string =>
  `<text x="${x}" y="${y}" ${more}>${words.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>`;

/** A whole picture of parts. */
export function chartSvg(width: number, height: number, title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    chartText(width / 2, 24, title, 'text-anchor="middle" font-size="16"'),
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** One panel; what lies outside its ranges is cut off. */
export function chartPanel({ left, top, width, height, title, x, y, lines = [], bars = [] }: ChartPanel): string {
  const bottom = top + height;
  const across = (value: number): number => Number((left + (width * (value - x.from)) / (x.to - x.from)).toFixed(1));
  const down = (value: number): number => Number((bottom - (height * (value - y.from)) / (y.to - y.from)).toFixed(1));
  const grid = ticksOf(y.from, y.to).map(
    (value) =>
      `<path d="M${left} ${down(value)}h${width}" stroke="#e4e4e4"/>` +
      chartText(left - 8, down(value) + 4, label(value), 'text-anchor="end"'),
  );
  const feet = ticksOf(x.from, x.to).map(
    (value) =>
      `<path d="M${across(value)} ${bottom}v5" stroke="#888"/>` +
      chartText(across(value), bottom + 20, label(value), 'text-anchor="middle"'),
  );
  const middle = top + height / 2;
  const turned = `text-anchor="middle" transform="rotate(-90 ${left - 48} ${middle})"`;
  const name = `clip-${left}-${top}`;
  const drawn = lines.map(({ colour, points, dots, pale }) => {
    const at = points.map(([px, py]) => [across(px), down(py)] as const);
    const path =
      at.length === 0 ? "" : `<path d="M${at.map((p) => p.join(" ")).join("L")}" fill="none" stroke-width="2"/>`;
    const marks = dots ? at.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="2.5" stroke="none"/>`).join("") : "";
    return `<g stroke="${colour}" fill="${colour}"${pale ? ' opacity="0.25"' : ""}>${path}${marks}</g>`;
  });
  const columns = bars.map((bar) => {
    const [from, to, high] = [across(bar.from), across(bar.to), down(bar.y)];
    const size = `width="${Math.max(0.5, to - from - 1).toFixed(1)}" height="${(bottom - high).toFixed(1)}"`;
    return `<rect x="${from}" y="${high}" ${size} fill="${COLOURS[0]}"/>`;
  });
  // After all lines, so that none hides them.
  const drawnRings = lines.flatMap(({ rings = [], colour }) =>
    rings.map(
      ([px, py]) =>
        `<circle cx="${across(px)}" cy="${down(py)}" r="4.5" fill="#fff" stroke="${colour}" stroke-width="2"/>`,
    ),
  );
  return [
    chartText(left + width / 2, top - 12, title, 'text-anchor="middle" font-weight="bold"'),
    ...grid,
    ...feet,
    chartText(left + width / 2, bottom + 42, x.label, 'text-anchor="middle"'),
    chartText(left - 48, middle, y.label, turned),
    `<clipPath id="${name}"><rect x="${left}" y="${top}" width="${width}" height="${height}"/></clipPath>`,
    `<g clip-path="url(#${name})">`,
    ...columns,
    ...drawn,
    ...drawnRings,
    "</g>",
    `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="none" stroke="#888"/>`,
  ].join("\n");
}

/** A histogram of numbers: how many lie in each of about forty ranges. */
export function histogramSvg(title: string, unit: string, values: readonly number[]): string {
  const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const space = most > least ? most - least : Math.max(1, Math.abs(most));
  const bins = Math.max(1, Math.min(40, Math.ceil(2 * Math.sqrt(values.length))));
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor(((value - least) / space) * bins))]!++;
  const edge = (bin: number): number => least + (space * bin) / bins;
  const place = { left: 90, top: 60, width: 600, height: 300 };
  const panel = chartPanel({
    ...place,
    title: `${values.length} images`,
    x: { label: unit, from: least - space / 50, to: least + space * 1.02 },
    y: { label: "images", from: 0, to: Math.max(...counts) * 1.05 },
    bars: counts.map((y, bin) => ({ from: edge(bin), to: edge(bin + 1), y })),
  });
  return chartSvg(730, 430, title, [panel]);
}
