/**
 * The end of an archive: where each group lies, names, labels, and the order that images came in. Read backwards from
 * the end of the file (length and CRC-32 come last), or forwards from where groups end, by a rescue of a damaged file.
 */

import { fail } from "../errors.ts";
import { ByteReader, ByteWriter, decodeText, encodeText } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import { MOST_IMAGES_A_GROUP } from "./group-record.ts";

/** Where a group lies in the file and which images it holds, counted in the archive's own order. */
export interface GroupPlace {
  readonly offset: number;
  readonly length: number;
  readonly first: number;
  readonly count: number;
}

export interface Directory {
  readonly groups: readonly GroupPlace[];
  readonly images: number;
  /**
   * As given to the encoder, not yet safe to use as paths; "" for an image without a name. Undefined if none has one.
   */
  readonly names: readonly string[] | undefined;
  readonly labels: readonly (number | undefined)[] | undefined;
  /** Index that each image had before images of one size were gathered; undefined if it is the archive's order. */
  readonly order: Uint32Array | undefined;
}

export const DIRECTORY_MARKER = 0xd1;
/** Marker and length at the front; length again and CRC-32 at the back. */
const HEAD = 5;
const TRAILER = 8;
const MOST_IMAGES = 2 ** 24;
const LONGEST_NAME = 1024;
/**
 * All names together; a name costs two bytes and up if it begins like the one before, so the file does not bound them.
 */
const NAME_BUDGET = 2 ** 26;
const NAMES = 1;
const LABELS = 2;
const ORDER = 4;

export function writeDirectory(
  groups: readonly Pick<GroupPlace, "length" | "count">[],
  { names, labels, order }: Pick<Directory, "names" | "labels" | "order">,
  identity: number,
): Uint8Array {
  const writer = new ByteWriter().varint(groups.length);
  for (const { length, count } of groups) writer.varint(length).varint(count);
  writer.byte((names ? NAMES : 0) | (labels ? LABELS : 0) | (order ? ORDER : 0));
  if (names) writeNames(writer, names);
  for (const label of labels ?? []) writer.varint(label === undefined ? 0 : label + 1);
  for (const index of order ?? []) writer.varint(index);
  const body = writer.finish();
  const length = body.length + HEAD;
  const bytes = new ByteWriter().byte(DIRECTORY_MARKER).u32(length).raw(body).u32(length).finish();
  return new ByteWriter().raw(bytes).u32(crc32(bytes, identity)).finish();
}

/**
 * A directory found in a file, and the bytes `start .. end` that it takes. Groups fill those from `groupsStart` to
 * `start`.
 */
export interface FoundDirectory {
  readonly directory: Directory;
  readonly groupsStart: number;
  readonly start: number;
  readonly end: number;
}

/** The directory at the end of a whole file. */
export function readDirectory(bytes: Uint8Array, identity: number): FoundDirectory {
  const reader = new ByteReader(bytes, Math.max(0, bytes.length - TRAILER));
  const trailerAt = reader.offset;
  const length = reader.u32("the directory's length");
  const start = trailerAt - length;
  if (start < 0)
    reader.fail(
      trailerAt,
      "the directory's length",
      `at most ${trailerAt} (truncated, or bytes appended?)`,
      String(length),
    );
  const found = readDirectoryAt(bytes, start, identity);
  if (found.end !== bytes.length)
    reader.fail(found.end, "the end of the file", `byte ${found.end}`, `byte ${bytes.length}`);
  return found;
}

/** The directory that starts at `start`, its CRC-32 checked first; more bytes may follow it. */
export function readDirectoryAt(bytes: Uint8Array, start: number, identity: number): FoundDirectory {
  const head = new ByteReader(bytes, start);
  const marker = head.byte("the directory's marker");
  if (marker !== DIRECTORY_MARKER)
    head.fail(start, "the directory's marker", String(DIRECTORY_MARKER), `${marker} (truncated, or bytes appended?)`);
  const length = head.u32("the directory's length");
  if (length < HEAD) head.fail(start + 1, "the directory's length", `at least ${HEAD}`, String(length));
  head.need(length - HEAD + TRAILER, "the directory");
  const end = start + length + TRAILER;
  const trailer = new ByteReader(bytes, start + length, end);
  const again = trailer.u32("the directory's length");
  if (again !== length) trailer.fail(start + length, "the directory's length", String(length), String(again));
  const found = crc32(bytes.subarray(start, trailer.offset), identity);
  const crc = trailer.u32("the directory's CRC-32");
  if (crc !== found) trailer.fail(end - 4, "the directory's bytes", `CRC-32 ${crc.toString(16)}`, found.toString(16));

  const reader = new ByteReader(bytes, start + HEAD, start + length);
  const { groups, images, groupsStart } = readGroupPlaces(reader, start);
  const sectionsAt = reader.offset;
  const sections = reader.byte("the directory's sections");
  if (sections > (NAMES | LABELS | ORDER))
    reader.fail(sectionsAt, "the directory's sections", "reserved bits of zero", String(sections));
  const names = sections & NAMES ? readNames(reader, images) : undefined;
  const labels = sections & LABELS ? readLabels(reader, images) : undefined;
  const order = sections & ORDER ? readOrder(reader, images) : undefined;
  if (reader.left > 0) reader.fail(reader.offset, "the directory", "its end", `${reader.left} more bytes`);
  return { directory: { groups, images, names, labels, order }, groupsStart, start, end };
}

/** Lengths and counts of the groups, which end at `end` without a gap between them. */
function readGroupPlaces(
  reader: ByteReader,
  end: number,
): { groups: GroupPlace[]; images: number; groupsStart: number } {
  const groupCount = reader.varint("the number of groups", 1, reader.left);
  const sizes: { length: number; count: number }[] = [];
  let total = 0;
  let images = 0;
  for (let i = 0; i < groupCount; i++) {
    const at = reader.offset;
    const length = reader.varint("a group's length", 1, end);
    const count = reader.varint("a group's number of images", 1, MOST_IMAGES_A_GROUP);
    total += length;
    images += count;
    if (total > end) reader.fail(at, "the groups' lengths", `at most ${end} in all`, String(total));
    if (images > MOST_IMAGES) reader.fail(at, "the number of images", `at most ${MOST_IMAGES}`, String(images));
    sizes.push({ length, count });
  }
  let offset = end - total;
  let first = 0;
  const groups = sizes.map(({ length, count }) => {
    const place = { offset, length, first, count };
    offset += length;
    first += count;
    return place;
  });
  return { groups, images, groupsStart: end - total };
}

/** Throws a usage error for a name that the format has no room for. */
export function checkName(name: string, index: number): void {
  encodeText(name, `the name of image ${index}`, LONGEST_NAME);
}

/** Each name is the number of bytes that it shares with the one before, then the rest of it. */
function writeNames(writer: ByteWriter, names: readonly string[]): void {
  let before: Uint8Array = new Uint8Array(0);
  let total = 0;
  for (const name of names) {
    const bytes = encodeText(name, "a name", LONGEST_NAME);
    total += bytes.length;
    const shared = sharedLength(before, bytes);
    writer
      .varint(shared)
      .varint(bytes.length - shared)
      .raw(bytes.subarray(shared));
    before = bytes;
  }
  if (total > NAME_BUDGET) fail("usage", `expected names of at most ${NAME_BUDGET} bytes in all but received ${total}`);
}

function readNames(reader: ByteReader, images: number): string[] {
  const names: string[] = [];
  let before: Uint8Array = new Uint8Array(0);
  let total = 0;
  reader.need(2 * images, "the names");
  for (let i = 0; i < images; i++) {
    const at = reader.offset;
    const shared = reader.varint("the shared length of a name", 0, before.length);
    const rest = reader.raw(reader.varint("the length of a name", 0, LONGEST_NAME - shared), "a name");
    const bytes = new Uint8Array(shared + rest.length);
    bytes.set(before.subarray(0, shared));
    bytes.set(rest, shared);
    if (sharedLength(before, bytes) !== shared)
      reader.fail(at, "the shared length of a name", String(sharedLength(before, bytes)), String(shared));
    total += bytes.length;
    if (total > NAME_BUDGET) reader.fail(at, "the names", `at most ${NAME_BUDGET} bytes in all`, "more");
    names.push(decodeText(bytes) ?? reader.fail(at, "a name", "UTF-8 text", `${bytes.length} bytes that are not`));
    before = bytes;
  }
  if (total === 0) reader.fail(reader.offset, "the names", "at least one", "none");
  return names;
}

function readLabels(reader: ByteReader, images: number): (number | undefined)[] {
  const labels: (number | undefined)[] = [];
  const at = reader.offset;
  reader.need(images, "the labels");
  for (let i = 0; i < images; i++) {
    const label = reader.varint("a label", 0, 2 ** 32);
    labels.push(label === 0 ? undefined : label - 1);
  }
  if (labels.every((label) => label === undefined)) reader.fail(at, "the labels", "at least one", "none");
  return labels;
}

function readOrder(reader: ByteReader, images: number): Uint32Array {
  const at = reader.offset;
  reader.need(images, "the order of images");
  const order = new Uint32Array(images);
  const seen = new Uint8Array(images);
  let moved = false;
  for (let i = 0; i < images; i++) {
    const index = reader.varint("an image's index", 0, images - 1);
    if (seen[index]) reader.fail(at, "the order of images", "each index once", `${index} twice`);
    seen[index] = 1;
    order[i] = index;
    moved ||= index !== i;
  }
  if (!moved) reader.fail(at, "the order of images", "another order than the archive's", "the same");
  return order;
}

function sharedLength(a: Uint8Array, b: Uint8Array): number {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return i;
}
