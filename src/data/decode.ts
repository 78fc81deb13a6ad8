/**
 * The one decoder of image files, for training, scoring and compression alike. What 8 bits, one frame, and grey or RGB
 * values do not hold of a file is told to the caller, who refuses it or warns of it; what has no agreed meaning as
 * levels (floating point, negative values, more than four channels) is refused here. The only file that loads sharp for
 * data, and only when an image is decoded. PGM and PPM are read by netpbm.ts.
 */

import type { Metadata, Sharp } from "sharp";
import { fail, PixelcnnError } from "../errors.ts";
import { foundIn, imageKind } from "../found.ts";
import { reasonOf } from "../words.ts";
import type { Decoding, EncodedImage, ImageCodec, ImageInfo } from "./encoded-images.ts";
import { readRegular, readStart } from "./files.ts";
import { checkGif, isAnimatedPng } from "./frames.ts";
import type { OnLoss } from "./losses.ts";
import { decodeNetpbm } from "./netpbm.ts";
import type { Picture } from "./picture.ts";

type SharpModule = typeof import("sharp").default;
let sharpLoaded: Promise<SharpModule> | undefined;
async function loadSharp(): Promise<SharpModule> {
  sharpLoaded ??= import("sharp").then((module) => module.default);
  try {
    return await sharpLoaded;
  } catch (error) {
    return fail(
      "io",
      "expected the package sharp, which decodes images, but it cannot be loaded on this system " +
        `(${process.platform}-${process.arch}): npm install --include=optional sharp`,
      error,
    );
  }
}

/** Runs a decoding; what sharp says becomes a "data" error that names the image. */
async function decoding<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PixelcnnError) throw error;
    const reason = reasonOf(error).trim().split("\n")[0]!;
    return fail("data", `expected an image that can be decoded for ${where} but received: ${reason}`, error);
  }
}

async function bytesOf(image: EncodedImage, where: string): Promise<Uint8Array> {
  const bytes = typeof image === "string" ? await readRegular(image) : image;
  if (bytes.length === 0) fail("data", `expected an image for ${where} but received an empty file`);
  if (imageKind(bytes) === null)
    fail("data", `expected an image that can be decoded for ${where} but received ${foundIn(bytes)}`);
  return bytes;
}

/** Enough for the header of nearly every PNG. */
const SMALL_HEAD = 4096;
const HEAD = 2 ** 18;

/** What a PNG's chunks say; null where they are not all there, or hold an orientation, which sharp reads. */
function pngInfo(bytes: Uint8Array): ImageInfo | null {
  if (imageKind(bytes) !== "png" || bytes.length < 33) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height, colour] = [view.getUint32(16), view.getUint32(20), bytes[25]!];
  let alpha = colour === 4 || colour === 6;
  for (let at = 8; at + 8 <= bytes.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === "tRNS") alpha = true;
    // An orientation is in one of these.
    if (type === "eXIf" || type === "zTXt" || type === "iTXt" || type === "tEXt") return null;
    if (type === "IDAT")
      return height > 0 && width > 0 ? { height, width, colour: colour !== 0 && colour !== 4, alpha } : null;
  }
  return null;
}

/** The first bytes of a file, so that looking at the headers of many large photographs does not read them whole. */
async function infoOf(bytes: Uint8Array, where: string): Promise<ImageInfo> {
  if (imageKind(bytes) === "netpbm") {
    const { height, width, channels } = decodeNetpbm(bytes, where);
    return { height, width, colour: channels > 1, alpha: false };
  }
  const sharp = await loadSharp();
  return decoding(where, async () => {
    const { autoOrient, space, hasAlpha } = await sharp(bytes).metadata();
    return { ...autoOrient, colour: space !== "b-w" && space !== "grey16", alpha: hasAlpha };
  });
}

const refuse = (where: string, expected: string, found: string): never =>
  fail("data", `expected ${expected} for ${where} but received ${found}: convert it to 8 bits a channel first`);

/** What a file's header says about its values, checked and told. */
async function examine(
  sharp: SharpModule,
  bytes: Uint8Array,
  where: string,
  onLoss: OnLoss | undefined,
): Promise<Metadata> {
  const header = await sharp(bytes).metadata();
  const { depth, channels, pages = 1, space, hasProfile } = header;
  if (depth !== "uchar" && depth !== "ushort")
    refuse(where, "whole numbers of 8 or 16 bits", `values of the kind ${depth}`);
  if (channels > 4 && space !== "cmyk") refuse(where, "1 to 4 channels", `${channels} channels`);
  const kind = imageKind(bytes);
  if (kind === "gif") checkGif(bytes, where);
  if (kind === "tiff" && pages > 1) {
    const sizes = await Promise.all(
      Array.from({ length: pages }, async (_, page) => {
        const { width, height } = await sharp(bytes, { page }).metadata();
        return `${height}x${width}`;
      }),
    );
    if (new Set(sizes).size > 1)
      refuse(where, "one page, or pages of one size", `${pages} pages of ${sizes.slice(0, 4).join(", ")}`);
  }
  if (pages > 1) onLoss?.("frames", `${pages} ${kind === "tiff" ? "pages" : "frames"}`);
  else if (kind === "png" && isAnimatedPng(bytes)) onLoss?.("frames", "several frames (APNG)");
  if (depth === "ushort") onLoss?.("depth", "16 bits a channel");
  if (space !== undefined && !["srgb", "rgb", "b-w", "rgb16", "grey16"].includes(space))
    onLoss?.("colours", `colours of the kind ${space}`);
  if (hasProfile) onLoss?.("profile", "a colour profile");
  return header;
}

/** libjpeg skips such bytes without harm, and cameras write them. */
const HARMLESS = /^(VipsJpeg: Corrupt JPEG data: \d+ extraneous bytes before marker 0x[0-9a-f]+\s*)+$/;

/** What `read` gives of an image that is whole; damage is an error, even where a decoder could go on past it. */
async function wholly<T>(
  sharp: SharpModule,
  bytes: Uint8Array,
  ignoreIcc: boolean,
  read: (image: Sharp) => Promise<T>,
): Promise<T> {
  try {
    return await read(sharp(bytes, { failOn: "warning", ignoreIcc }));
  } catch (error) {
    if (!HARMLESS.test(`${reasonOf(error)}\n`)) throw error;
    return read(sharp(bytes, { failOn: "error", ignoreIcc }));
  }
}

/** Data of 12 bits lie below this in files of 16. */
const DARK = 4096;

/** Values of 16 bits as 8: the upper half or, where `white` is given, so that it becomes 255; never so for alpha. */
function toBytes(values: Uint16Array, channels: number, white: number | undefined, where: string): Uint8Array {
  const most = values.reduce((a, v, i) => (channels === 4 && i % 4 === 3 ? a : Math.max(a, v)), 0);
  if (white === undefined && most > 255 && most < DARK)
    fail(
      "data",
      `expected values up to 65535 for ${where}, which has 16 bits a channel, but its largest is ${most}, so that it ` +
        "would be almost black: say which value is white (data.white=4095 for 12 bits), or convert it to 8 bits first",
    );
  if (white !== undefined && most > white)
    fail("data", `expected values up to ${white} for ${where}, as data.white says, but received ${most}`);
  return Uint8Array.from(values, (v, i) =>
    white === undefined || (channels === 4 && i % 4 === 3) ? v >> 8 : Math.round((v * 255) / white),
  );
}

async function decodeWhole(
  sharp: SharpModule,
  bytes: Uint8Array,
  where: string,
  { white, exact = false }: Decoding,
  header: Metadata,
): Promise<Picture> {
  const deep = header.depth === "ushort";
  const { data, info } = await wholly(sharp, bytes, exact, (image) =>
    image
      .autoOrient()
      .toColourspace(deep ? "rgb16" : "srgb")
      .raw(deep ? { depth: "ushort" } : {})
      .toBuffer({ resolveWithObject: true }),
  );
  const { height, width, channels } = info;
  if (channels !== 3 && channels !== 4) return refuse(where, "1 to 4 channels", `${channels} channels`);
  if (!deep) return { height, width, channels, pixels: data };
  const values = new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
  return { height, width, channels, pixels: toBytes(values, channels, white, where) };
}

const FITS = { resize: "fill", crop: "cover", contain: "inside" } as const;

/**
 * Palettes, CMYK and grey become 8-bit sRGB, an animation its first frame, EXIF orientation upright; of 16 bits the
 * upper 8 are kept, or `white` says what becomes 255.
 */
export const imageCodec: ImageCodec = {
  async info(image, where) {
    const quick = pngInfo(typeof image === "string" ? await readStart(image, SMALL_HEAD) : image);
    if (quick) return quick;
    const head = typeof image === "string" ? await readStart(image, HEAD) : image;
    if (head.length < HEAD || typeof image !== "string") return infoOf(await bytesOf(head, where), where);
    // A header that does not fit into the head (TIFF's is at the end) is read from the whole file.
    return infoOf(head, where).catch(async () => infoOf(await bytesOf(image, where), where));
  },

  async decode(image, where, how = {}) {
    const bytes = await bytesOf(image, where);
    const { target } = how;
    const isTarget = ({ height, width }: { height: number; width: number }): boolean =>
      !target || (height === target.height && width === target.width);
    const plain = imageKind(bytes) === "netpbm" ? decodeNetpbm(bytes, where, how.onLoss) : null;
    if (plain && isTarget(plain)) return plain;
    const sharp = await loadSharp();
    return decoding(where, async (): Promise<Picture> => {
      const header = plain ? null : await examine(sharp, bytes, where, how.onLoss);
      // Of 8 bits, decoding and fitting are one pipeline: a large JPEG is then decoded no larger than needed.
      if (header && header.depth === "uchar" && !isTarget(header.autoOrient)) {
        const { data, info } = await wholly(sharp, bytes, how.exact === true, (whole) =>
          fitted(whole.autoOrient(), target!).toColourspace("srgb").raw().toBuffer({ resolveWithObject: true }),
        );
        return pictureOf(data, info, where);
      }
      const picture = plain ?? (await decodeWhole(sharp, bytes, where, how, header!));
      if (isTarget(picture)) return picture;
      const { height, width, channels } = picture;
      const { data, info } = await fitted(sharp(picture.pixels, { raw: { height, width, channels } }), target!)
        .toColourspace("srgb")
        .raw()
        .toBuffer({ resolveWithObject: true });
      return pictureOf(data, info, where);
    });
  },
};

const fitted = (image: Sharp, { width, height, fit }: NonNullable<Decoding["target"]>): Sharp =>
  image.resize(width, height, { fit: FITS[fit] });

function pictureOf(
  pixels: Uint8Array,
  { height, width, channels }: { height: number; width: number; channels: number },
  where: string,
): Picture {
  if (channels !== 3 && channels !== 4) return refuse(where, "1 to 4 channels", `${channels} channels`);
  return { height, width, channels, pixels };
}
