/**
 * Images to a .pxc file and back, with any {@link Predictor}: the same frequencies on every machine give the same bytes
 * and the same pixels. Strict: anything unexpected is a typed error that says where. Damaged files: `salvage.ts`; files
 * cut short: `prefix.ts`; bare streams: `group-coder.ts`; what a file says without its model: `openPxc` in
 * `container.ts`.
 */

import { checkInteger, fail, PixelcnnError } from "../errors.ts";
import type { OnProgress, Share } from "../jobs.ts";
import {
  checkModel,
  type MemberNotes,
  openPxc,
  PIXEL_BUDGET,
  type PxcFile,
  readGroup,
  readSingleImage,
  type WrittenGroup,
  writeArchive,
  writeGroups,
  writeSingleFile,
} from "./container.ts";
import { hex } from "./digest.ts";
import { checkName, type Directory } from "./directory.ts";
import { checkPredictor, decodeGroup, encodeGroup } from "./group-coder.ts";
import { checkCondition, checkConditions } from "./group-conditions.ts";
import { type GroupRecord, LONGEST_SIDE, MOST_IMAGES_A_GROUP } from "./group-record.ts";
import type { GroupThreads } from "./group-threads.ts";
import { writeModelSection } from "./model-section.ts";
import { evenGroupSize, type Groupable, planGroups, usualGroupSize } from "./plan-groups.ts";
import type { Condition, GroupSize, PixelSize, Predictor } from "./predictor.ts";
import { safeNames } from "./safe-names.ts";
import type { RoundedModel } from "./stored-model.ts";

export interface CodecImage {
  readonly height: number;
  readonly width: number;
  /** Levels, axes [H, W, C]. */
  readonly pixels: Uint8Array;
  /** Kept as it is; made safe on the way out. At most 1,024 bytes of UTF-8. */
  readonly name?: string | undefined;
  /** A number from 0 to 2^32 - 1 that is kept and means nothing to the codec. */
  readonly label?: number | undefined;
  /** The image's condition; stored with it. Images with and without a condition may be mixed. */
  readonly condition?: Condition | undefined;
}

export interface DecodedImage extends CodecImage {
  /** Position among the images that were encoded. */
  readonly index: number;
  /** A safe relative path, unlike any other in the archive; `image-000001` for the first image, if it has no name. */
  readonly name: string;
}

/** With threads, groups report in turns: `images` tells them apart. */
export interface CodecProgress {
  /** Images before this group, of this group, and in all. */
  readonly images: number;
  readonly count: number;
  readonly totalImages: number;
  /** Rows done of this group's images, and in all. */
  readonly row: number;
  readonly rows: number;
}

/** Images done of all, from the rows of groups that may be worked on side by side. */
export function imagesDone(onProgress: OnProgress | undefined): ((progress: CodecProgress) => void) | undefined {
  const groups = new Map<number, number>();
  let sum = 0;
  return (
    onProgress &&
    (({ images, count, totalImages, row, rows }) => {
      const now = (count * row) / rows;
      sum += now - (groups.get(images) ?? 0);
      groups.set(images, now);
      onProgress({ done: Math.floor(sum + 1e-6), total: totalImages });
    })
  );
}

export interface CodecOptions {
  /** Most sub-pixels of a group in memory; 2^24 by default. An image larger than that needs it raised on both sides. */
  readonly pixelBudget?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CodecProgress) => void) | undefined;
  /** Code several groups at a time, in threads that run the same model; no byte and no pixel depends on it. */
  readonly threads?: GroupThreads | undefined;
}

export interface EncodeOptions extends CodecOptions {
  /**
   * Most images per group. Larger groups need fewer bytes of header; a damaged byte costs a whole group, and groups are
   * what threads share. Default: an eighth of those of one size, at least 64, and at most 1,024 or 2^20 sub-pixels.
   */
  readonly groupSize?: number | undefined;
  /** Text kept in the header: palette, colours, where the levels came from. */
  readonly notes?: string | undefined;
  /** The model itself, to be kept inside: `predictor` must be of this one. */
  readonly model?: RoundedModel | undefined;
}

export interface DecodeOptions extends CodecOptions {
  /** Most sub-pixels of the whole result, 2^28 by default; {@link decodeGroups} needs no such limit. */
  readonly totalBudget?: number | undefined;
}

export const TOTAL_BUDGET = 2 ** 28;

/**
 * One archive of all `images`. Those of one size and kind of condition are gathered into groups; they come back in the
 * given order.
 */
export async function encodeImages(
  predictor: Predictor,
  images: readonly CodecImage[],
  options: EncodeOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  checkImages(predictor, images, options);
  const plan = planArchive(predictor, images, options);
  const groups = await encodePlanned(predictor, images, plan, options);
  const { notes = "", model } = options;
  const head = { ...predictor, notes, model: model && writeModelSection(model.bytes) };
  return writeArchive(head, groups, describeMembers(images, plan.flat()));
}

/** Images as groups: the indices of each group's, in the order of the archive. Their pixels do not matter. */
export function planArchive(
  predictor: Predictor,
  images: readonly Groupable[],
  options: EncodeOptions = {},
): number[][] {
  const { groupSize, pixelBudget = PIXEL_BUDGET } = options;
  if (groupSize !== undefined) checkInteger("groupSize", groupSize, 1, MOST_IMAGES_A_GROUP);
  const most = (size: PixelSize, count: number): number => {
    const levels = size.height * size.width * predictor.channels;
    const wanted = groupSize ?? usualGroupSize(levels, count);
    const fit = Math.min(wanted, Math.floor(pixelBudget / levels), predictor.mostImages?.(size) ?? wanted);
    return groupSize === undefined ? evenGroupSize(count, Math.max(1, fit)) : Math.max(1, fit);
  };
  return planGroups(images, most);
}

/** The bytes of the groups of a plan, or of a share of them: the same whoever codes the others. */
export async function encodePlanned(
  predictor: Predictor,
  images: readonly CodecImage[],
  plan: readonly (readonly number[])[],
  options: CodecOptions,
  { from, to }: Share = { from: 0, to: plan.length },
): Promise<WrittenGroup[]> {
  const firsts = [0];
  for (const members of plan) firsts.push(firsts.at(-1)! + members.length);
  const total = firsts[to]! - firsts[from]!;
  const onProgress = shifted(options.onProgress, firsts[from]!);
  const groups: GroupRecord[] = [];
  const encode = (k: number, signal: AbortSignal | undefined): Promise<GroupRecord> => {
    const members = plan[from + k]!.map((i) => images[i]!);
    return encodeOneGroup(predictor, members, firsts[from + k]!, total, { ...options, onProgress, signal });
  };
  for await (const group of someAtATime(to - from, options, encode)) groups.push(group);
  return writeGroups(predictor, groups);
}

/** What an archive says of images, by their indices in its own order. */
export function describeMembers(images: readonly CodecImage[], order: readonly number[]): MemberNotes {
  return {
    names: order.map((i) => images[i]!.name ?? ""),
    labels: order.map((i) => images[i]!.label),
    order,
  };
}

const shifted = (onProgress: CodecOptions["onProgress"], first: number): CodecOptions["onProgress"] =>
  onProgress && first > 0 ? (progress) => onProgress({ ...progress, images: progress.images - first }) : onProgress;

/** A file of one image with the smallest header: 24 bytes at 28 x 28. It has no room for a name, a label or notes. */
export async function encodeSingle(
  predictor: Predictor,
  image: CodecImage,
  options: CodecOptions = {},
): Promise<Uint8Array> {
  checkImages(predictor, [image], options);
  return writeSingleFile(predictor, await encodeOneGroup(predictor, [image], 0, 1, options));
}

/**
 * All images of a file, in the order that they were given to the encoder. Every checksum is checked before a model
 * runs.
 */
export async function decodeArchive(
  predictor: Predictor,
  bytes: Uint8Array,
  options: DecodeOptions = {},
): Promise<DecodedImage[]> {
  const file = openFor(predictor, bytes);
  const totalBudget = options.totalBudget ?? TOTAL_BUDGET;
  let total = 0;
  for (let index = 0; index < groupCount(file); index++) {
    const { count, height, width } = within(whereOf(file, index), () => recordOf(predictor, file, index, options));
    total += count * height * width * predictor.channels;
    if (total > totalBudget) {
      fail(
        "corrupt",
        `${whereOf(file, index)}: expected at most ${totalBudget} sub-pixels in all (the total budget) but found ` +
          `${total} so far`,
      );
    }
  }
  const images: DecodedImage[] = [];
  for await (const group of decodeGroups(predictor, bytes, options))
    for (const image of group) images[image.index] = image;
  return images;
}

/** The images of one group after another, in the archive's own order, in the memory of one group. */
export async function* decodeGroups(
  predictor: Predictor,
  bytes: Uint8Array,
  options: CodecOptions = {},
): AsyncGenerator<DecodedImage[]> {
  const file = openFor(predictor, bytes);
  yield* someAtATime(groupCount(file), options, (index, signal) =>
    decodeOneGroup(predictor, file, index, { ...options, signal }),
  );
}

/**
 * `work` of 0, 1, ..., `count` - 1 in order, one at a time or one per thread; when one fails or the consumer stops, the
 * others stop.
 */
async function* someAtATime<T>(
  count: number,
  { threads, signal }: CodecOptions,
  work: (index: number, signal: AbortSignal | undefined) => Promise<T>,
): AsyncGenerator<T> {
  if (threads === undefined) {
    for (let index = 0; index < count; index++) yield await work(index, signal);
    return;
  }
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const begun: Promise<T>[] = [];
  try {
    for (let index = 0, next = 0; index < count; index++) {
      while (next < Math.min(count, index + threads.count)) {
        const one = work(next++, either);
        one.catch(() => undefined); // it is thrown when its turn comes
        begun.push(one);
      }
      yield await begun.shift()!;
    }
  } finally {
    stop.abort();
    await Promise.allSettled(begun);
  }
}

/** The images of one group of an opened file; nothing else of the file is read. */
export async function decodeOneGroup(
  predictor: Predictor,
  file: PxcFile,
  index: number,
  options: CodecOptions = {},
): Promise<DecodedImage[]> {
  checkPredictor(predictor);
  checkModel(file, predictor);
  const where = whereOf(file, index);
  const record = within(where, () => recordOf(predictor, file, index, options));
  const totalImages = file.kind === "single" ? 1 : file.images;
  return decodeRecord(predictor, record, where, totalImages, file.kind === "single" ? undefined : file, options);
}

/** Decodes a record whose bytes were checked; `directory` gives names, labels and the first order. */
export async function decodeRecord(
  predictor: Predictor,
  record: GroupRecord,
  where: string,
  totalImages: number,
  directory: Directory | undefined,
  options: CodecOptions,
): Promise<DecodedImage[]> {
  within(where, () => checkConditions(predictor, record));
  const { height, width, first, conditions } = record;
  const streamOptions = { conditions, signal: options.signal, onRow: progressOf(options, record, totalImages) };
  const threads = threadsFor(predictor, options);
  const pixels = await withinAsync(where, () =>
    threads ? threads.decode(record, streamOptions) : decodeGroup(predictor, record, streamOptions),
  );
  const perImage = height * width * predictor.channels;
  return Array.from({ length: record.count }, (_, i) => ({
    ...describeImage(directory, first + i),
    height,
    width,
    condition: conditions?.[i],
    pixels: pixels.subarray(i * perImage, (i + 1) * perImage),
  }));
}

/** Index, safe name and label of the image at a position in the archive's own order. */
export function describeImage(
  directory: Directory | undefined,
  position: number,
): { index: number; name: string; label: number | undefined } {
  const index = directory?.order?.[position] ?? position;
  const name =
    directory?.names === undefined
      ? `image-${String(index + 1).padStart(6, "0")}`
      : safeNamesOf(directory, directory.names)[index]!;
  return { index, name, label: directory?.labels?.[position] };
}

/** Safe names by index, made once an archive. */
function safeNamesOf(directory: Directory, names: readonly string[]): readonly string[] {
  const made = madeNames.get(directory);
  if (made) return made;
  const byIndex = [...names];
  if (directory.order) for (const [position, index] of directory.order.entries()) byIndex[index] = names[position]!;
  const safe = safeNames(byIndex);
  madeNames.set(directory, safe);
  return safe;
}
const madeNames = new WeakMap<Directory, readonly string[]>();

/** Runs `action`; a {@link PixelcnnError} from it says `where` first. */
export function within<T>(where: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw located(where, error);
  }
}

async function withinAsync<T>(where: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw located(where, error);
  }
}

function located(where: string, error: unknown): unknown {
  return error instanceof PixelcnnError
    ? new PixelcnnError(error.kind, `${where}: ${error.message}`, { cause: error })
    : error;
}

/** Words for a place in a file: which group, which images, and the name of the first if it has one. */
export function whereOf(file: PxcFile, index: number): string {
  if (file.kind === "single") return "the image";
  const { first, count } =
    file.groups[index] ?? fail("usage", `expected a group from 0 to ${file.groups.length - 1} but received ${index}`);
  const name = file.names?.[first] ? `, ${JSON.stringify(describeImage(file, first).name)} first` : "";
  return `group ${index} (images ${first} to ${first + count - 1}${name})`;
}

function openFor(predictor: Predictor, bytes: Uint8Array): PxcFile {
  checkPredictor(predictor);
  const file = openPxc(bytes);
  checkModel(file, predictor);
  return file;
}

function groupCount(file: PxcFile): number {
  return file.kind === "single" ? 1 : file.groups.length;
}

function recordOf(predictor: Predictor, file: PxcFile, index: number, { pixelBudget }: CodecOptions): GroupRecord {
  if (file.kind === "archive") return readGroup(file, index, { pixelBudget });
  const { channels, levels } = predictor;
  return readSingleImage(file.bytes, { channels, levels, pixelBudget: pixelBudget ?? PIXEL_BUDGET });
}

async function encodeOneGroup(
  predictor: Predictor,
  images: readonly CodecImage[],
  first: number,
  totalImages: number,
  options: CodecOptions,
): Promise<GroupRecord> {
  const { height, width } = images[0]!;
  const size = { count: images.length, height, width };
  const perImage = height * width * predictor.channels;
  const pixels = new Uint8Array(images.length * perImage);
  for (const [i, image] of images.entries()) pixels.set(image.pixels, i * perImage);
  const conditions = images[0]!.condition === undefined ? undefined : images.map((image) => image.condition!);
  const streamOptions = {
    conditions,
    signal: options.signal,
    onRow: progressOf(options, { ...size, first }, totalImages),
  };
  const threads = threadsFor(predictor, options);
  const payload = await (threads
    ? threads.encode(pixels, size, streamOptions)
    : encodeGroup(predictor, pixels, size, streamOptions));
  return { ...size, first, conditions, ...payload };
}

function threadsFor(predictor: Predictor, { threads }: CodecOptions): GroupThreads | undefined {
  if (threads !== undefined && hex(threads.digest) !== hex(predictor.digest)) {
    fail(
      "usage",
      `expected threads of the model ${hex(predictor.digest)} but received threads of ${hex(threads.digest)}`,
    );
  }
  return threads;
}

function progressOf(
  { onProgress }: CodecOptions,
  { first, count, height }: GroupSize & { readonly first: number },
  totalImages: number,
) {
  return onProgress && ((row: number) => onProgress({ images: first, count, totalImages, row, rows: height }));
}

/** Throws for an image that cannot be coded. `holds`: whose pixels are there to be checked; default all. */
export function checkImages(
  predictor: Predictor,
  images: readonly CodecImage[],
  { pixelBudget = PIXEL_BUDGET }: CodecOptions,
  holds: (index: number) => boolean = () => true,
): void {
  checkPredictor(predictor);
  const { channels, levels } = predictor;
  if (images.length === 0) fail("usage", "expected at least one image but received none");
  for (const [i, { height, width, pixels, name, label, condition }] of images.entries()) {
    const what = name ? `image ${i} (${JSON.stringify(name)})` : `image ${i}`;
    const size =
      `${checkInteger(`the height of ${what}`, height, 1, LONGEST_SIDE)} x ` +
      `${checkInteger(`the width of ${what}`, width, 1, LONGEST_SIDE)} x ${channels}`;
    const expected = height * width * channels;
    const held = holds(i);
    if (held && pixels.length !== expected)
      fail("usage", `expected ${expected} levels (${size}) for ${what} but received ${pixels.length}`);
    if (expected > pixelBudget)
      fail("usage", `expected at most ${pixelBudget} sub-pixels (pixelBudget) for ${what} but received ${size}`);
    const beyond = levels === 256 || !held ? -1 : pixels.findIndex((level) => level >= levels);
    if (beyond >= 0)
      fail(
        "usage",
        `expected levels below ${levels} for ${what} but received ${pixels[beyond]} at sub-pixel ${beyond}`,
      );
    if (name !== undefined) checkName(name, i);
    if (label !== undefined) checkInteger(`the label of ${what}`, label, 0, 2 ** 32 - 1);
    if (condition !== undefined) checkCondition("usage", predictor, condition, { height, width }, what);
  }
}
