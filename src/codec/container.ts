/**
 * The .pxc format: header, the model if it is inside, groups one after another, and a directory at the end, so that
 * each group opens alone. This file knows bytes; who turns groups into pixels is `codec.ts`. Byte by byte in
 * docs/file-format.md.
 */

import { fail } from "../errors.ts";
import { knownIn } from "../found.ts";
import { ByteReader, ByteWriter, encodeText } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import { hex } from "./digest.ts";
import { type Directory, readDirectory, writeDirectory } from "./directory.ts";
import {
  type GroupRecord,
  type RecordLimits,
  readGroupRecord,
  readSingle,
  writeGroupRecord,
  writeSingle,
} from "./group-record.ts";
import { readModelSection, type SectionPlace } from "./model-section.ts";
import type { Predictor } from "./predictor.ts";

export const FORMAT_VERSION = 1;
/** Of an archive with its model inside: a reader that knows none of those says so at once. */
const MODEL_VERSION = 2;
/** Most sub-pixels of a group that are decoded unless the caller allows more. */
export const PIXEL_BUDGET = 2 ** 24;
const MAGIC = Uint8Array.of(0x89, 0x70, 0x78, 0x63);
const SINGLE = 1;
const MODEL_ID_BYTES = 8;
const LONGEST_NOTES = 2 ** 20;
const LONGEST_MODEL = 2 ** 30;

/** The model that an archive was coded with, as far as the file says. */
export interface ModelIdentity {
  readonly channels: number;
  readonly levels: number;
  /** SHA-256 of the model's manifest; its first 8 bytes in a file of one image. */
  readonly digest: Uint8Array;
}

export interface ArchiveHeader extends ModelIdentity {
  /** Text that the codec keeps and does not read: palette, colours, where the levels came from. JSON by habit. */
  readonly notes: string;
  /** Where the model inside is (model-section.ts); undefined without one. */
  readonly model: SectionPlace | undefined;
  /** Where the first group starts. */
  readonly end: number;
}

/** An archive of groups, opened: nothing decoded yet, and no model needed. */
export interface Archive extends Directory {
  readonly kind: "archive";
  readonly bytes: Uint8Array;
  readonly header: ArchiveHeader;
}

/** A file of one image; its channels and levels are its model's. */
export interface Single {
  readonly kind: "single";
  readonly bytes: Uint8Array;
  readonly modelId: Uint8Array;
}

export type PxcFile = Archive | Single;

/** Opens a file and checks its header, its model's bytes and its directory. Groups are checked as they are read. */
export function openPxc(bytes: Uint8Array): PxcFile {
  const { reader, flags } = readStart(bytes);
  if (flags & SINGLE) return { kind: "single", bytes, modelId: reader.raw(MODEL_ID_BYTES, "the model's id") };
  const header = readHeader(bytes);
  if (header.model) readModelSection(bytes, header.model);
  const { directory, groupsStart } = readDirectory(bytes, identityOf(header));
  if (groupsStart !== header.end) {
    fail(
      "corrupt",
      `byte ${header.end}: expected the first group here, behind the header, but found it at byte ${groupsStart}`,
    );
  }
  return { kind: "archive", bytes, header, ...directory };
}

/** One group of an archive: bytes checked, nothing decoded. The limits are the header's own unless given. */
export function readGroup(
  archive: Archive,
  index: number,
  options: { pixelBudget?: number | undefined } = {},
): GroupRecord {
  const place =
    archive.groups[index] ??
    fail("usage", `expected a group from 0 to ${archive.groups.length - 1} but received ${index}`);
  const limits = { ...archive.header, pixelBudget: options.pixelBudget ?? PIXEL_BUDGET };
  const end = place.offset + place.length;
  const group = readGroupRecord(
    new ByteReader(archive.bytes, place.offset, end),
    end,
    identityOf(archive.header),
    limits,
  );
  if (group.first !== place.first || group.count !== place.count) {
    const found = `${group.count} from ${group.first} on (groups swapped?)`;
    fail("corrupt", `byte ${place.offset}: expected ${place.count} images from ${place.first} on but found ${found}`);
  }
  return group;
}

/** The one image of a single file. `whole: false` reads a file cut short, whose checksum cannot hold. */
export function readSingleImage(
  bytes: Uint8Array,
  limits: RecordLimits,
  options: { whole: boolean } = { whole: true },
): GroupRecord {
  const { reader, flags } = readStart(bytes);
  reader.raw(MODEL_ID_BYTES, "the model's id");
  return readSingle(reader, flags, limits, options);
}

/** A group's bytes, as they lie in an archive. */
export interface WrittenGroup {
  readonly bytes: Uint8Array;
  /** Images. */
  readonly count: number;
}

/** Groups as bytes: they depend on the model and on the images before them, on nothing else of their archive. */
export function writeGroups(model: ModelIdentity, groups: readonly GroupRecord[]): WrittenGroup[] {
  const identity = identityOf(model);
  return groups.map((group) => ({ bytes: writeGroupRecord(group, identity), count: group.count }));
}

/** What the directory says of each image, or of each of some, in the order of the archive. */
export interface MemberNotes {
  /** "" for none. */
  readonly names: readonly string[];
  readonly labels: readonly (number | undefined)[];
  /** Its index before images of one size were gathered. */
  readonly order: readonly number[];
}

/** What an archive begins with, beside its model's identity. */
export interface ArchiveHead extends ModelIdentity {
  readonly notes: string;
  /** The section of the model inside (model-section.ts). */
  readonly model?: Uint8Array | undefined;
}

/**
 * The bytes of a whole archive: the model, if it is inside, all groups, in order, and what is said of their images,
 * where anything is.
 */
export function writeArchive(
  header: ArchiveHead,
  groups: readonly WrittenGroup[],
  { names, labels, order }: MemberNotes,
): Uint8Array<ArrayBuffer> {
  const notes = encodeText(header.notes, "the notes", LONGEST_NOTES);
  const { model } = header;
  const head = new ByteWriter()
    .raw(MAGIC)
    .byte(model ? MODEL_VERSION : FORMAT_VERSION)
    .byte(0)
    .raw(header.digest);
  head.varint(header.channels).varint(header.levels).varint(notes.length).raw(notes);
  if (model) head.varint(model.length);
  const headBytes = head.finish();
  const sizes = groups.map(({ bytes, count }) => ({ length: bytes.length, count }));
  const file = new ByteWriter().raw(headBytes).u32(crc32(headBytes));
  if (model) file.raw(model);
  for (const { bytes } of groups) file.raw(bytes);
  const said = {
    names: names.some((name) => name !== "") ? names : undefined,
    labels: labels.some((label) => label !== undefined) ? labels : undefined,
    order: order.some((index, i) => index !== i) ? Uint32Array.from(order) : undefined,
  };
  return file.raw(writeDirectory(sizes, said, identityOf(header))).finish();
}

/** The bytes of a file of one image. */
export function writeSingleFile(model: ModelIdentity, group: GroupRecord): Uint8Array {
  const prefix = new ByteWriter().raw(MAGIC).byte(FORMAT_VERSION).finish();
  return writeSingle(prefix, SINGLE, model.digest.subarray(0, MODEL_ID_BYTES), group);
}

/** A number that ties checksums to the model, so that a group moved here from another model's archive does not fit. */
export function identityOf({ digest, channels, levels }: ModelIdentity): number {
  return crc32(Uint8Array.of(channels, levels - 1), crc32(digest));
}

/** Throws a model error unless the file was coded with this predictor. */
export function checkModel(
  file: PxcFile | { readonly kind: "archive"; readonly header: ModelIdentity },
  predictor: Predictor,
): void {
  const single = file.kind === "single";
  const expected = single ? file.modelId : file.header.digest;
  const found = single ? predictor.digest.subarray(0, MODEL_ID_BYTES) : predictor.digest;
  if (hex(expected) !== hex(found)) {
    fail("model", `byte 6: expected the model ${hex(expected)}, which coded this file, but received ${hex(found)}`);
  }
  if (single) return;
  const { channels, levels } = file.header;
  if (channels !== predictor.channels || levels !== predictor.levels) {
    fail(
      "model",
      `byte 38: expected a model of ${channels} channels and ${levels} levels but received one of ` +
        `${predictor.channels} and ${predictor.levels}`,
    );
  }
}

/** Magic, version and flags; the reader stands behind them. */
export function readStart(bytes: Uint8Array): { reader: ByteReader; version: number; flags: number } {
  const reader = new ByteReader(bytes);
  const magic = reader.raw(Math.min(MAGIC.length, bytes.length), "the file's first bytes");
  if (hex(magic) !== hex(MAGIC)) {
    const sixBits = magic[0] === (MAGIC[0]! & 127) ? " (a transfer as text cleared the high bit)" : "";
    const known = knownIn(bytes);
    const found = `${hex(magic) || "nothing"}: not a .pxc file${known === null ? sixBits : ` but ${known}`}`;
    reader.fail(0, "the file's first bytes", hex(MAGIC), found);
  }
  const version = reader.byte("the format version");
  if (version !== FORMAT_VERSION && version !== MODEL_VERSION) {
    const known = `${FORMAT_VERSION} or ${MODEL_VERSION}`;
    reader.fail(4, "the format version", known, `${version}, which this library does not read`);
  }
  const flags = reader.byte("the flags");
  if (flags & SINGLE && version !== FORMAT_VERSION)
    reader.fail(4, "the format version of a file of one image", String(FORMAT_VERSION), String(version));
  const known = flags & SINGLE ? 15 : 0;
  if ((flags & ~known) !== 0 || ((flags >> 2) & 3) === 3)
    reader.fail(5, "the flags", "reserved bits of zero", String(flags));
  return { reader, version, flags };
}

/** The header of an archive of groups, its checksum verified. */
export function readHeader(bytes: Uint8Array): ArchiveHeader {
  const { reader, version, flags } = readStart(bytes);
  if (flags & SINGLE) reader.fail(5, "the flags", "an archive of groups", "a file of one image");
  const digest = reader.raw(32, "the model's digest").slice();
  const channels = reader.varint("the number of channels", 1, 255);
  const levels = reader.varint("the number of levels", 2, 256);
  const notes = reader.text(reader.varint("the length of the notes", 0, LONGEST_NOTES), "the notes");
  const length = version === MODEL_VERSION ? reader.varint("the bytes of the model inside", 1, LONGEST_MODEL) : 0;
  const found = crc32(bytes.subarray(0, reader.offset));
  const crcAt = reader.offset;
  const crc = reader.u32("the header's CRC-32");
  if (crc !== found) reader.fail(crcAt, "the header's bytes", `CRC-32 ${crc.toString(16)}`, found.toString(16));
  const { offset } = reader;
  return { digest, channels, levels, notes, model: length ? { offset, length } : undefined, end: offset + length };
}
