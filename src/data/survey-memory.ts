/**
 * What an earlier opening found out about the files of a folder, so that a second start need not open each of them
 * again. A file is known by its name, size and time of change. Kept in the cache, a file for each folder; where it
 * cannot be read or written, everything is looked at anew.
 */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inLanes } from "../jobs.ts";
import { cacheFolder } from "./npm-package.ts";

/** What a header, or the pixels (`exact`), say. */
export interface Seen {
  readonly height: number;
  readonly width: number;
  readonly colour: boolean;
  readonly alpha: boolean;
  readonly exact: boolean;
}

/** Fewer files are read again in no time. */
const WORTH = 1000;
const AT_ONCE = 64;

/** Folders that are remembered, the last ones. */
const REMEMBERED = 64;

async function forgetOldest(folder: string): Promise<void> {
  const names = await readdir(folder);
  if (names.length <= REMEMBERED) return;
  const times = await Promise.all(names.map(async (name) => [name, (await stat(join(folder, name))).mtimeMs] as const));
  const oldest = times.sort(([, a], [, b]) => a - b).slice(0, names.length - REMEMBERED);
  for (const [name] of oldest) await rm(join(folder, name), { force: true });
}

export interface SurveyMemory {
  /** What is known of the file at a place; undefined where it is new or has changed. */
  known(index: number): Seen | undefined;
  /** Keeps what is known now, by places. */
  keep(seen: ReadonlyMap<number, Seen | null>): Promise<void>;
}

/** Null where there are so few files that it is not worth it. */
export async function surveyMemory(root: string, files: readonly string[]): Promise<SurveyMemory | null> {
  if (files.length < WORTH) return null;
  const real = await realpath(root).catch(() => root);
  const path = join(cacheFolder(), "folders", `${createHash("sha256").update(real).digest("hex").slice(0, 32)}.tsv`);
  const before = new Map<string, readonly [identity: string, seen: Seen]>();
  const text = await readFile(path, "utf8").catch(() => "");
  for (const line of text.split("\n")) {
    const [name, identity, height, width, flags] = line.split("\t");
    if (flags === undefined) continue;
    const has = (flag: string): boolean => flags.includes(flag);
    const seen = { height: Number(height), width: Number(width), colour: has("c"), alpha: has("a"), exact: has("x") };
    before.set(name!, [identity!, seen]);
  }
  const identities: string[] = new Array(files.length).fill("");
  await inLanes(files.length, AT_ONCE, async (i) => {
    const found = await stat(join(root, files[i]!)).catch(() => null);
    if (found) identities[i] = `${found.size}:${found.mtimeMs}`;
  });
  const nameOf = (index: number): string => JSON.stringify(files[index]);
  return {
    known(index) {
      const [identity, seen] = before.get(nameOf(index)) ?? [];
      return identity !== "" && identity === identities[index] ? seen : undefined;
    },
    async keep(seen) {
      const lines = [...seen].flatMap(([index, one]) => {
        if (!one || identities[index] === "") return [];
        const flags = `-${one.colour ? "c" : ""}${one.alpha ? "a" : ""}${one.exact ? "x" : ""}`;
        return [`${nameOf(index)}\t${identities[index]}\t${one.height}\t${one.width}\t${flags}\n`];
      });
      const temporary = `${path}.${process.pid}`;
      try {
        await mkdir(join(path, ".."), { recursive: true });
        await writeFile(temporary, lines.join(""));
        await rename(temporary, path);
        await forgetOldest(join(path, ".."));
      } catch {
        // Only a help: without it the next start looks at all files again.
      }
    },
  };
}
