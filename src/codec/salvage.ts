/**
 * What can be saved from a damaged archive: every group whose bytes are whole, and a list of what is lost. Nothing is
 * guessed: a group is returned only if its CRC-32, its stream's ending and its pixels' CRC-32 all hold.
 */

import { PixelcnnError } from "../errors.ts";
import { ByteReader } from "./bytes.ts";
import {
  type CodecOptions,
  type DecodedImage,
  decodeArchive,
  decodeRecord,
  describeImage,
  TOTAL_BUDGET,
  within,
} from "./codec.ts";
import { checkModel, identityOf, type ModelIdentity, PIXEL_BUDGET, readHeader, readStart } from "./container.ts";
import { DIRECTORY_MARKER, type FoundDirectory, type GroupPlace, readDirectory, readDirectoryAt } from "./directory.ts";
import { checkPredictor } from "./group-coder.ts";
import { checkGroupCrc, GROUP_MARKER, readGroupHead, readGroupRecord } from "./group-record.ts";
import { findModelSection } from "./model-section.ts";
import type { Predictor } from "./predictor.ts";

export interface LostImages {
  /** Positions in the archive's own order, both included; `last` is undefined where the file's end is unknown. */
  readonly first: number;
  readonly last: number | undefined;
  /** Safe names, or as many as are known. */
  readonly names: readonly string[];
  readonly reason: string;
}

export interface Salvage {
  /** Images whose every checksum holds, by index. Names are made up if the directory is lost. */
  readonly images: readonly DecodedImage[];
  readonly lost: readonly LostImages[];
  /** Damage outside of groups: header, directory, bytes that belong to nothing. */
  readonly problems: readonly string[];
}

export interface SalvageOptions extends CodecOptions {
  readonly totalBudget?: number | undefined;
}

/** How often the bytes of a file without a directory are read while groups are looked for, at most. */
const SCAN_EFFORT = 16;
/** Bytes of a group's head that are read without being counted; a head with many conditions counts. */
const SMALL_HEAD = 64;

/** Decodes all that is whole. Throws only for a file of another model, or one that holds nothing of an archive. */
export async function salvageArchive(
  predictor: Predictor,
  bytes: Uint8Array,
  options: SalvageOptions = {},
): Promise<Salvage> {
  checkPredictor(predictor);
  const problems: string[] = [];
  if (isSingle(bytes) && !quietly(() => readDirectory(bytes, identityOf(predictor))))
    return salvageSingle(predictor, bytes, options);
  const header = attempt(problems, () => readHeader(bytes));
  if (header) checkModel({ kind: "archive", header }, predictor);
  const model: ModelIdentity = header ?? predictor;
  const identity = identityOf(model);
  const atEnd = attempt(problems, () => readDirectory(bytes, identity));
  // A directory counts back from where it stands; if that misses the header, bytes were lost or added in between.
  const fits = (found: FoundDirectory) => header === undefined || found.groupsStart === header.end;
  const scan =
    atEnd && fits(atEnd) ? undefined : scanForGroups(bytes, header?.end ?? afterModel(bytes), model, options, problems);
  const found = atEnd ?? scan?.found;
  const directory = found?.directory;
  const places = found && fits(found) ? found.directory.groups : scan!.places;

  const images: DecodedImage[] = [];
  const lost: LostImages[] = [];
  const lose = (first: number, last: number | undefined, reason: string): void => {
    const known =
      directory?.names && last !== undefined ? Array.from({ length: last - first + 1 }, (_, i) => first + i) : [];
    lost.push({ first, last, names: known.map((position) => describeImage(directory, position).name), reason });
  };
  let next = 0;
  let budget = options.totalBudget ?? TOTAL_BUDGET;
  for (const [index, { offset, length, first, count }] of places.entries()) {
    if (first > next) lose(next, first - 1, "no whole group of these images is in the file");
    next = first + count;
    const where = `group ${index} (images ${first} to ${next - 1})`;
    try {
      const limits = {
        channels: model.channels,
        levels: model.levels,
        pixelBudget: Math.min(budget, options.pixelBudget ?? PIXEL_BUDGET),
      };
      const record = within(where, () =>
        readGroupRecord(new ByteReader(bytes, offset, offset + length), offset + length, identity, limits),
      );
      if (record.first !== first || record.count !== count) {
        throw new PixelcnnError(
          "corrupt",
          `${where}: expected these images but found ${record.count} from ${record.first} on (groups swapped?)`,
        );
      }
      budget -= count * record.height * record.width * model.channels;
      images.push(...(await decodeRecord(predictor, record, where, directory?.images ?? next, directory, options)));
    } catch (error) {
      if (!(error instanceof PixelcnnError) || error.kind !== "corrupt") throw error;
      lose(first, next - 1, error.message);
    }
  }
  if (!directory) lose(next, undefined, "the directory is damaged, so nobody knows whether images followed");
  else if (next < directory.images) lose(next, directory.images - 1, "no whole group of these images is in the file");
  if (images.length === 0 && !header && !directory)
    throw new PixelcnnError("corrupt", `no part of an archive is whole: ${problems.join("; ")}`);
  return { images: images.sort((a, b) => a.index - b.index), lost, problems };
}

async function salvageSingle(predictor: Predictor, bytes: Uint8Array, options: SalvageOptions): Promise<Salvage> {
  try {
    return { images: await decodeArchive(predictor, bytes, options), lost: [], problems: [] };
  } catch (error) {
    if (!(error instanceof PixelcnnError) || error.kind !== "corrupt") throw error;
    return { images: [], lost: [{ first: 0, last: 0, names: [], reason: error.message }], problems: [] };
  }
}

/** Where groups may begin in a file whose header is damaged: behind a model, whose bytes may look like anything. */
function afterModel(bytes: Uint8Array): number {
  const section = findModelSection(bytes);
  return section ? section.offset + section.length : 0;
}

function isSingle(bytes: Uint8Array): boolean {
  try {
    return (readStart(bytes).flags & 1) === 1;
  } catch {
    return false;
  }
}

/** The result of `action`, or undefined with its damage added to `problems`. */
function attempt<T>(problems: string[], action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof PixelcnnError) || error.kind !== "corrupt") throw error;
    problems.push(error.message);
    return undefined;
  }
}

/** Walks over whole groups from `start`, byte by byte where there is none, until a directory fits or the file ends. */
function scanForGroups(
  bytes: Uint8Array,
  start: number,
  model: ModelIdentity,
  options: SalvageOptions,
  problems: string[],
): { found: FoundDirectory | undefined; places: GroupPlace[] } {
  const identity = identityOf(model);
  const limits = { channels: model.channels, levels: model.levels, pixelBudget: options.pixelBudget ?? PIXEL_BUDGET };
  const places: GroupPlace[] = [];
  let found: FoundDirectory | undefined;
  let effort = SCAN_EFFORT * bytes.length;
  let next = 0;
  let skipped = 0;
  let offset = start;
  while (offset < bytes.length && effort > 0 && found === undefined) {
    const place = bytes[offset] === GROUP_MARKER ? quietly(() => groupAt(offset)) : undefined;
    if (place && place.first >= next) {
      places.push(place);
      next = place.first + place.count;
      offset += place.length;
      continue;
    }
    if (bytes[offset] === DIRECTORY_MARKER) found = quietly(() => directoryAt(offset));
    offset++;
    skipped++;
  }
  if (effort <= 0) problems.push("the search for groups was given up: too many bytes look like the beginning of one");
  const after = found ? bytes.length - found.end : 0;
  if (after > 0) problems.push(`byte ${found!.end}: expected the end of the file but found ${after} more bytes`);
  if (found) skipped--;
  if (skipped > 0) problems.push(`${skipped} bytes belong to no whole group`);
  return { found, places };

  function directoryAt(at: number): FoundDirectory {
    const reader = new ByteReader(bytes, at + 1);
    const length = reader.u32("the directory's length");
    if (length > reader.left) reader.fail(at, "the directory's length", `at most ${reader.left}`, String(length));
    effort -= length;
    return readDirectoryAt(bytes, at, identity);
  }

  function groupAt(offset: number): GroupPlace {
    const reader = new ByteReader(bytes, offset);
    let head: ReturnType<typeof readGroupHead>;
    try {
      head = readGroupHead(reader, limits);
    } finally {
      effort -= Math.max(0, reader.offset - offset - SMALL_HEAD);
    }
    const { payloadLength, first, count } = head;
    const end = reader.offset + payloadLength;
    effort -= payloadLength;
    if (end > bytes.length)
      reader.fail(reader.offset, "the payload", `${payloadLength} bytes`, String(bytes.length - reader.offset));
    checkGroupCrc(bytes, offset, end, identity);
    return { offset, length: end - offset, first, count };
  }
}

function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof PixelcnnError && error.kind === "corrupt") return undefined;
    throw error;
  }
}
