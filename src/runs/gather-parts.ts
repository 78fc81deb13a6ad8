/** The parts of a job, all of them, in order: out of files and folders, whoever made them, each counted once. */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../errors.ts";
import { counted, reasonOf } from "../words.ts";
import { differences, type Job, type Part, readPart, writePart } from "./part-file.ts";

export interface GatheredParts {
  readonly job: Job;
  /** Of the shards 1, 2, ..., n. */
  readonly parts: readonly Part[];
  /** All that were read. */
  readonly files: readonly string[];
  /** Files that hold a part which another file holds too. */
  readonly repeated: number;
}

/** Differing fields that a message names. */
const NAMED = 3;

/** `places`: part files, and folders of them. */
export async function gatherParts(places: readonly string[]): Promise<GatheredParts> {
  const files = [...new Set(places.flatMap(filesAt))];
  const found: { readonly file: string; readonly part: Part }[] = [];
  let repeated = 0;
  for (const file of files) {
    const part = await readPart(file);
    const [first] = found;
    const other = first ? differences(first.part.job, part.job) : [];
    if (other.length > 0)
      fail(
        "usage",
        `expected parts of one job but ${first!.file} and ${file} differ in ${other.slice(0, NAMED).join(", ")}` +
          (other.length > NAMED ? ` and ${counted(other.length - NAMED, "more field")}` : ""),
      );
    const same = found.find(({ part: { index } }) => index === part.index);
    if (!same) found.push({ file, part });
    else if (Buffer.compare(writePart(same.part), writePart(part)) === 0) repeated++;
    else
      fail(
        "data",
        `expected one result of shard ${part.index}/${part.job.shards} but ${same.file} and ${file} hold different ` +
          "ones: leave one out",
      );
  }
  const { job } = found[0]?.part ?? fail("usage", "expected the parts of a job but received none");
  const parts = found.map(({ part }) => part).sort((a, b) => a.index - b.index);
  const there = new Set(parts.map(({ index }) => index));
  const missing = Array.from({ length: job.shards }, (_, i) => i + 1).filter((index) => !there.has(index));
  if (missing.length > 0) {
    const shown = missing.slice(0, 20).map((index) => `${index}/${job.shards}`);
    const more = missing.length > shown.length ? ` and ${missing.length - shown.length} more` : "";
    fail(
      "io",
      `expected ${counted(job.shards, "part")} of \`pixelcnn ${job.command}\` but these shards are missing: ` +
        `${shown.join(", ")}${more}`,
    );
  }
  return { job, parts, files, repeated };
}

function filesAt(place: string): string[] {
  try {
    if (!statSync(place).isDirectory()) return [place];
    const names = readdirSync(place).filter((name) => name.endsWith(".part"));
    return names.sort().map((name) => join(place, name));
  } catch (error) {
    return fail("io", `cannot read ${place}: ${reasonOf(error)}`, error);
  }
}
