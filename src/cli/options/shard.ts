/** What the commands that work in shards have in common: --shard and --parts. */

import { fail } from "../../errors.ts";
import type { Shard } from "../../jobs.ts";
import type { ShardWish } from "../../runs/make-part.ts";
import { checkPartsFolder } from "../../runs/output.ts";

export const shardArgs = {
  shard: {
    type: "string",
    valueHint: "I/N",
    description:
      "Do only the I-th of N shares of the work, I from 1 to N, and write what comes of it to a part in the folder " +
      "--parts; `pixelcnn merge` makes one result of all parts. Processes need not know of each other",
  },
  parts: {
    type: "string",
    valueHint: "FOLDER",
    description:
      "With --shard or --queue: the folder of the parts. A part that is there is not made again, unless --force",
  },
} as const;

interface ShardWords {
  readonly shard?: string | undefined;
  readonly parts?: string | undefined;
  readonly force?: boolean | undefined;
}

/** Undefined without --shard. `outputs`: options of files that only `merge` can write. */
export function readShardOptions(
  { shard, parts, force }: ShardWords,
  inputs: readonly (string | undefined)[],
  outputs: Readonly<Record<string, unknown>>,
): ShardWish | undefined {
  if (shard === undefined) {
    if (parts !== undefined) fail("usage", "expected --shard I/N or --queue with --parts, the folder of its parts");
    return undefined;
  }
  const wish = { shard: readShard(shard), parts: parts ?? failWithoutParts(), force };
  const given = Object.keys(outputs).find((option) => outputs[option] !== undefined && outputs[option] !== false);
  if (given !== undefined)
    fail("usage", `expected no ${given} with --shard, which writes a part: \`pixelcnn merge\` takes ${given}`);
  checkPartsFolder(wish.parts, { option: "--parts", inputs });
  return wish;
}

/** `2/7`. */
export function readShard(text: string): Shard {
  const [, index, of] = /^(\d{1,9})\/(\d{1,9})$/.exec(text)?.map(Number) ?? [];
  if (index !== undefined && of !== undefined && index >= 1 && index <= of) return { index, of };
  return fail(
    "usage",
    "expected a shard and their number for --shard, such as 1/4, 2/4, 3/4 or 4/4, but received " +
      `${JSON.stringify(text)}`,
  );
}

const failWithoutParts = (): never =>
  fail("usage", "expected --parts FOLDER, where the part of --shard is written, but received none");
