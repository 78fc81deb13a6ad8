/** Lines over steps, images or minutes, by uPlot. The only file that loads it. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { COLOURS as FILE_COLOURS } from "../pictures/chart.ts";
import { rounded } from "../words.ts";
import { chartTable, isExact } from "./chart-table.ts";
import { useDark } from "./scheme.ts";

/** Told apart in light and dark, and by most colour-blind eyes: those of charts in files, and four more. */
export const COLOURS = [...FILE_COLOURS, "#b58900", "#3fa7d6", "#8c6d62", "#7a7f87"];

export interface Line {
  readonly id: string;
  readonly name: string;
  readonly colour: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Whether each point is marked. */
  readonly dots: boolean;
  /** Whether a line leads from point to point; without it each point is a ring of its own. */
  readonly joined: boolean;
}

interface ChartProps {
  readonly title: string;
  readonly axis: string;
  readonly lines: readonly Line[];
  readonly logX: boolean;
  readonly logY: boolean;
  /** The line that stands out, while the others pale; null for none. */
  readonly lit: string | null;
  /** Charts of one name share the pointer. */
  readonly sync: string;
  /** Said below the legend. */
  readonly note?: string | undefined;
}

/** What a legend shows where the pointer is on no point. */
const NOWHERE = "–";
/** Most points of a line that are drawn: more than a screen has columns. */
const MOST = 2000;
/** Most lines that a legend names, and that are told at the pointer. */
const MOST_NAMED = 12;

export function Chart({ title, axis, lines, logX, logY, lit, sync, note }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null);
  const dark = useDark();
  useEffect(() => {
    const element = box.current!;
    if (lines.length === 0) return;
    const style = getComputedStyle(element);
    const [ink, grid] = [style.getPropertyValue("--soft"), style.getPropertyValue("--line")];
    const ends = lines.map(({ x, y, ...line }) => ({ ...line, ...thin(x, y, logX) }));
    const few = lines.length <= MOST_NAMED;
    // A dot is a point of the run, and none between.
    const exact = isExact(ends);
    const data = chartTable(ends, logX) as unknown as uPlot.AlignedData;
    // The first losses of a run are far above all others, and would press the rest into a line.
    const all = Float64Array.from(ends.flatMap(({ y }) => y)).sort();
    const high = all.length < 30 || logY ? Number.POSITIVE_INFINITY : all[Math.floor(0.97 * all.length)]!;
    const axes = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid } };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: 260,
        cursor: { sync: { key: sync }, points: { show: few } },
        legend: { show: few, live: true },
        scales: {
          x: { time: false, distr: logX ? 3 : 1 },
          y: { distr: logY ? 3 : 1, range: (_, least, most) => rangeOf(least, Math.min(most, high), logY) },
        },
        axes: [
          { ...axes, label: axis, labelSize: 18 },
          { ...axes, size: 62, ...(logY && { values: (_: uPlot, ticks: number[]) => ticks.map(roundTick) }) },
        ],
        series: [
          { label: axis, value: (_, v) => (v == null ? NOWHERE : v.toFixed(axis === "minutes" ? 2 : 0)) },
          ...ends.map(({ id, name, colour, dots, joined }) => ({
            label: name,
            stroke: colour,
            ...look(lit === null || lit === id),
            spanGaps: true,
            points: {
              show: joined ? dots && exact : true,
              size: joined ? 5 : 10,
              fill: joined ? colour : "transparent",
            },
            ...(!joined && { paths: () => null }),
            value: (_: uPlot, v: number | null) => (v == null ? NOWHERE : v.toFixed(3)),
          })),
        ],
      },
      data,
      element,
    );
    drawn.current = plot;
    const names = element.querySelectorAll<HTMLElement>(".u-legend .u-series");
    // Rings belong to the line of their identity, which the legend names.
    ends.forEach(({ joined }, i) => {
      if (!joined && few) names[i + 1]!.hidden = true;
    });
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: 260 }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      drawn.current = null;
      plot.destroy();
    };
  }, [lines, axis, logX, logY, sync, dark]);
  // Under the pointer alone: the same plot with another look.
  useEffect(() => {
    const plot = drawn.current;
    if (!plot) return;
    lines.forEach(({ id }, i) => {
      Object.assign(plot.series[i + 1]!, look(lit === null || lit === id));
    });
    plot.redraw(false);
  }, [lit]);
  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
      </figcaption>
      <div ref={box} role="img" aria-label={`${title} over ${axis}: ${summary(lines)}`} />
      {note && <p class="hint">{note}</p>}
      {lines.length === 0 && <p class="waiting">Nothing to show yet.</p>}
    </figure>
  );
}

const look = (stands: boolean): { width: number; alpha: number } =>
  stands ? { width: 2, alpha: 1 } : { width: 1, alpha: 0.25 };

/** The ends of a logarithmic axis are no round numbers; some of its ticks have none. */
const roundTick = (tick: number | null): string => (tick === null ? "" : rounded(tick));

const summary = (lines: readonly Line[]): string =>
  (lines.length > MOST_NAMED ? `${lines.length} lines, such as ` : "") +
    lines
      .slice(0, MOST_NAMED)
      .map(({ name, y }) => `${name} ended at ${y.at(-1)?.toFixed(2)}`)
      .join("; ") || "no lines";

/** The axis of y, a little wider than the values. */
function rangeOf(least: number, most: number, log: boolean): [number, number] {
  if (!Number.isFinite(least) || !Number.isFinite(most)) return [0, 1];
  const space = 0.04 * (most - least || Math.abs(most) || 1);
  return log ? [Math.max(least * 0.97, Number.MIN_VALUE), most * 1.03] : [least - space, most + space];
}

/** At most {@link MOST} points; of a logarithmic axis those above 0. */
function thin(x: readonly number[], y: readonly number[], logX: boolean): { x: number[]; y: number[] } {
  const kept = x.flatMap((value, i) => (!logX || value > 0 ? [i] : []));
  const step = Math.max(1, kept.length / MOST);
  const chosen = Array.from({ length: Math.min(kept.length, MOST) }, (_, i) => kept[Math.floor(i * step)]!);
  const last = kept.at(-1);
  if (last !== undefined && chosen.at(-1) !== last) chosen.push(last);
  return { x: chosen.map((i) => x[i]!), y: chosen.map((i) => y[i]!) };
}
