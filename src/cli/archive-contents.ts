/** What a .pxc file says about itself: every checksum of its bytes checked, nothing decoded, no model needed. For `info` and `decompress`. */

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { describeImage, within } from "../codec/codec.ts";
import { type Archive, openPxc, type PxcFile, readGroup, type Single } from "../codec/container.ts";
import type { GroupRecord } from "../codec/group-record.ts";
import { safeNames } from "../codec/safe-names.ts";
import { fail } from "../errors.ts";
import { wantedDigest } from "./archive-model.ts";
import { type ArchiveNotes, notedNames, readNotes } from "./archive-notes.ts";

export interface ArchiveContents {
  readonly file: Archive;
  /** Of its model. */
  readonly digest: string;
  readonly notes: ArchiveNotes | null;
  /** Safe names by index. */
  readonly names: readonly string[];
  readonly groups: readonly GroupRecord[];
}

/** A file of one image says little without its model. */
export interface SingleContents {
  readonly file: Single;
  /** The first 8 bytes of its model's. */
  readonly digest: string;
}

export async function readArchive(archive: string): Promise<Uint8Array> {
  return readFile(archive).catch((error: NodeJS.ErrnoException) =>
    fail(
      "io",
      error.code === "ENOENT"
        ? `expected an archive at ${archive} but there is no such file`
        : `cannot read ${archive}: ${error.message}`,
      error,
    ),
  );
}

/** `pixelBudget`: most sub-pixels of a group that are believed; the container's own limit unless given. */
export function contentsOf(
  archive: string,
  bytes: Uint8Array,
  { pixelBudget }: { pixelBudget?: number | undefined } = {},
): ArchiveContents | SingleContents {
  const file = within(archive, () => openPxc(bytes));
  const digest = wantedDigest(file);
  if (file.kind === "single") return { file, digest };
  const notes = readNotes(file.header.notes);
  const groups = file.groups.map((_, index) => within(archive, () => readGroup(file, index, { pixelBudget })));
  return { file, digest, notes, names: namesOf(file, notes, archive), groups };
}

/** Safe names by index; a single image is named for its file. */
export function namesOf(file: PxcFile, notes: ArchiveNotes | null, archive: string): string[] {
  if (file.kind === "single") return [basename(archive).replace(/\.pxc$/i, "")];
  const noted = file.names === undefined ? notedNames(notes, file.images) : undefined;
  if (noted?.length === file.images) return safeNames(noted);
  const names: string[] = [];
  for (let position = 0; position < file.images; position++) {
    const { index, name } = describeImage(file, position);
    names[index] = name;
  }
  return names;
}
