/**
 * A data set over encoded images (files of a folder, rows of a Parquet file): one size, one number of channels, decoded
 * when read, through a bounded cache. The codec is passed in, since only folder.ts may load sharp.
 *
 * What is checked when: with `onBroken: "error"` opening reads every header (size, channels), unless size and channels
 * are given, and a broken body is an error when that image is first read. With "skip" opening decodes every image once,
 * one after another, so that the length it then states is true; those left out are named in a warning.
 */

import { fail, PixelcnnError } from "../errors.ts";
import { inLanes } from "../jobs.ts";
import { boundedCache } from "./bounded-cache.ts";
import { type Dataset, datasetOf } from "./dataset.ts";
import { lostWith, type Picture, padTo, toChannels, usesAlpha, usesColour } from "./picture.ts";

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

/** `where` names the image in errors. */
export interface ImageCodec {
  info(image: EncodedImage, where: string): Promise<ImageInfo>;
  decode(image: EncodedImage, where: string, target?: Target): Promise<Picture>;
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
  close?(): Promise<void>;
}

export interface ImageOptions {
  /** Absent: all images must have one size. */
  size?: { height: number; width: number } | undefined;
  fit: Fit;
  /** "auto": 4 where any alpha is used, otherwise 3 where any colour is, otherwise 1. */
  channels: "auto" | 1 | 3 | 4;
  onBroken: "error" | "skip";
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

/** At most this many files are looked into for "auto" channels; the rest are held to the answer when read. */
const INSPECTED = 256;

export async function encodedImages(list: ImageList, codec: ImageCodec, options: ImageOptions): Promise<CachedDataset> {
  const { size, fit, cacheBytes } = options;
  const seen = await survey(list, codec, options);
  const kept = Uint32Array.from(seen.keys());
  if (kept.length === 0)
    fail(
      "data",
      `expected at least one image that can be read in ${list.name} but received ${list.length} broken ones`,
    );
  const { height, width } = size ?? sizeOfAll(list, seen);
  const channels = options.channels === "auto" ? await channelsOfAll(list, codec, seen) : options.channels;
  const target = size && { ...size, fit };
  const cache = boundedCache<Uint8Array>(cacheBytes);

  const load = async (index: number): Promise<Uint8Array> => {
    const cached = cache.get(index);
    if (cached) return cached;
    const where = list.whereOf(index);
    const picture = await codec.decode(await list.read(index), where, target);
    if (options.channels === "auto") checkNothingLost(picture, channels, where);
    if (!size && (picture.height !== height || picture.width !== width)) {
      fail(
        "data",
        `expected ${height}x${width} (height x width) for ${where} but received ${picture.height}x${picture.width}`,
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

interface Seen extends ImageInfo {
  /** The pixels were looked at, not only the header. */
  readonly exact: boolean;
}

/**
 * What opening must know of each image, by its index in the list; broken ones are absent when they are to be skipped.
 */
async function survey(list: ImageList, codec: ImageCodec, options: ImageOptions): Promise<Map<number, Seen | null>> {
  const all = Array.from({ length: list.length }, (_, i) => i);
  const seen = new Map<number, Seen | null>(all.map((i) => [i, null]));
  if (options.onBroken === "error") {
    if (options.size && options.channels !== "auto") return seen;
    await inLanes(all.length, AT_ONCE, async (i) =>
      seen.set(i, { ...(await codec.info(await list.read(i), list.whereOf(i))), exact: false }),
    );
    return seen;
  }
  const broken = new Map<number, string>();
  await inLanes(all.length, AT_ONCE, async (i) => {
    try {
      seen.set(i, exactly(await codec.decode(await list.read(i), list.whereOf(i))));
    } catch (error) {
      if (!(error instanceof PixelcnnError && (error.kind === "data" || error.kind === "io"))) throw error;
      seen.delete(i);
      broken.set(i, error.message);
    }
  });
  if (broken.size > 0) {
    const texts = [...broken].sort(([a], [b]) => a - b).map(([, text]) => `\n  ${text}`);
    options.onWarning?.(
      `skipped ${broken.size} of ${list.length} images of ${list.name} that cannot be read:${texts.join("")}`,
    );
  }
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

async function channelsOfAll(list: ImageList, codec: ImageCodec, seen: Map<number, Seen | null>): Promise<1 | 3 | 4> {
  // A header without colour and alpha is taken at its word; one with them may still hold grey, opaque pixels.
  const claims = [...seen].filter(([, info]) => !info!.exact && (info!.colour || info!.alpha)).map(([i]) => i);
  const step = Math.max(1, claims.length / INSPECTED);
  const inspected = Array.from({ length: Math.min(claims.length, INSPECTED) }, (_, k) => claims[Math.floor(k * step)]!);
  const found = [...seen.values()].filter((info) => info!.exact) as Seen[];
  await inLanes(inspected.length, AT_ONCE, async (item) => {
    const i = inspected[item]!;
    if (found.some((info) => info.alpha)) return;
    found.push(exactly(await codec.decode(await list.read(i), list.whereOf(i))));
  });
  if (found.some((info) => info.alpha)) return 4;
  return found.some((info) => info.colour) ? 3 : 1;
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
