/**
 * Between the values 0..255 of a picture and the levels 0..K-1 of a model. A table says which value each level stands
 * for, so an image of no more than K values is coded exactly, whatever they are. Archives keep the tables in their
 * notes (archive-notes.ts).
 */

import { fail } from "../errors.ts";

/** The value of each level; null for a level that the image does not use. */
export type LevelTable = readonly (number | null)[];

/** Where nothing else is known: the levels spread evenly over 0..255. */
export function evenTable(levels: number): LevelTable {
  return Array.from({ length: levels }, (_, i) => Math.round((i * 255) / (levels - 1)));
}

/** The level that data/dataset.ts gives a value. Two levels: a threshold at 127. */
export function nearestLevel(value: number, levels: number): number {
  return Math.floor((value * levels) / 256);
}

export interface FittedLevels {
  /** Levels, as many as `values`. */
  readonly pixels: Uint8Array;
  readonly table: LevelTable;
  /** Whether the table gives the values back as they were. */
  readonly exact: boolean;
}

/**
 * A picture's values as levels: by the even table where it holds them all, otherwise by the nearest levels where those
 * differ, otherwise in order; and where there are more values than levels, by the nearest levels and no longer exact.
 */
export function fitLevels(values: Uint8Array, levels: number): FittedLevels {
  const even = evenTable(levels);
  if (levels === 256) return { pixels: values, table: even, exact: true };
  const used = [...new Set(values)].sort((a, b) => a - b);
  const levelOf = new Uint8Array(256);
  const mapped = (): Uint8Array => values.map((v) => levelOf[v]!);
  if (used.every((v) => even.includes(v))) {
    for (const v of used) levelOf[v] = even.indexOf(v);
    return { pixels: mapped(), table: even, exact: true };
  }
  const nearest = used.map((v) => nearestLevel(v, levels));
  const apart = new Set(nearest).size === used.length;
  for (const [i, v] of used.entries()) levelOf[v] = apart || used.length > levels ? nearest[i]! : i;
  if (used.length > levels) return { pixels: mapped(), table: even, exact: false };
  const table = even.map((): number | null => null);
  for (const v of used) table[levelOf[v]!] = v;
  return { pixels: mapped(), table, exact: true };
}

/** Values of levels. A level that the table has no value for is a damaged note. */
export function valuesOf(pixels: Uint8Array, table: LevelTable, name: string): Uint8Array {
  return pixels.map((level) => {
    return (
      table[level] ??
      fail("corrupt", `expected a value for level ${level} of ${name} in the archive's notes but found none`)
    );
  });
}
