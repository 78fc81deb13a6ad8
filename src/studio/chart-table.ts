/** Lines over one list of places, as uPlot draws them: a row of places, and a row of values for each line. */

export interface Points {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

export interface PlacedLine extends Points {
  /** Whether a line leads from point to point; without it each point stands alone. */
  readonly joined: boolean;
}

/** Null or undefined where a line has no value. */
export type ChartTable = readonly [places: readonly number[], ...values: readonly (readonly (number | null)[])[]];

/** Most cells of the table: places on the axis, times lines. */
const MOST_CELLS = 400_000;

/** Whether the table of these lines has their points, and no others. */
export const isExact = (lines: readonly Points[]): boolean =>
  lines.length === 1 || lines.length * lines.reduce((sum, { x }) => sum + x.length, 0) <= MOST_CELLS;

/**
 * All places of all lines; or, where that would be too large a table, places at equal distances, with the lines' values
 * between their points, and each point that stands alone at the place nearest to it.
 */
export function chartTable(lines: readonly PlacedLine[], logX: boolean): ChartTable {
  if (isExact(lines)) {
    const places = [...new Set(lines.flatMap(({ x }) => x))].sort((a, b) => a - b);
    return [places, ...lines.map((line) => valuesOn(places, line))];
  }
  const some = lines.filter(({ x }) => x.length > 0);
  const [least, most] = [Math.min(...some.map(({ x }) => x[0]!)), Math.max(...some.map(({ x }) => x.at(-1)!))];
  const count = Math.max(50, Math.min(1000, Math.floor(MOST_CELLS / lines.length)));
  const places = Array.from({ length: count }, (_, i) => {
    // Not by the formula, whose rounding may lead beyond the last point.
    if (i === count - 1) return most;
    const part = i / (count - 1);
    return logX ? least * (most / least) ** part : least + (most - least) * part;
  });
  return [places, ...lines.map((line) => (line.joined ? valuesBetween(places, line) : valuesNear(places, line)))];
}

function valuesOn(places: readonly number[], { x, y }: Points): (number | null)[] {
  const known = new Map(x.map((at, i) => [at, y[i]!]));
  return places.map((place) => known.get(place) ?? null);
}

/** Of a line, at ascending places; null beyond its ends. */
function valuesBetween(places: readonly number[], { x, y }: Points): (number | null)[] {
  let i = 0;
  return places.map((place) => {
    while (i < x.length && x[i]! < place) i++;
    if (i === x.length || (i === 0 && x[0]! > place)) return null;
    if (i === 0 || x[i] === place) return y[i]!;
    const part = (place - x[i - 1]!) / (x[i]! - x[i - 1]!);
    return y[i - 1]! + part * (y[i]! - y[i - 1]!);
  });
}

function valuesNear(places: readonly number[], { x, y }: Points): (number | null)[] {
  const values = places.map((): number | null => null);
  for (const [i, at] of x.entries()) {
    const after = places.findIndex((place) => place >= at);
    const nearest =
      after < 0 ? places.length - 1 : after > 0 && at - places[after - 1]! < places[after]! - at ? after - 1 : after;
    values[nearest] = y[i]!;
  }
  return values;
}
