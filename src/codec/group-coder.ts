/**
 * Images of one size, in lock step, to one range-coder stream and back: pixel-major, image-minor. Images that the model
 * finds less likely than noise are stored as they are, so no group grows. Bare streams, without any header, are here
 * too.
 */

import { fail, PixelcnnError } from "../errors.ts";
import { crc32 } from "./crc32.ts";
import { MAX_LEVELS } from "./frequencies.ts";
import { bitsPerLevel, packedLength, packLevels, unpackLevels } from "./packed-levels.ts";
import type { Condition, GroupSize, Predictor } from "./predictor.ts";
import { RangeDecoder, RangeEncoder } from "./range-coder.ts";

export interface StreamOptions {
  readonly conditions?: readonly Condition[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each row with the number of rows done. */
  readonly onRow?: ((rows: number) => void) | undefined;
}

/** What a group needs to be decoded, besides its size and conditions. */
export interface GroupPayload {
  /** Which images are kept as levels, outside of the stream. */
  readonly stored: readonly boolean[];
  /** Bytes of the range-coder stream; the stored images' packed levels follow it in `payload`. */
  readonly streamLength: number;
  readonly payload: Uint8Array;
  /** CRC-32 of the pixels [count, H, W, C]. */
  readonly pixelsCrc: number;
}

/** The bare stream of a group: no header, no checksum, no stored mode. The caller keeps its sizes and its model. */
export async function encodeStream(
  predictor: Predictor,
  pixels: Uint8Array,
  size: GroupSize,
  options: StreamOptions = {},
): Promise<Uint8Array> {
  return (await encodeStreamWithCosts(predictor, pixels, size, options)).stream;
}

/** Pixels [count, H, W, C] from a bare stream; refuses a stream that {@link encodeStream} does not write. */
export async function decodeStream(
  predictor: Predictor,
  stream: Uint8Array,
  size: GroupSize,
  options: StreamOptions = {},
): Promise<Uint8Array> {
  checkPredictor(predictor);
  const { levels } = predictor;
  const decoder = new RangeDecoder(stream);
  let rows = 0;
  const pixels = await predictor.stepwise(
    size,
    (step, cumulative, out) => {
      if (step.row !== rows) {
        rows = step.row;
        checkSignal(options.signal, rows, size.height);
        options.onRow?.(rows);
      }
      for (let i = 0, offset = 0; i < size.count; i++, offset += levels + 1)
        out[i] = decoder.decode(cumulative, offset, levels);
    },
    predictorOptions(options),
  );
  decoder.finish();
  checkLength(pixels, predictor, size);
  options.onRow?.(size.height);
  return pixels;
}

/** Starts and frequencies of a group, [H, W, C, count]. */
interface KeptFrequencies {
  readonly starts: Uint32Array;
  readonly frequencies: Uint32Array;
}

/** Most sub-pixels of a group whose frequencies are kept, 8 bytes each, so that some of its images can be left out. */
const MOST_KEPT = 2 ** 21;

/** The stream of the images that are not left out. */
function encodeAgain({ starts, frequencies }: KeptFrequencies, leftOut: readonly boolean[]): Uint8Array {
  const encoder = new RangeEncoder();
  for (let k = 0, i = 0; k < starts.length; k++) {
    if (!leftOut[i]) encoder.encode(starts[k]!, frequencies[k]!);
    if (++i === leftOut.length) i = 0;
  }
  return encoder.finish();
}

/**
 * The stream, each image's share of it in whole bits (rounded down), and the frequencies, where they are not too many.
 */
async function encodeStreamWithCosts(
  predictor: Predictor,
  pixels: Uint8Array,
  size: GroupSize,
  options: StreamOptions,
) {
  checkPredictor(predictor);
  checkLength(pixels, predictor, size);
  const { count } = size;
  const perRow = size.width * predictor.channels * count;
  const encoder = new RangeEncoder();
  const all = size.height * perRow;
  const kept = all <= MOST_KEPT ? { starts: new Uint32Array(all), frequencies: new Uint32Array(all) } : undefined;
  // Image i has cost -log2(shares[i]) + costs[i] bits so far: exact products, so every machine takes the same
  // decisions.
  const shares = new Float64Array(count).fill(1);
  const costs = new Float64Array(count);
  let rows = 0;
  await predictor.forced(
    pixels,
    size,
    (row, starts, frequencies) => {
      if (row !== rows || starts.length < perRow || frequencies.length < perRow) {
        fail(
          "internal",
          `expected row ${rows} with ${perRow} symbols from the predictor but received row ${row} with ` +
            `${starts.length}`,
        );
      }
      checkSignal(options.signal, row, size.height);
      kept?.starts.set(starts.subarray(0, perRow), row * perRow);
      kept?.frequencies.set(frequencies.subarray(0, perRow), row * perRow);
      for (let k = 0, i = 0; k < perRow; k++) {
        const frequency = frequencies[k]!;
        encoder.encode(starts[k]!, frequency);
        let share = shares[i]! * frequency * 2 ** -24;
        if (share < 2 ** -64) {
          share *= 2 ** 64;
          costs[i]! += 64;
        }
        shares[i] = share;
        if (++i === count) i = 0;
      }
      rows++;
      options.onRow?.(rows);
    },
    predictorOptions(options),
  );
  if (rows !== size.height) fail("internal", `expected ${size.height} rows from the predictor but received ${rows}`);
  for (let i = 0; i < count; i++) for (let share = shares[i]!; share <= 0.5; share *= 2) costs[i]!++;
  return { stream: encoder.finish(), costs, kept };
}

/**
 * Codes a group. Images that would grow are stored; if the group is still not smaller than raw, all of it is stored.
 */
export async function encodeGroup(
  predictor: Predictor,
  pixels: Uint8Array,
  size: GroupSize,
  options: StreamOptions = {},
): Promise<GroupPayload> {
  const { count } = size;
  const perImage = size.height * size.width * predictor.channels;
  let { stream, costs, kept: frequencies } = await encodeStreamWithCosts(predictor, pixels, size, options);
  let stored = Array.from(costs, (cost) => cost > perImage * bitsPerLevel(predictor.levels));
  if (stored.includes(true) && stored.includes(false) && frequencies) {
    // An image's frequencies do not depend on its neighbours.
    stream = encodeAgain(frequencies, stored);
  } else if (stored.includes(true) && stored.includes(false)) {
    const coded = pick(pixels, stored, false);
    const conditions = options.conditions?.filter((_, i) => !stored[i]);
    stream = await encodeStream(
      predictor,
      coded,
      { ...size, count: coded.length / perImage },
      { signal: options.signal, conditions },
    );
  } else if (stored.includes(true)) {
    stream = new Uint8Array(0);
  }
  let kept = packLevels(pick(pixels, stored, true), predictor.levels);
  if (stream.length + kept.length >= packedLength(count * perImage, predictor.levels)) {
    stored = stored.map(() => true);
    stream = new Uint8Array(0);
    kept = packLevels(pixels, predictor.levels);
  }
  const payload = new Uint8Array(stream.length + kept.length);
  payload.set(stream);
  payload.set(kept, stream.length);
  return { stored, streamLength: stream.length, payload, pixelsCrc: crc32(pixels) };
}

/** The pixels [count, H, W, C] of a group; throws unless they have the checksum that the encoder saw. */
export async function decodeGroup(
  predictor: Predictor,
  group: GroupSize & GroupPayload,
  options: StreamOptions = {},
): Promise<Uint8Array> {
  checkPredictor(predictor);
  const perImage = group.height * group.width * predictor.channels;
  const keptCount = group.stored.filter(Boolean).length;
  const codedCount = group.count - keptCount;
  const kept = unpackLevels(group.payload.subarray(group.streamLength), keptCount * perImage, predictor.levels);
  let pixels = kept;
  if (codedCount > 0) {
    const conditions = options.conditions?.filter((_, i) => !group.stored[i]);
    const stream = group.payload.subarray(0, group.streamLength);
    const coded = await decodeStream(predictor, stream, { ...group, count: codedCount }, { ...options, conditions });
    pixels = keptCount === 0 ? coded : merge(coded, kept, group.stored, perImage);
  }
  const found = crc32(pixels);
  if (found !== group.pixelsCrc) {
    fail(
      "corrupt",
      `expected pixels with CRC-32 ${hex32(group.pixelsCrc)} but found ${hex32(found)}: the bytes are whole, so the ` +
        "encoder had other frequencies than this predictor",
    );
  }
  return pixels;
}

/** Throws a usage error unless the predictor is one that the format has room for. */
export function checkPredictor({ channels, levels, digest }: Predictor): void {
  if (!Number.isInteger(levels) || levels < 2 || levels > MAX_LEVELS)
    fail("usage", `expected 2 to 256 levels of the predictor but received ${levels}`);
  if (!Number.isInteger(channels) || channels < 1 || channels > 255)
    fail("usage", `expected 1 to 255 channels of the predictor but received ${channels}`);
  if (digest.length !== 32)
    fail("usage", `expected a digest of 32 bytes of the predictor but received ${digest.length}`);
}

export function checkSignal(signal: AbortSignal | undefined, row: number, height: number): void {
  if (signal?.aborted)
    throw new PixelcnnError("interrupted", `stopped on request at row ${row} of ${height}`, { cause: signal.reason });
}

function checkLength(pixels: Uint8Array, predictor: Predictor, { count, height, width }: GroupSize): void {
  const expected = count * height * width * predictor.channels;
  if (pixels.length !== expected) {
    fail(
      "usage",
      `expected ${expected} levels for ${count} images of ${height} x ${width} x ${predictor.channels} but received ` +
        `${pixels.length}`,
    );
  }
}

function predictorOptions({ conditions, signal }: StreamOptions) {
  return { conditions, signal };
}

/** The images whose `stored` is `which`, one after another. */
function pick(pixels: Uint8Array, stored: readonly boolean[], which: boolean): Uint8Array {
  const perImage = pixels.length / stored.length;
  const indices = stored.flatMap((is, i) => (is === which ? [i] : []));
  const picked = new Uint8Array(indices.length * perImage);
  for (const [to, from] of indices.entries())
    picked.set(pixels.subarray(from * perImage, (from + 1) * perImage), to * perImage);
  return picked;
}

function merge(coded: Uint8Array, kept: Uint8Array, stored: readonly boolean[], perImage: number): Uint8Array {
  const pixels = new Uint8Array(stored.length * perImage);
  let fromCoded = 0;
  let fromKept = 0;
  for (const [i, is] of stored.entries()) {
    const at = is ? fromKept : fromCoded;
    pixels.set((is ? kept : coded).subarray(at, at + perImage), i * perImage);
    if (is) fromKept += perImage;
    else fromCoded += perImage;
  }
  return pixels;
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
