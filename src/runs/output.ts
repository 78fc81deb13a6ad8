/**
 * The one rule for a file that a user names as an output. `checkOutput` is asked before the work: no input and no file
 * of a model is ever replaced, another existing file only with --force, and a place where nothing can be written is
 * told at once. `writeOutput` follows links, writes into pipes and devices as they are, and keeps the mode of a file
 * that it replaces.
 */

import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { isImageName } from "../data/listing.ts";
import { readSelection } from "../data/selection.ts";
import { fail } from "../errors.ts";
import { reasonOf } from "../words.ts";
import { CONFIG, WEIGHTS } from "./model-files.ts";
import { writeWhole } from "./run-folder.ts";

export interface OutputRules {
  /** The option that names the output: "-o". */
  readonly option: string;
  /** What the work reads: files, folders, some images of a data set; words that are no path do not matter. */
  readonly inputs: readonly (string | undefined)[];
  /** What the same work also writes. */
  readonly others?: readonly (string | undefined)[];
  /** Replace a file that exists. */
  readonly force?: boolean | undefined;
}

const RUN_FILES = [CONFIG, WEIGHTS, "state.safetensors", "log.jsonl"];
/** Most links from one to the next. */
const MOST_LINKS = 40;

const quoted = (path: string): string => JSON.stringify(path);
const found = (path: string): Stats | undefined => quietly(() => statSync(path));
export const isStandardOutput = (path: string): boolean =>
  ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].includes(path);
/** A pipe, a terminal, /dev/null and the like: nothing that could be lost. */
const isStream = (stats: Stats): boolean => stats.isFIFO() || stats.isCharacterDevice() || stats.isSocket();

/** Throws unless a file may be written at a path; says whether that is the standard output. */
export function checkOutput(path: string, { option, inputs, others = [], force }: OutputRules): boolean {
  const standard = isStandardOutput(path);
  const target = standard ? "-" : targetOf(path);
  const there = standard ? undefined : found(path);
  for (const other of others)
    if (other !== undefined && !(there && isStream(there)))
      if ((isStandardOutput(other) ? "-" : targetOf(other)) === target)
        fail("usage", `expected another file for ${option} than the other output but received ${quoted(path)} again`);
  if (standard) return true;
  if (there?.isDirectory() || /[\\/]$/.test(path))
    fail("io", `expected a file for ${option} but received ${quoted(path)}, which is a folder: give a file's name`);
  if (there && isStream(there)) return false;
  checkFolder(path, target, option);
  if (RUN_FILES.includes(basename(target)) && isRun(dirname(target)))
    fail(
      "usage",
      `expected another file for ${option} than those of a model's folder but received ${quoted(path)}, which the ` +
        `model in ${dirname(target)} needs: give another name`,
    );
  for (const input of inputs) {
    if (input === undefined || !there) continue;
    const how = howRead(input, target, there);
    if (how === null) continue;
    fail(
      "usage",
      `expected another file for ${option} than those that are read but received ${quoted(path)}, which is ${how} ` +
        `${quoted(input)}: give another name`,
    );
  }
  if (there && !force)
    fail(
      "io",
      `expected a new file for ${option} but received ${quoted(path)}, which exists already; --force replaces it`,
    );
  return false;
}

/** Whether a path may become a folder of several files: it is one, or there is nothing. */
export function mayBeFolder(path: string): boolean {
  return !isStandardOutput(path) && found(path)?.isDirectory() !== false;
}

/** Throws where an output can be no folder of several files, made where it is missing. */
export function checkOutputFolder(path: string, option: string): void {
  const file = fileAbove(path);
  if (file !== undefined)
    fail(
      "io",
      `expected a folder for ${option} but received ${quoted(path)}, and ${file} is a file, not a folder: give ` +
        "another name",
    );
}

/** Throws unless a folder may hold parts: not among what is read, where they would be found the next time. */
export function checkPartsFolder(path: string, { option, inputs }: Pick<OutputRules, "option" | "inputs">): void {
  checkOutputFolder(path, option);
  const place = targetOf(path);
  for (const input of inputs) {
    const source =
      input === undefined ? undefined : [input, readSelection(input)?.source].find((word) => word && found(word));
    if (source === undefined || !found(source)!.isDirectory()) continue;
    const folder = realpathSync(source);
    if (place === folder || place.startsWith(`${folder}${sep}`))
      fail(
        "usage",
        `expected a folder for ${option} outside of ${quoted(source)}, which is read, but received ${quoted(path)}`,
      );
  }
}

/** What is no folder among a path and those above it, where some are missing. */
function fileAbove(path: string): string | undefined {
  let folder = resolve(path);
  while (!existsSync(folder) && dirname(folder) !== folder) {
    folder = dirname(folder);
  }
  return found(folder)?.isDirectory() ? undefined : folder;
}

/** Writes a file that `checkOutput` allowed. */
export async function writeOutput(path: string, data: Uint8Array | string): Promise<void> {
  if (isStandardOutput(path)) return toStandardOutput(data);
  const there = found(path);
  if (!there || there.isFile()) return writeWhole(targetOf(path), data, there?.mode);
  try {
    const stream = await open(path, "w");
    await stream.writeFile(data).finally(() => stream.close());
  } catch (error) {
    fail("io", `cannot write ${path}: ${reasonOf(error)}`, error);
  }
}

/**
 * A text that grows in a file that `checkOutput` allowed: what is there when the work fails stays. `close` waits until
 * all is written.
 */
export async function openGrowing(
  path: string,
): Promise<{ write(text: string): Promise<void>; close(): Promise<void> }> {
  if (isStandardOutput(path)) return { write: toStandardOutput, close: async () => undefined };
  const failed = (error: unknown): never => fail("io", `cannot write ${path}: ${reasonOf(error)}`, error);
  const file = await open(path, "w").catch(failed);
  return {
    write: async (text) => void (await file.appendFile(text).catch(failed)),
    close: () => file.close().catch(failed),
  };
}

/** Waits until all is out; a reader that has gone (`| head`) is no error. */
async function toStandardOutput(data: Uint8Array | string): Promise<void> {
  const error = await new Promise<NodeJS.ErrnoException | null | undefined>((ended) => {
    process.stdout.once("error", ended);
    process.stdout.write(data, ended);
  });
  if (error && error.code !== "EPIPE") fail("io", `cannot write to standard output: ${reasonOf(error)}`, error);
}

/** Where a path leads, by absolute path without links; what it names need not be there yet. */
function targetOf(path: string): string {
  let place = resolve(path);
  for (let links = 0; links < MOST_LINKS; links++) {
    const folder = quietly(() => realpathSync(dirname(place))) ?? dirname(place);
    place = join(folder, basename(place));
    if (!quietly(() => lstatSync(place))?.isSymbolicLink()) return place;
    place = resolve(folder, readlinkSync(place));
  }
  return fail("io", `cannot write ${path}: its links lead back to themselves`);
}

/** There must be a folder to write in. */
function checkFolder(path: string, target: string, option: string): void {
  const folder = dirname(target);
  const given = `expected a file in a folder that exists for ${option} but received ${quoted(path)}, and`;
  if (!existsSync(folder) && fileAbove(folder) === undefined)
    fail("io", `${given} there is no folder ${folder}: make it first`);
  if (!found(folder)?.isDirectory())
    fail("io", `${given} a part of its path is a file, not a folder: ${fileAbove(folder)}`);
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    fail("io", `cannot write ${path}: ${reasonOf(error)}`, error);
  }
}

/** What a file is to an input, in words: itself, or a part of a folder; null where it is nothing. */
function howRead(input: string, target: string, file: Stats): "the input" | "a file of the input" | null {
  for (const place of [input, readSelection(input)?.source]) {
    const there = place === undefined ? undefined : found(place);
    if (place === undefined || !there) continue;
    if (!there.isDirectory()) {
      if (isSame(there, file)) return "the input";
      continue;
    }
    const own = existsSync(join(place, CONFIG)) ? RUN_FILES.map((name) => found(join(place, name))) : null;
    // Of other folders, what is read of pictures or of other data.
    const isData =
      isImageName(target) || /(\.(txt|caption|jsonl|npy|bin|parquet)|-ubyte|metadata\.csv)(\.gz)?$/i.test(target);
    const isRead = own
      ? own.some((part) => part !== undefined && isSame(part, file))
      : isData && target.startsWith(`${realpathSync(place)}${sep}`);
    if (isRead) return "a file of the input";
  }
  return null;
}

const isSame = (a: Stats, b: Stats): boolean => a.dev === b.dev && a.ino === b.ino;

/** Whether a folder is a model's or a run's. */
function isRun(folder: string): boolean {
  const holds = (name: string): boolean => existsSync(join(folder, name));
  return holds(CONFIG) && [...RUN_FILES.filter((name) => name !== CONFIG), "samples"].some(holds);
}

function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
