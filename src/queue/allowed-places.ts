/**
 * What a worker may touch: its folders, named sets and shipped models. Places are compared as the system sees them,
 * without links, and links inside of a folder that is read are followed too.
 */

import { existsSync } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { namedSets } from "../data/named.ts";
import { readSelection } from "../data/selection.ts";
import { fail, parseJson } from "../errors.ts";
import { earlierModels, shippedModels } from "../runs/shipped-models.ts";
import { READING, type ShardOrder } from "./shard-order.ts";
import type { TrainingOrder } from "./training-order.ts";

/** Names of models that every worker has. */
const SHIPPED = [...shippedModels(), ...earlierModels()];
/** Numbers as --latent takes them. */
const NUMBERS = /^[\s\d.,eE+-]+$/;

/** What is asked of places that an order names, relative to its `cwd`. */
interface Gate {
  readonly cwd: string;
  /** Whether a place, without links, is below a folder of the worker. */
  readonly within: (place: string) => boolean;
  readonly refuse: (word: string) => never;
  /** Throws unless a word names something that may be read, or one of `names`. */
  readonly checkWord: (word: string, names: readonly string[]) => Promise<void>;
  /** Throws where a text is a path that may not be read. */
  readonly checkText: (text: string) => Promise<void>;
}

async function openGate(base: string, folders: readonly string[]): Promise<Gate> {
  const seen = new Set<string>();
  const within = (place: string): boolean =>
    folders.some((folder) => place === folder || place.startsWith(folder.endsWith(sep) ? folder : folder + sep));
  const refuse = (word: string): never =>
    fail("usage", `expected a path below this worker's --folder but the job names ${JSON.stringify(word)}`);

  /** A place that exists, and everything that it leads to. */
  const check = async (place: string, word: string): Promise<void> => {
    const real = await realpath(place).catch(() => refuse(word));
    if (!within(real)) refuse(word);
    if (seen.has(real)) return;
    seen.add(real);
    if (!(await stat(real)).isDirectory()) return;
    for (const entry of await readdir(real, { withFileTypes: true }))
      if (entry.isDirectory() || entry.isSymbolicLink()) await check(join(real, entry.name), join(word, entry.name));
  };

  const cwd = await realpath(base).catch(() => refuse(base));
  if (!within(cwd)) refuse(base);

  /** What of this disk a word names: itself, or the data that it selects from. */
  const placesOf = (word: string): string[] => {
    // Through a link, `..` leads elsewhere than it reads.
    const steps = word.split(/[\\/]/).filter((step) => step !== "" && step !== ".");
    if (steps.lastIndexOf("..") > steps.findIndex((step) => step !== "..") && steps.some((step) => step !== ".."))
      refuse(word);
    const path = resolve(cwd, word);
    const source = readSelection(path)?.source;
    return [path, source].filter((place) => place !== undefined && existsSync(place)) as string[];
  };
  const checkWord = async (word: string, names: readonly string[]): Promise<void> => {
    const places = placesOf(word);
    for (const place of places) await check(place, word);
    if (places.length === 0 && !names.includes(word.split(":")[0]!)) refuse(word);
  };
  const checkText = async (text: string): Promise<void> => {
    for (const place of placesOf(text)) await check(place, text);
  };
  return { cwd, within, refuse, checkWord, checkText };
}

/** Throws unless all that an order reads and writes lies in `folders`, which are paths without links. */
export async function checkPlaces(order: ShardOrder, folders: readonly string[]): Promise<void> {
  const { cwd, within, refuse, checkWord, checkText } = await openGate(order.cwd, folders);
  const [model, ...data] = order.positionals;
  await checkWord(model!, SHIPPED);
  await checkConfig(resolve(cwd, model!), checkText);
  for (const word of data) await checkWord(word, namedSets);
  for (const name of READING) {
    const values = order.options[name] ?? [];
    for (const word of values === true ? [] : values) if (!NUMBERS.test(word)) await checkWord(word, namedSets);
  }

  // The folder of the parts may have to be made.
  let parts = resolve(cwd, order.parts);
  while (!existsSync(parts) && dirname(parts) !== parts) parts = dirname(parts);
  if (!within(await realpath(parts))) refuse(order.parts);
}

/** Throws unless all that a run reads to train lies in `folders`, or is a named set. */
export async function checkTrainingPlaces(
  { config, folder }: Pick<TrainingOrder, "config" | "folder">,
  folders: readonly string[],
): Promise<void> {
  // Of the run's own folder nothing is read but the encoder that it may keep.
  const needsFolder = config.condition?.from === "encoder";
  const { checkWord, checkText, cwd } = await openGate(needsFolder ? folder : folders[0]!, folders);
  await checkWord(config.data.source, namedSets);
  await checkTexts(config, checkText);
  if (config.condition?.from === "encoder") {
    await checkWord(config.condition.model, SHIPPED);
    await checkConfig(resolve(cwd, config.condition.model), checkText);
  }
}

/** Every text of a model's config that could be a path: where its data lie is said there. */
async function checkConfig(folder: string, check: (text: string) => Promise<void>): Promise<void> {
  const text = await readFile(join(folder, "config.json"), "utf8").catch(() => null);
  if (text === null) return;
  // A config that is no JSON is refused by whoever opens it.
  await checkTexts(
    parseJson(text, () => null),
    check,
  );
}

async function checkTexts(value: unknown, check: (text: string) => Promise<void>): Promise<void> {
  if (typeof value === "string") await check(value);
  else if (typeof value === "object" && value !== null)
    for (const each of Object.values(value)) await checkTexts(each, check);
}
