/**
 * A file cut short: whole groups as always, and of the group at the cut the rows that are certain, whatever bytes would
 * have followed. Those rows are not verified (the checksum covers the missing bytes too) and are reported apart.
 */

import { fail, PixelcnnError } from "../errors.ts";
import { ByteReader } from "./bytes.ts";
import { type CodecOptions, type DecodedImage, decodeArchive, decodeRecord, within } from "./codec.ts";
import { checkModel, identityOf, PIXEL_BUDGET, readHeader, readSingleImage, readStart } from "./container.ts";
import { DIRECTORY_MARKER, readDirectory } from "./directory.ts";
import { checkPredictor, checkSignal } from "./group-coder.ts";
import { checkConditions } from "./group-conditions.ts";
import { type GroupRecord, type RecordLimits, readGroupHead, readGroupRecord } from "./group-record.ts";
import { bitsPerLevel, unpackLevels } from "./packed-levels.ts";
import type { Predictor } from "./predictor.ts";
import { RangeDecoder } from "./range-coder.ts";

export interface PartialImage {
  /** Position in the archive's own order. */
  readonly position: number;
  readonly height: number;
  readonly width: number;
  /** How many rows from the top are certain, if the bytes that are there are undamaged. */
  readonly rows: number;
  /** Levels, axes [rows, W, C]. */
  readonly pixels: Uint8Array;
}

export interface DecodedPrefix {
  readonly images: readonly DecodedImage[];
  readonly partial: readonly PartialImage[];
  /** Whether the file is whole. */
  readonly complete: boolean;
}

/** Decodes what is there of a file that was cut anywhere behind its header. Damage before the cut is an error. */
export async function decodePrefix(
  predictor: Predictor,
  bytes: Uint8Array,
  options: CodecOptions = {},
): Promise<DecodedPrefix> {
  checkPredictor(predictor);
  const { reader, flags } = readStart(bytes);
  const limits = {
    channels: predictor.channels,
    levels: predictor.levels,
    pixelBudget: options.pixelBudget ?? PIXEL_BUDGET,
  };
  if (flags & 1) {
    checkModel({ kind: "single", bytes, modelId: reader.raw(8, "the model's id") }, predictor);
    try {
      return { images: await decodeArchive(predictor, bytes, options), partial: [], complete: true };
    } catch (error) {
      if (!(error instanceof PixelcnnError) || error.kind !== "corrupt") throw error;
    }
    const record = readSingleImage(bytes, limits, { whole: false });
    return {
      images: [],
      partial: await certainRows(predictor, record, Number.POSITIVE_INFINITY, options),
      complete: false,
    };
  }

  const header = readHeader(bytes);
  checkModel({ kind: "archive", header }, predictor);
  const identity = identityOf(header);
  if (isWhole(bytes, identity))
    return { images: await decodeArchive(predictor, bytes, options), partial: [], complete: true };
  const images: DecodedImage[] = [];
  let next = 0;
  let offset = header.end;
  while (offset < bytes.length && bytes[offset] !== DIRECTORY_MARKER) {
    const reader = new ByteReader(bytes, offset);
    const head = headBeforeCut(reader, limits);
    if (head === undefined) break;
    const where = `images ${next} to ${next + head.count - 1}`;
    if (head.first !== next)
      fail("corrupt", `byte ${offset}: expected a group from image ${next} on but found one from ${head.first} on`);
    const end = reader.offset + head.payloadLength;
    if (end > bytes.length) {
      const record = { ...head, payload: bytes.subarray(reader.offset) };
      return { images, partial: await certainRows(predictor, record, head.streamLength, options), complete: false };
    }
    const record = within(where, () => readGroupRecord(new ByteReader(bytes, offset, end), end, identity, limits));
    next += head.count;
    images.push(...(await decodeRecord(predictor, record, where, next, undefined, options)));
    offset = end;
  }
  return { images, partial: [], complete: false };
}

/** Rows of a group that no missing byte can change. `streamLength` is Infinity where the file does not say it. */
async function certainRows(
  predictor: Predictor,
  record: GroupRecord,
  streamLength: number,
  options: CodecOptions,
): Promise<PartialImage[]> {
  const { channels, levels } = predictor;
  const { count, height, width, first, payload } = record;
  checkConditions(predictor, record);
  const perRow = width * channels;
  const coded = record.stored.flatMap((stored, i) => (stored ? [] : [i]));
  const pixels = Array.from({ length: count }, () => new Uint8Array(0));
  if (coded.length > 0) {
    const rows = coded.map(() => new Uint8Array(height * perRow));
    const stream = payload.subarray(0, record.streamLength);
    const decoder = new RangeDecoder(stream, { length: Math.max(streamLength, stream.length) });
    const done = await decodeWhileCertain(predictor, record, coded, decoder, rows, options);
    for (const [k, i] of coded.entries()) pixels[i] = rows[k]!.slice(0, done * perRow);
  }
  const kept = payload.subarray(Math.min(payload.length, record.streamLength));
  const keptLevels = Math.floor((8 * kept.length) / bitsPerLevel(levels));
  let before = 0;
  for (const [i, stored] of record.stored.entries()) {
    if (!stored) continue;
    const rows = Math.max(0, Math.min(height, Math.floor((keptLevels - before) / perRow)));
    pixels[i] = unpackLevels(kept, before + rows * perRow, levels, { prefix: true }).slice(before);
    before += height * perRow;
    if (rows < height) break;
  }
  return pixels.map((levelsOfImage, i) => {
    return { position: first + i, height, width, rows: levelsOfImage.length / perRow, pixels: levelsOfImage };
  });
}

/** Fills `rows` until the decoder is unsure, and says how many whole rows it was sure of. */
async function decodeWhileCertain(
  predictor: Predictor,
  record: Omit<GroupRecord, "payload">,
  coded: readonly number[],
  decoder: RangeDecoder,
  rows: readonly Uint8Array[],
  options: CodecOptions,
): Promise<number> {
  const { channels, levels } = predictor;
  const { height, width } = record;
  const conditions = record.conditions && coded.map((i) => record.conditions![i]!);
  const unsure = new Error("the missing bytes decide from here on");
  let done = 0;
  try {
    await predictor.stepwise(
      { count: coded.length, height, width },
      (step, cumulative, out) => {
        done = step.row;
        checkSignal(options.signal, step.row, height);
        const at = (step.row * width + step.column) * channels + step.channel;
        for (let k = 0; k < coded.length; k++) {
          const level = decoder.decode(cumulative, k * (levels + 1), levels);
          if (level < 0) throw unsure;
          out[k] = level;
          rows[k]![at] = level;
        }
      },
      { conditions, signal: options.signal },
    );
    return height;
  } catch (error) {
    if (error !== unsure) throw error;
    return done;
  }
}

/** A group's head, or undefined if the file ends inside of it. */
function headBeforeCut(reader: ByteReader, limits: RecordLimits): ReturnType<typeof readGroupHead> | undefined {
  try {
    return readGroupHead(reader, limits);
  } catch (error) {
    if (reader.ranOut) return undefined;
    throw error;
  }
}

function isWhole(bytes: Uint8Array, identity: number): boolean {
  try {
    readDirectory(bytes, identity);
    return true;
  } catch (error) {
    if (error instanceof PixelcnnError && error.kind === "corrupt") return false;
    throw error;
  }
}
