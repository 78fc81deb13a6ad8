/**
 * What the command line keeps in an archive's notes, as JSON: where the model was, what values its levels stand for,
 * names by their numbers, names of classes, where labels are. Notes may come from anyone: what does not fit the schema
 * is not read.
 */

import { fail, parseJson } from "../errors.ts";
import { evenTable, type LevelTable } from "./level-table.ts";
import type { Condition } from "./predictor.ts";

/** Images of an archive's notes, run by run: how many, and their table; 0 is the even one, n the n-th of `tables`. */
type Runs = readonly (readonly [number, number])[];

export interface ArchiveNotes {
  /** Where the model was found when the archive was made: a shipped model's name, or a folder. */
  readonly model?: string | undefined;
  readonly classes?: readonly string[] | undefined;
  /** Where labels are, if not in the directory: each image's is the class that it is conditioned on. */
  readonly labels?: "conditions" | undefined;
  /** Names by their numbers, instead of a name an image in the directory. */
  readonly names?: readonly NameRun[] | undefined;
  /** Some images had more values than the model has levels. */
  readonly lossy?: true | undefined;
  readonly tables?: readonly LevelTable[] | undefined;
  readonly images?: Runs | undefined;
}

/** Text for a terminal: nothing that moves the cursor or reorders what is read. */
const plain = (text: string): string => text.replace(/\p{C}/gu, "_");

const isText = (value: unknown): value is string => typeof value === "string" && value.length <= 1024;
const isCount = (value: unknown, min: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= min;
const listOf = <T>(value: unknown, fits: (item: unknown) => item is T): value is T[] =>
  Array.isArray(value) && value.every(fits);
const isRun = (v: unknown): v is [number, number] =>
  Array.isArray(v) && v.length === 2 && isCount(v[0], 1) && isCount(v[1], 0);
const isNameRun = (v: unknown): v is NameRun =>
  Array.isArray(v) && v.length === 3 && isText(v[0]) && isCount(v[1], 0) && isCount(v[2], 1);
const isValue = (v: unknown): v is number | null => v === null || (isCount(v, 0) && v <= 255);
const isTable = (v: unknown): v is LevelTable => listOf(v, isValue) && v.length <= 256;

/**
 * The fields that fit; null where one does not, or the format is another's. Without a schema library, so that a page
 * needs none to open a file.
 */
function fitting(json: unknown): ArchiveNotes | null {
  const { format, model, classes, labels, names, lossy, tables, images } = Object(json) as Record<string, unknown>;
  const absent = (value: unknown): value is undefined => value === undefined;
  const right =
    format === 1 &&
    (absent(model) || isText(model)) &&
    (absent(classes) || listOf(classes, isText)) &&
    (absent(labels) || labels === "conditions") &&
    (absent(names) || listOf(names, isNameRun)) &&
    (absent(lossy) || lossy === true) &&
    (absent(tables) || listOf(tables, isTable)) &&
    (absent(images) || listOf(images, isRun));
  if (!right) return null;
  return {
    labels: labels as "conditions" | undefined,
    lossy: lossy as true | undefined,
    ...{
      names: names as NameRun[] | undefined,
      tables: tables as LevelTable[] | undefined,
      images: images as Runs | undefined,
    },
    model: absent(model) ? undefined : plain(model as string),
    classes: (classes as string[] | undefined)?.map(plain),
  };
}

export interface NotedImages {
  readonly model?: string | undefined;
  readonly classes?: readonly string[] | null | undefined;
  readonly levels: number;
  readonly tables: readonly LevelTable[];
  readonly names?: readonly NameRun[] | undefined;
  readonly lossy: boolean;
  readonly labelsAreConditions?: boolean | undefined;
}

/** Names `${prefix}${first}` and on, so many. */
export type NameRun = readonly [prefix: string, first: number, count: number];

/** Numbered names as runs, which cost nothing per image; undefined where runs would not be shorter. */
export function nameRuns(names: readonly string[]): NameRun[] | undefined {
  const runs: [string, number, number][] = [];
  for (const name of names) {
    const [, prefix, digits] = /^(.*?)(0|[1-9]\d{0,14})$/s.exec(name) ?? [];
    if (prefix === undefined) return undefined;
    const last = runs.at(-1);
    if (last && last[0] === prefix && last[1] + last[2] === Number(digits)) last[2]++;
    else runs.push([prefix, Number(digits), 1]);
    if (runs.length > 8 + names.length / 16) return undefined;
  }
  return runs;
}

/** At most `count` names of an archive's notes, or undefined where they hold none. */
export function notedNames(notes: ArchiveNotes | null, count: number): string[] | undefined {
  if (!notes?.names) return undefined;
  const names: string[] = [];
  for (const [prefix, first, length] of notes.names)
    for (let i = 0; i < length && names.length < count; i++) names.push(`${prefix}${first + i}`);
  return names;
}

/** The notes of an archive, its images' tables in their order. */
export function writeNotes({ model, classes, levels, tables, names, lossy, labelsAreConditions }: NotedImages): string {
  const even = JSON.stringify(evenTable(levels));
  const numbers = new Map([[even, 0]]);
  const runs: [number, number][] = [];
  for (const table of tables) {
    const text = JSON.stringify(table);
    if (!numbers.has(text)) numbers.set(text, numbers.size);
    const number = numbers.get(text)!;
    const last = runs.at(-1);
    if (last?.[1] === number) last[0]++;
    else runs.push([1, number]);
  }
  const others = [...numbers.keys()].slice(1).map((text) => JSON.parse(text) as LevelTable);
  const mapped = others.length > 0 ? { tables: others, images: runs } : {};
  return JSON.stringify({
    format: 1,
    // What is undefined is not written.
    model,
    classes: classes ?? undefined,
    labels: labelsAreConditions ? "conditions" : undefined,
    names,
    lossy: lossy || undefined,
    ...mapped,
  });
}

/** Notes of an archive, or null where there are none or another program's. */
export function readNotes(text: string): ArchiveNotes | null {
  if (text === "") return null;
  return fitting(parseJson(text, () => null));
}

/** An image's label: from the directory, or the class that it is conditioned on where the notes say so. */
export function labelOf(
  notes: ArchiveNotes | null,
  { label, condition }: { readonly label?: number | undefined; readonly condition?: Condition | undefined },
): number | undefined {
  if (label !== undefined || notes?.labels !== "conditions") return label;
  return typeof condition === "number" ? condition : undefined;
}

/** The table of each image, by its index. */
export function tablesOf(notes: ArchiveNotes | null, levels: number): (index: number) => LevelTable {
  const even = evenTable(levels);
  const { tables = [], images = [] } = notes ?? {};
  const runs: Runs = images;
  const ends: number[] = [];
  for (const [count] of runs) ends.push((ends.at(-1) ?? 0) + count);
  return (index) => {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]! <= index) low = middle + 1;
      else high = middle;
    }
    const number = runs[low]?.[1] ?? 0;
    return number === 0
      ? even
      : (tables[number - 1] ??
          fail(
            "corrupt",
            `expected at most ${tables.length} tables of levels in the archive's notes but found one numbered ` +
              `${number}`,
          ));
  };
}
