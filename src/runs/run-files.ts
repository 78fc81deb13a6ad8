/**
 * The files that a run was trained on: names, sizes and hashes of their contents, kept in the run's folder, so that a
 * run that goes on can tell what has changed, and whether a folder that was moved is the same one.
 */

import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { listImages } from "../data/listing.ts";
import { namedSets } from "../data/named.ts";
import { inLanes } from "../jobs.ts";
import { counted } from "../words.ts";
import { writeWhole } from "./run-folder.ts";

interface FileEntry {
  readonly bytes: number;
  /** Milliseconds; where it and the size are as before, the contents are taken as they were. */
  readonly changed: number;
  /** First 16 hexadecimal digits of SHA-256. */
  readonly hash: string;
}
export type FileList = ReadonlyMap<string, FileEntry>;

const LIST = "images.jsonl";
const AT_ONCE = 8;

/** Lists the files of a source; null of a named set. `known`: of an earlier list, so that nothing is hashed twice. */
export async function filesOfSource(source: string, known: FileList = new Map()): Promise<FileList | null> {
  if (namedSets.includes(source) && !existsSync(source)) return null;
  const found = await stat(source).catch(() => null);
  if (!found) return null;
  const names = found.isDirectory() ? await namesIn(source) : [basename(source)];
  const entries = new Map<string, FileEntry>();
  await inLanes(names.length, AT_ONCE, async (i) => {
    const name = names[i]!;
    const path = found.isDirectory() ? join(source, name) : source;
    const { size, mtimeMs } = await stat(path).catch(() => ({ size: 0, mtimeMs: 0 }));
    const before = known.get(name);
    const same = before && before.bytes === size && before.changed === mtimeMs;
    const hash = same ? before.hash : await hashOf(path).catch(() => "");
    entries.set(name, { bytes: size, changed: mtimeMs, hash });
  });
  return new Map([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Images, and what else the formats of data read: IDX, CIFAR, Parquet, captions. */
async function namesIn(folder: string): Promise<string[]> {
  const { files, others } = await listImages(folder);
  const data = others.filter((file) => /\.(parquet|bin|jsonl|csv|txt|caption|npy)$|ubyte(\.gz)?$/i.test(file));
  return [...files, ...data];
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest("hex").slice(0, 16);
}

export async function writeFileList(folder: string, list: FileList): Promise<void> {
  const lines = [...list].map(([name, entry]) => `${JSON.stringify({ name, ...entry })}\n`);
  await writeWhole(join(folder, LIST), lines.join(""));
}

/** Null of a run that kept none: of a named set, or of an earlier version. */
export async function readFileList(folder: string): Promise<FileList | null> {
  const text = await readFile(join(folder, LIST), "utf8").catch(() => null);
  if (text === null) return null;
  const list = new Map<string, FileEntry>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const { name, ...entry } = JSON.parse(line) as FileEntry & { name: string };
    list.set(name, entry);
  }
  return list;
}

export interface FileChanges {
  readonly added: readonly string[];
  readonly gone: readonly string[];
  readonly changed: readonly string[];
}

export function changesOf(before: FileList, now: FileList): FileChanges {
  return {
    added: [...now.keys()].filter((name) => !before.has(name)),
    gone: [...before.keys()].filter((name) => !now.has(name)),
    changed: [...now.keys()].filter((name) => before.has(name) && before.get(name)!.hash !== now.get(name)!.hash),
  };
}

/** The changes in words; null where there are none. */
export function describeChanges({ added, gone, changed }: FileChanges): string | null {
  const part = (names: readonly string[], what: string): string[] =>
    names.length === 0
      ? []
      : [
          `${counted(names.length, "file")} ${what} ` +
            `(${names.slice(0, 3).join(", ")}${names.length > 3 ? ", ..." : ""})`,
        ];
  const all = [...part(added, "added"), ...part(gone, "gone"), ...part(changed, "changed")];
  return all.length === 0 ? null : all.join(", ");
}
