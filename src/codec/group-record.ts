/**
 * Groups as bytes: the record of a group in an archive, and the file that holds one image (`--single`). Both put a
 * CRC-32 before what it covers, so that a file cut short still shows its sizes. Byte by byte in docs/file-format.md.
 */

import { fail } from "../errors.ts";
import { type ByteReader, ByteWriter } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import { leastBits } from "./frequencies.ts";
import type { GroupPayload } from "./group-coder.ts";
import {
  type ConditionsMode,
  conditionsMode,
  type GroupConditions,
  readConditions,
  writeConditions,
} from "./group-conditions.ts";
import { packedLength } from "./packed-levels.ts";
import type { GroupSize } from "./predictor.ts";

export interface GroupRecord extends GroupSize, GroupPayload {
  /** Index of the group's first image in the archive. */
  readonly first: number;
  readonly conditions: GroupConditions;
}

/** What a reader must know, and what it will not go beyond. */
export interface RecordLimits {
  readonly channels: number;
  readonly levels: number;
  /** Most sub-pixels (count x H x W x C) of a group. */
  readonly pixelBudget: number;
}

export const GROUP_MARKER = 0xb7;
export const LONGEST_SIDE = 2 ** 24;
export const MOST_IMAGES_A_GROUP = 2 ** 16;
const CRC_AT = 1;
const CRC_END = 5;

/** One group: marker, CRC-32 of the rest, head, payload. `identity` ties the CRC to the model. */
export function writeGroupRecord(group: GroupRecord, identity: number): Uint8Array {
  const rest = new ByteWriter();
  const allStored = !group.stored.includes(false);
  const mode = allStored ? 1 : group.stored.includes(true) ? 2 : 0;
  rest.varint(group.first).varint(group.count).varint(group.height).varint(group.width);
  rest.byte(mode | (conditionsMode(group.conditions) << 2));
  if (mode === 2) rest.raw(bitmapOf(group.stored));
  writeConditions(rest, group.conditions);
  if (mode !== 1) rest.varint(group.streamLength);
  rest.u32(group.pixelsCrc).raw(group.payload);
  const bytes = rest.finish();
  return new ByteWriter().byte(GROUP_MARKER).u32(crc32(bytes, identity)).raw(bytes).finish();
}

/** Throws unless the CRC-32 of the record at `offset .. end` holds. */
export function checkGroupCrc(bytes: Uint8Array, offset: number, end: number, identity: number): void {
  const stored = readU32(bytes, offset + CRC_AT);
  const found = crc32(bytes.subarray(offset + CRC_END, end), identity);
  if (stored !== found)
    fail(
      "corrupt",
      `byte ${offset + CRC_AT}: expected CRC-32 ${hex32(stored)} for the group's bytes but found ${hex32(found)}`,
    );
}

/** The head of a record: everything but the payload, whose length is known from it. Nothing large is allocated. */
export function readGroupHead(
  reader: ByteReader,
  limits: RecordLimits,
): Omit<GroupRecord, "payload"> & { payloadLength: number } {
  const start = reader.offset;
  const marker = reader.byte("the group's marker");
  if (marker !== GROUP_MARKER) reader.fail(start, "the group's marker", "183", String(marker));
  reader.u32("the group's CRC-32");
  const first = reader.varint("the index of the group's first image");
  const count = reader.varint("the number of images", 1, MOST_IMAGES_A_GROUP);
  const { height, width } = readSize(reader, count, limits);
  const modeAt = reader.offset;
  const flags = reader.byte("the group's mode");
  const mode = flags & 3;
  if (mode === 3 || flags > 15) reader.fail(modeAt, "the group's mode", "a known mode", String(flags));
  const stored = mode === 2 ? readBitmap(reader, count) : new Array<boolean>(count).fill(mode === 1);
  const conditions = readConditions(reader, ((flags >> 2) & 3) as ConditionsMode, count);
  const keptCount = mode === 2 ? stored.filter(Boolean).length : mode * count;
  const perImage = height * width * limits.channels;
  const keptLength = packedLength(keptCount * perImage, limits.levels);
  const streamAt = reader.offset;
  const streamLength = mode === 1 ? 0 : reader.varint("the stream's length");
  if (mode !== 1) checkStreamLength(reader, streamAt, streamLength, keptLength, count, keptCount, perImage, limits);
  const pixelsCrc = reader.u32("the pixels' CRC-32");
  return {
    first,
    count,
    height,
    width,
    stored,
    conditions,
    streamLength,
    pixelsCrc,
    payloadLength: streamLength + keptLength,
  };
}

/** A whole record that must end at `end`, its CRC checked before anything else. */
export function readGroupRecord(reader: ByteReader, end: number, identity: number, limits: RecordLimits): GroupRecord {
  const start = reader.offset;
  if (end - start < CRC_END) reader.fail(start, "a group", `at least ${CRC_END} bytes`, String(end - start));
  checkGroupCrc(reader.bytes, start, end, identity);
  const { payloadLength, ...head } = readGroupHead(reader, limits);
  if (reader.offset + payloadLength !== end)
    reader.fail(reader.offset, "the payload", `${payloadLength} bytes`, String(end - reader.offset));
  return { ...head, payload: reader.raw(payloadLength, "the payload") };
}

const SINGLE_STORED = 2;

/**
 * A file of one image: `prefix` (magic and version), flags, model id, CRC-32 of all the rest, head, payload to the end.
 */
export function writeSingle(
  prefix: Uint8Array,
  singleFlag: number,
  modelId: Uint8Array,
  group: GroupRecord,
): Uint8Array {
  const flags = singleFlag | (group.stored[0] ? SINGLE_STORED : 0) | (conditionsMode(group.conditions) << 2);
  const before = new ByteWriter().raw(prefix).byte(flags).raw(modelId).finish();
  const rest = new ByteWriter().varint(group.height).varint(group.width);
  writeConditions(rest, group.conditions);
  const after = rest.u32(group.pixelsCrc).raw(group.payload).finish();
  return new ByteWriter()
    .raw(before)
    .u32(crc32(after, crc32(before)))
    .raw(after)
    .finish();
}

/**
 * Reads a file of one image from its CRC-32 on; `flags` is the byte after the version. `whole`: check CRC and length.
 */
export function readSingle(
  reader: ByteReader,
  flags: number,
  limits: RecordLimits,
  options: { whole: boolean },
): GroupRecord {
  const crcAt = reader.offset;
  const crc = reader.u32("the file's CRC-32");
  if (options.whole) {
    const found = crc32(reader.bytes.subarray(reader.offset), crc32(reader.bytes.subarray(0, crcAt)));
    if (crc !== found) reader.fail(crcAt, "the file's bytes", `CRC-32 ${hex32(crc)}`, hex32(found));
  }
  const { height, width } = readSize(reader, 1, limits);
  const conditions = readConditions(reader, ((flags >> 2) & 3) as ConditionsMode, 1);
  const pixelsCrc = reader.u32("the pixels' CRC-32");
  const payloadAt = reader.offset;
  const payload = reader.raw(reader.left, "the payload");
  const perImage = height * width * limits.channels;
  const stored = (flags & SINGLE_STORED) !== 0;
  if (options.whole) {
    const raw = packedLength(perImage, limits.levels);
    if (stored && payload.length !== raw)
      reader.fail(payloadAt, "the stored levels", `${raw} bytes`, String(payload.length));
    if (!stored) checkStreamLength(reader, payloadAt, payload.length, 0, 1, 0, perImage, limits);
  }
  const streamLength = stored ? 0 : payload.length;
  return { first: 0, count: 1, height, width, stored: [stored], conditions, streamLength, pixelsCrc, payload };
}

/**
 * Bytes are never more than stored, nor fewer than the frequencies allow: checked before memory is taken or a model
 * runs.
 */
function checkStreamLength(
  reader: ByteReader,
  at: number,
  streamLength: number,
  keptLength: number,
  count: number,
  keptCount: number,
  perImage: number,
  { levels }: RecordLimits,
): void {
  const raw = packedLength(count * perImage, levels);
  const least = leastStreamLength((count - keptCount) * perImage, levels);
  if (streamLength < least || streamLength + keptLength >= raw) {
    reader.fail(at, "the stream", `${least} to ${raw - keptLength - 1} bytes`, String(streamLength));
  }
}

/**
 * The fewest bytes of a stream of so many symbols; one percent less, for the coder's rounding, and a byte for its
 * ending.
 */
export function leastStreamLength(symbols: number, levels: number): number {
  return Math.max(0, Math.ceil((0.99 * symbols * leastBits(levels)) / 8 - 1));
}

function readSize(
  reader: ByteReader,
  count: number,
  { channels, pixelBudget }: RecordLimits,
): { height: number; width: number } {
  const at = reader.offset;
  const height = reader.varint("the height", 1, LONGEST_SIDE);
  const width = reader.varint("the width", 1, LONGEST_SIDE);
  const size = count * height * width * channels;
  if (size > pixelBudget) {
    reader.fail(
      at,
      "the group's size",
      `at most ${pixelBudget} sub-pixels (the pixel budget)`,
      `${count} x ${height} x ${width} x ${channels}`,
    );
  }
  return { height, width };
}

function bitmapOf(stored: readonly boolean[]): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(stored.length / 8));
  for (const [i, is] of stored.entries()) if (is) bitmap[i >> 3]! |= 1 << (i & 7);
  return bitmap;
}

function readBitmap(reader: ByteReader, count: number): boolean[] {
  const at = reader.offset;
  const bitmap = reader.raw(Math.ceil(count / 8), "the map of stored images");
  const stored = Array.from({ length: count }, (_, i) => ((bitmap[i >> 3]! >> (i & 7)) & 1) === 1);
  const spare = count & 7;
  if (spare !== 0 && bitmap.at(-1)! >> spare !== 0)
    reader.fail(at, "the map of stored images", "zeros past its end", "others");
  if (!stored.includes(true) || !stored.includes(false))
    reader.fail(at, "the map of stored images", "some of each", "all alike");
  return stored;
}

function readU32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + offset, 4).getUint32(0, true);
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
