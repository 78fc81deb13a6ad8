/**
 * What a job of the queue holds: a shard as a command line without its files, the place it is meant for, and which part
 * must come of it. Pixels and weights never go through the store. An order comes from whoever can write to the store,
 * so every field is checked before anything is done.
 */

import { fail } from "../errors.ts";
import { type Job, SHARD_COMMANDS, type ShardCommand } from "../runs/part-file.ts";

export interface ShardOrder {
  /** Of the package that gave the order. */
  readonly version: string;
  readonly command: ShardCommand;
  /** Options by name: their values, or true for one without. */
  readonly options: Readonly<Record<string, readonly string[] | true>>;
  readonly positionals: readonly string[];
  /** What paths are relative to; absolute. */
  readonly cwd: string;
  /** The folder of the parts. */
  readonly parts: string;
  readonly index: number;
  readonly of: number;
  /** Name of the file that must come of it. */
  readonly part: string;
  /** What the leader found the job to be, so that a worker that finds another can say what differs. */
  readonly job: Omit<Job, "about">;
}

/** What a worker answers. */
export interface ShardAnswer {
  readonly images: number;
  readonly seconds: number;
}

/** Options that say what is computed. None names a file to write, or another program. */
const PLAIN = [
  ...["as-trained", "bare", "batch", "class", "classify", "conditions", "count", "device", "fit", "group", "guidance"],
  ...["limit", "lossy-levels", "on-broken", "pixel-budget", "pixels", "seed", "split", "temperature", "text"],
  ...["threads", "unconditional", "weights", "with-model"],
];
/** Options that may name a file to read. */
export const READING = ["latent", "like"] as const;
/** Options of the leader alone: where it writes, and how it shares out. */
export const LEADERS = ["csv", "force", "histogram", "json", "name", "out", "parts", "queue", "scale", "shards"];

/** The order as such, or an error that says which field is wrong. */
export function checkOrder(data: unknown): ShardOrder {
  const order = Object(data) as ShardOrder;
  const wrong = (field: string): never => fail("data", `expected a job of pixelcnn but its ${field} is another thing`);
  const isText = (value: unknown): boolean => typeof value === "string" && !value.includes("\0");
  const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
  if (!isText(order.version)) wrong("version");
  if (!SHARD_COMMANDS.includes(order.command)) wrong("command");
  if (!isTexts(order.positionals) || order.positionals.length === 0) wrong("arguments");
  if (!isText(order.cwd) || !isText(order.parts) || !isText(order.part)) wrong("folder");
  if (!Number.isSafeInteger(order.index) || !Number.isSafeInteger(order.of)) wrong("shard");
  if (order.index < 1 || order.index > order.of) wrong("shard");
  if (typeof order.options !== "object" || order.options === null) wrong("options");
  for (const [name, value] of Object.entries(order.options)) {
    if (!PLAIN.includes(name) && !READING.some((reading) => reading === name))
      fail("usage", `expected options that a worker takes but the job has --${name}`);
    if (!(value === true || isTexts(value))) wrong(`option --${name}`);
  }
  return order;
}

/** The command line of a shard, after `pixelcnn`. `threads`: the worker's own, in place of the leader's. */
export function wordsOf(order: ShardOrder, threads: number | undefined): string[] {
  const options: ShardOrder["options"] = {
    ...order.options,
    ...(threads === undefined ? {} : { threads: [String(threads)] }),
  };
  const words = Object.entries(options).flatMap(([name, values]) =>
    values === true ? [`--${name}`] : values.map((value) => `--${name}=${value}`),
  );
  const shard = `--shard=${order.index}/${order.of}`;
  // After `--` nothing is an option, whatever it begins with.
  return [order.command, ...words, shard, `--parts=${order.parts}`, "--json", "--", ...order.positionals];
}
