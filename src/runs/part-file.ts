/**
 * A part: what one shard of a job made, as a file. It says which job and which shard it is of, holds no clock and no
 * path of its own, and ends with a checksum: a shard that is done twice gives the same bytes under the same name.
 * docs/scale.md.
 */

import { createHash } from "node:crypto";
import { canonicalJson } from "../codec/digest.ts";
import { readRegular } from "../data/files.ts";
import { fail, parseJson } from "../errors.ts";
import type { Shard } from "../jobs.ts";

export const SHARD_COMMANDS = ["compress", "eval", "sample", "score"] as const;
export type ShardCommand = (typeof SHARD_COMMANDS)[number];

/** All that the shards of a job have in common, as JSON; the result depends on nothing else. */
export interface Job {
  readonly command: ShardCommand;
  readonly shards: number;
  /** By name and by content. */
  readonly model: object;
  /** By content: what the job reads. */
  readonly data: object;
  readonly options: object;
  /** What the result says besides. */
  readonly about: object;
}

export interface Part {
  readonly job: Job;
  /** From 1 to the job's shards. */
  readonly index: number;
  /** What came of it: numbers and texts, and bytes. */
  readonly result: object;
  readonly payload: Uint8Array;
}

const MAGIC = "pixelcnn part 1\n";
const SUM = "sha256 ";
const SUM_LENGTH = SUM.length + 64 + 1;
const NEWLINE = 10;

const sumOf = (...bytes: readonly Uint8Array[]): string => {
  const hash = createHash("sha256");
  for (const some of bytes) hash.update(some);
  return hash.digest("hex");
};

/** `score-0f6c2b1e9a7d4c35-2-of-7.part`: named for the job, whatever it is called by whom. */
export function partName(job: Job, { index }: Pick<Shard, "index">): string {
  const id = sumOf(Buffer.from(canonicalJson(job, "job")));
  return `${job.command}-${id.slice(0, 16)}-${index}-of-${job.shards}.part`;
}

export function writePart({ job, index, result, payload }: Part): Uint8Array {
  const head = Buffer.from(`${MAGIC}${JSON.stringify({ job, shard: index, result })}\n`);
  return Buffer.concat([head, payload, Buffer.from(`${SUM}${sumOf(head, payload)}\n`)]);
}

/** Fails with "corrupt" for what is damaged, cut short or no part. */
export async function readPart(file: string): Promise<Part> {
  const bytes = await readRegular(file);
  const wrong = (expected: string, found: string): never =>
    fail("corrupt", `${file}: expected ${expected} but found ${found}`);
  if (bytes.subarray(0, MAGIC.length).toString("latin1") !== MAGIC)
    return wrong("a part, as --shard writes them", bytes.length === 0 ? "nothing" : "another file");
  const end = bytes.length - SUM_LENGTH;
  const written = bytes.subarray(Math.max(0, end)).toString("latin1");
  if (end < MAGIC.length || !written.startsWith(SUM) || !written.endsWith("\n"))
    return wrong("a checksum at the end", "none: the file is cut short or damaged");
  const found = sumOf(bytes.subarray(0, end));
  if (written.slice(SUM.length, -1) !== found)
    return wrong(`the checksum ${written.slice(SUM.length, -1)}`, `${found}: the file is damaged`);
  const headEnd = bytes.indexOf(NEWLINE, MAGIC.length);
  const text = bytes.subarray(MAGIC.length, headEnd).toString("utf8");
  const head = parseJson(text, () => wrong("JSON in its second line", "none"));
  const { job, shard: index, result } = Object(head) as { job?: Job; shard?: number; result?: object };
  if (
    !job ||
    !SHARD_COMMANDS.includes(job.command) ||
    !isWhole(job.shards) ||
    !isWhole(index) ||
    index > job.shards ||
    !result
  )
    return wrong("a job, a shard and a result", "a part that a later version may know");
  return { job, index, result, payload: new Uint8Array(bytes.subarray(headEnd + 1, end)) };
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1;

/** In which a difference is told: what follows from the others comes last. */
const ORDER: readonly (keyof Job)[] = ["command", "shards", "model", "data", "options", "about"];

/** The fields in which two jobs differ, with both values, the telling ones first; empty for the same job. */
export function differences(a: Job, b: Job): string[] {
  const short = (value: unknown): string => {
    const text = value === undefined ? "none" : JSON.stringify(value);
    return text.length > 80 ? `${text.slice(0, 77)}...` : text;
  };
  const compare = (one: unknown, other: unknown, path: string): string[] => {
    if (isTable(one) && isTable(other)) {
      const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])];
      return keys.flatMap((key) => compare(one[key], other[key], `${path}.${key}`));
    }
    const text = (value: unknown): string => (value === undefined ? "" : canonicalJson(value));
    return text(one) === text(other) ? [] : [`${path} (${short(one)}, ${short(other)})`];
  };
  return ORDER.flatMap((field) => compare(a[field], b[field], field));
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
