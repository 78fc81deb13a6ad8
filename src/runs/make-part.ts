/** One shard of a job, from the wish to its part in a folder. A part that is there already is not made again. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { canonicalJson } from "../codec/digest.ts";
import { PixelcnnError } from "../errors.ts";
import type { Shard } from "../jobs.ts";
import { checkOutput, writeOutput } from "./output.ts";
import { type Job, type Part, partName, readPart, writePart } from "./part-file.ts";
import { makeFolder } from "./run-folder.ts";

export interface ShardWish {
  readonly shard: Shard;
  /** The folder of the parts. */
  readonly parts: string;
  /** Do the work even where the part is there. */
  readonly force?: boolean | undefined;
  /** Only find out which job it is, for whoever shares it out: no part is looked for or made. */
  readonly onlyJob?: boolean | undefined;
}

export interface ShardDone {
  /** The part's file. */
  readonly file: string;
  readonly job: Job;
  /** The part's. */
  readonly result: object;
  /** Whether it was there before. */
  readonly found: boolean;
}

export async function makePart(
  { shard, parts, force, onlyJob }: ShardWish,
  given: Omit<Job, "shards">,
  work: () => Promise<{ readonly result: object; readonly payload?: Uint8Array }>,
): Promise<ShardDone> {
  const job = { ...given, shards: shard.of };
  const file = join(parts, partName(job, shard));
  if (onlyJob) return { file, job, result: {}, found: false };
  const there = force ? null : await partAt(file, job, shard);
  if (there) return { file, job, result: there.result, found: true };
  await makeFolder(parts);
  // A place where nothing can be written is told before the work.
  checkOutput(file, { option: "--parts", inputs: [], force: true });
  const { result, payload = new Uint8Array(0) } = await work();
  await writeOutput(file, writePart({ job, index: shard.index, result, payload }));
  return { file, job, result, found: false };
}

/** A job's part that is there, whole; null for none and for a damaged one, which is made anew. */
export async function partAt(file: string, job: Job, { index }: Shard): Promise<Part | null> {
  if (!existsSync(file)) return null;
  try {
    const part = await readPart(file);
    return part.index === index && canonicalJson(part.job) === canonicalJson(job) ? part : null;
  } catch (error) {
    if (error instanceof PixelcnnError && error.kind === "corrupt") return null;
    throw error;
  }
}
