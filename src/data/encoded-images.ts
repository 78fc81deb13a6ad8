/**
 * A data set over encoded images (files of a folder, rows of a Parquet file): one size, one number of channels, decoded
 * when read, through a bounded cache. The codec is passed in, since only folder.ts may load sharp.
 *
 * What is checked when: with `onBroken: "error"` opening reads every header (size, channels), unless size and channels
 * are given, and a broken body is an error when that image is first read; `thorough` decodes every image when opening.
 * With "skip" opening decodes every image once, so that the length it then states is true; those left out are named in
 * a warning.
 */

import { fail, type PixelcnnError } from "../errors.ts";
import { inLanes } from "../jobs.ts";
import { counted } from "../words.ts";
import { boundedCache } from "./bounded-cache.ts";
import { failBroken, isBroken, listBroken } from "./broken.ts";
import { type Dataset, datasetOf } from "./dataset.ts";
import { lossTeller, type OnLoss } from "./losses.ts";
import { lostWith, type Picture, padTo, toChannels, usesAlpha, usesColour } from "./picture.ts";
import type { Seen, SurveyMemory } from "./survey-memory.ts";

/** The bytes of an image file, or the path of one. */
export type EncodedImage = Uint8Array | string;

/** What a header says, after EXIF orientation. */
export interface ImageInfo {
  readonly height: number;
  readonly width: number;
  readonly colour: boolean;
  readonly alpha: boolean;
}

export type Fit = "resize" | "crop" | "contain";

/**
 * Where the images' sizes differ: "resize" stretches, "crop" covers and cuts the middle out, "contain" fits inside
 * (padding is not the codec's).
 */
export interface Target {
  readonly height: number;
  readonly width: number;
  readonly fit: Fit;
}

export interface Decoding {
  /** Fits the image to a size. */
  readonly target?: Target | undefined;
  /** The value of images of 16 bits that becomes 255; absent: 65535. */
  readonly white?: number | undefined;
  /** The file's own values, not moved by its colour profile. */
  readonly exact?: boolean | undefined;
  readonly onLoss?: OnLoss | undefined;
}

/** `where` names the image in errors. */
export interface ImageCodec {
  info(image: EncodedImage, where: string): Promise<ImageInfo>;
  decode(image: EncodedImage, where: string, how?: Decoding): Promise<Picture>;
}

export interface ImageList {
  readonly name: string;
  readonly length: number;
  readonly classes: readonly string[] | null;
  nameOf(index: number): string;
  /** Path, or file and row: for errors. */
  whereOf(index: number): string;
  labelOf(index: number): number;
  /** Texts that describe an image. */
  captionsOf?(index: number): readonly string[];
  read(index: number): Promise<EncodedImage>;
  /** What an earlier opening found out. */
  readonly memory?: SurveyMemory | null | undefined;
  close?(): Promise<void>;
}

export interface ImageOptions {
  /** Absent: all images must have one size. */
  size?: { height: number; width: number } | undefined;
  /** "none": an image of another size, or of more than `channels` hold, is an error. */
  fit: Fit | "none";
  /** "auto": 4 where any alpha is used, otherwise 3 where any colour is, otherwise 1. */
  channels: "auto" | 1 | 3 | 4;
  onBroken: "error" | "skip";
  /** Decode every image when opening, so that all that cannot be read are named at once. */
  thorough?: boolean | undefined;
  /** An image whose decoding loses something (16 bits, several frames, CMYK) cannot be read. */
  strict?: boolean | undefined;
  /** The value of images of 16 bits that becomes 255; absent: 65535. */
  white?: number | undefined;
  /** Told why each image that "skip" left out cannot be read. */
  onSkipped?: ((reasons: readonly string[]) => void) | undefined;
  /** Bound on the decoded images held. */
  cacheBytes: number;
  onWarning?: ((text: string) => void) | undefined;
}

export interface CachedDataset extends Dataset {
  /** Bytes of decoded images held now: at most `cacheBytes`. */
  readonly cachedBytes: number;
  /** Index, in the list, of each image of the data set; they differ where broken ones were skipped. */
  readonly kept: Uint32Array;
}

/** At most this many images are read at a time. */
const AT_ONCE = 4;

/** A reason for more channels that fewer than one image in so many gives is worth a warning. */
const FEW = 10;

/** At most this many files are looked into for "auto" channels; the rest are held to the answer when read. */
const INSPECTED = 256;

const FITTING = "; --fit resize, crop or contain would change it";

export async function encodedImages(list: ImageList, codec: ImageCodec, options: ImageOptions): Promise<CachedDataset> {
  const { size, fit, cacheBytes, white, strict } = options;
  const onLossOf = lossTeller(options);
  const read = async (index: number, target?: Target): Promise<Picture> => {
    const where = list.whereOf(index);
    return codec.decode(await list.read(index), where, { target, white, exact: strict, onLoss: onLossOf(where) });
  };
  const seen = await survey(list, codec, read, options);
  const kept = Uint32Array.from(seen.keys());
  if (kept.length === 0)
    fail(
      "data",
      `expected at least one image that can be read in ${list.name} but received ${list.length} broken ones`,
    );
  const { height, width } = size ?? sizeOfAll(list, seen);
  const channels =
    options.channels === "auto" ? await channelsOfAll(list, read, seen, options.onWarning) : options.channels;
  const target = size && fit !== "none" ? { ...size, fit } : undefined;
  const cache = boundedCache<Uint8Array>(cacheBytes);

  const load = async (index: number): Promise<Uint8Array> => {
    const cached = cache.get(index);
    if (cached) return cached;
    const where = list.whereOf(index);
    const picture = await read(index, target);
    if (options.channels === "auto") checkNothingLost(picture, channels, where);
    const lost = fit === "none" ? lostWith(picture, channels) : null;
    if (lost)
      fail(
        "data",
        `expected an image without ${lost} for ${where}, for ${channels} channels, but received one with it${FITTING}`,
      );
    if (!target && (picture.height !== height || picture.width !== width)) {
      fail(
        "data",
        `expected ${height}x${width} (height x width) for ${where} but received ${picture.height}x${picture.width}` +
          (fit === "none" ? FITTING : ""),
      );
    }
    const { pixels } = padTo(toChannels(picture, channels), height, width);
    cache.set(index, pixels, pixels.length);
    return pixels;
  };

  const bytes = height * width * channels;
  const dataset = datasetOf(
    {
      name: list.name,
      split: "all",
      height,
      width,
      channels,
      levels: 256,
      length: kept.length,
      classes: list.classes,
      nameOf: (index) => list.nameOf(kept[index]!),
      labelOf: (index) => list.labelOf(kept[index]!),
      ...(list.captionsOf && { captionsOf: (index: number) => list.captionsOf!(kept[index]!) }),
      close: async () => list.close?.(),
    },
    async (indices, pixels, labels) => {
      // In the order of the list: neighbours in a Parquet file are read together.
      const places = [...indices.keys()].sort((a, b) => indices[a]! - indices[b]!);
      await inLanes(places.length, AT_ONCE, async (item) => {
        const place = places[item]!;
        const index = kept[indices[place]!]!;
        pixels.set(await load(index), place * bytes);
        labels[place] = list.labelOf(index);
      });
    },
  );
  return Object.defineProperties(dataset, {
    cachedBytes: { get: () => cache.bytes, enumerable: true },
    kept: { value: kept, enumerable: true },
  }) as CachedDataset;
}

/**
 * What opening must know of each image, by its index in the list; broken ones are absent when they are to be skipped.
 * All that are broken are named at once.
 */
async function survey(
  list: ImageList,
  codec: ImageCodec,
  read: (index: number) => Promise<Picture>,
  { onBroken, thorough, size, channels, onWarning, onSkipped }: ImageOptions,
): Promise<Map<number, Seen | null>> {
  const all = Array.from({ length: list.length }, (_, i) => i);
  const seen = new Map<number, Seen | null>(all.map((i) => [i, null]));
  const whole = onBroken === "skip" || thorough === true;
  if (!whole && size && channels !== "auto") return seen;
  const broken = new Map<number, PixelcnnError>();
  const { memory } = list;
  let news = false;
  await inLanes(all.length, AT_ONCE, async (i) => {
    const known = memory?.known(i);
    if (known && (known.exact || !whole)) {
      seen.set(i, known);
      return;
    }
    news = true;
    try {
      if (whole) seen.set(i, exactly(await read(i)));
      else seen.set(i, { ...(await codec.info(await list.read(i), list.whereOf(i))), exact: false });
    } catch (error) {
      if (!isBroken(error)) throw error;
      seen.delete(i);
      broken.set(i, error);
    }
  });
  if (news) await memory?.keep(seen);
  if (broken.size === 0) return seen;
  const errors = [...broken].sort(([a], [b]) => a - b).map(([, error]) => error);
  const which = `${broken.size} of ${counted(list.length, "image")} of ${list.name}`;
  if (onBroken === "error") failBroken(`${which} cannot be read`, errors, 'onBroken "skip" leaves them out');
  onWarning?.(listBroken(`skipped ${which} that cannot be read`, errors));
  onSkipped?.(errors.map(({ message }) => message));
  return seen;
}

function exactly(picture: Picture): Seen {
  return {
    height: picture.height,
    width: picture.width,
    colour: usesColour(picture),
    alpha: usesAlpha(picture),
    exact: true,
  };
}

function sizeOfAll(list: ImageList, seen: Map<number, Seen | null>): { height: number; width: number } {
  const [[firstIndex, first]] = [...seen] as [[number, Seen]];
  const others = [...seen].filter(([, info]) => info!.height !== first.height || info!.width !== first.width);
  if (others.length === 0) return { height: first.height, width: first.width };
  const [otherIndex, other] = others[0] as [number, Seen];
  const rest = others.length > 1 ? ` (${others.length} of ${seen.size} differ from the first)` : "";
  return fail(
    "data",
    `expected images of one size (height x width) in ${list.name} but received ${first.height}x${first.width} for ` +
      `${list.nameOf(firstIndex)} and ${other.height}x${other.width} for ${list.nameOf(otherIndex)}${rest}; ` +
      "give height and width, with fit resize (stretch), crop (cut the middle out) or contain (pad)",
  );
}

/**
 * 4 channels where any image uses transparency, otherwise 3 where any uses colour, otherwise 1. Where few images are
 * the reason, the user is told which.
 */
async function channelsOfAll(
  list: ImageList,
  read: (index: number) => Promise<Picture>,
  seen: Map<number, Seen | null>,
  onWarning: ImageOptions["onWarning"],
): Promise<1 | 3 | 4> {
  // A header without colour and alpha is taken at its word; one with them may still hold grey, opaque pixels.
  const claims = [...seen].filter(([, info]) => !info!.exact && (info!.colour || info!.alpha)).map(([i]) => i);
  const step = Math.max(1, claims.length / INSPECTED);
  const inspected = Array.from({ length: Math.min(claims.length, INSPECTED) }, (_, k) => claims[Math.floor(k * step)]!);
  const found = new Map([...seen].filter(([, info]) => info!.exact || !(info!.colour || info!.alpha)));
  await inLanes(inspected.length, AT_ONCE, async (item) => {
    const i = inspected[item]!;
    found.set(i, exactly(await read(i)));
  });
  const which = (uses: (info: Seen) => boolean): number[] =>
    [...found].filter(([, info]) => uses(info!)).map(([index]) => index);
  const alpha = which((info) => info.alpha);
  const colour = which((info) => info.colour);
  const [channels, why, users] =
    alpha.length > 0
      ? ([4, "transparency", alpha] as const)
      : colour.length > 0
        ? ([3, "colour", colour] as const)
        : ([1, "", []] as const);
  if (users.length > 0 && users.length * FEW < found.size)
    onWarning?.(
      `${list.name} is taken with ${channels} channels, since ${users.length} of ${counted(found.size, "image")} ` +
        `looked at ${users.length === 1 ? "uses" : "use"} ${why}, ${list.nameOf(Math.min(...users))} for one; ` +
        `channels ${channels === 4 ? "3 or 1" : "1"} would convert ${users.length === 1 ? "it" : "them"}`,
    );
  return channels;
}

function checkNothingLost(picture: Picture, channels: number, where: string): void {
  const lost = lostWith(picture, channels);
  if (lost === null) return;
  const uses = channels === 1 ? "neither colour nor alpha" : "no alpha";
  const [received, needed] = lost === "transparency" ? ["alpha", 4] : ["colour", 3];
  fail(
    "data",
    `expected ${uses} in ${where}, as in the files looked at for channels "auto", but received ${received}; give ` +
      `channels ${needed} to keep it, or ${channels}`,
  );
}
