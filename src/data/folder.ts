/**
 * A folder of images. Subfolders are classes (the first one counts, deeper ones only group); `train/` and `test/` at
 * the top are splits. Files are ordered by path, by code units, the same on every machine. Hidden files are passed
 * over. Captions: captions.ts. The only file here that loads sharp, and only when an image is decoded. PGM and PPM are
 * read by netpbm.ts.
 */

import { readdir, realpath, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { fail, PixelcnnError } from "../errors.ts";
import { reasonOf } from "../words.ts";
import { readCaptions } from "./captions.ts";
import { asSplit, type Dataset, subset } from "./dataset.ts";
import {
  type CachedDataset,
  encodedImages,
  type ImageCodec,
  type ImageInfo,
  type ImageOptions,
} from "./encoded-images.ts";
import { failToRead, readRegular, readStart } from "./files.ts";
import { decodeNetpbm, isNetpbm } from "./netpbm.ts";
import type { Picture } from "./picture.ts";
import type { Source } from "./source.ts";

const READ = new Set([".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".avif", ".pgm", ".ppm"]);
/** Images all the same, so that leaving them out deserves a word. */
const NOT_READ = new Set([
  ".bmp",
  ".heic",
  ".heif",
  ".jp2",
  ".jxl",
  ".svg",
  ".psd",
  ".exr",
  ".hdr",
  ".pbm",
  ".pnm",
  ".ico",
]);

export function isImageName(name: string): boolean {
  return READ.has(extname(name).toLowerCase());
}

/** The folder as one pile or, with `train/` and `test/`, as splits that share size, channels and classes. */
export async function folderSource(path: string, options: ImageOptions): Promise<Source> {
  const { files, others } = await listImages(path);
  const tops = new Set(files.map((file) => file.split("/", 1)[0]!));
  const divided = ["train", "test"].every((split) => files.some((file) => file.startsWith(`${split}/`)));
  const images = divided ? files.filter((file) => /^(train|test)\//.test(file)) : files;
  if (images.length < files.length) {
    const beside = [...tops].filter((top) => top !== "train" && top !== "test");
    options.onWarning?.(
      `${files.length - images.length} images of ${path} beside train and test are left out: ` +
        `${beside.slice(0, 8).join(", ")}`,
    );
  }
  const unread = others.filter((file) => NOT_READ.has(extname(file).toLowerCase()));
  const formats = `the formats read are ${[...READ].map((e) => e.slice(1)).join(", ")}`;
  if (unread.length > 0)
    options.onWarning?.(`${unread.length} images of ${path} are left out, ${unread[0]} for one: ${formats}`);
  if (images.length === 0) {
    const found = others.length === 0 ? "an empty folder" : `${others.length} other files, ${others[0]} for one`;
    fail("data", `expected images in ${path} but received ${found}; ${formats}`);
  }
  let opened: Promise<CachedDataset> | undefined;
  const openOnce = (): Promise<CachedDataset> => {
    opened ??= readCaptions(path, files, others).then((captions) =>
      openFolder(path, images, divided, captions, options),
    );
    return opened;
  };
  if (!divided) return { kind: "whole", open: openOnce };
  const part = async (split: string): Promise<Dataset> => {
    const whole = await openOnce();
    const indices = [...whole.kept.keys()].filter((i) => images[whole.kept[i]!]!.startsWith(`${split}/`));
    return asSplit(subset(whole, indices), split);
  };
  return { kind: "divided", train: () => part("train"), test: () => part("test") };
}

function openFolder(
  path: string,
  images: readonly string[],
  divided: boolean,
  captions: ReadonlyMap<string, readonly string[]> | null,
  options: ImageOptions,
): Promise<CachedDataset> {
  const classOf = (file: string): string | null => file.split("/").slice(divided ? 1 : 0, -1)[0] ?? null;
  const names = [...new Set(images.map(classOf))].filter((name) => name !== null).sort();
  const labels = images.map((file) => names.indexOf(classOf(file) ?? ""));
  return encodedImages(
    {
      name: path,
      length: images.length,
      classes: names.length > 0 ? names : null,
      nameOf: (index) => images[index]!,
      whereOf: (index) => join(path, images[index]!),
      labelOf: (index) => labels[index]!,
      ...(captions && { captionsOf: (index: number) => captions.get(images[index]!) ?? [] }),
      read: async (index) => join(path, images[index]!),
    },
    imageCodec,
    options,
  );
}

/** Every file below `root`, as paths with "/", sorted by code units: images by their extension, and others. */
export async function listImages(root: string): Promise<{ files: string[]; others: string[] }> {
  const files: string[] = [];
  const others: string[] = [];
  const walk = async (folder: string, prefix: string, above: ReadonlyMap<string, string>): Promise<void> => {
    const real = await realpath(folder).catch((error) => failToRead(folder, error));
    const earlier = above.get(real);
    if (earlier !== undefined)
      fail("data", `expected folders without a loop but received ${folder}, a link back to ${earlier}`);
    const entries = await readdir(folder, { withFileTypes: true }).catch((error) => failToRead(folder, error));
    for (const entry of entries) {
      if (entry.name.startsWith(".") || entry.name === "__MACOSX") continue;
      const inside = join(folder, entry.name);
      let folderInside = entry.isDirectory();
      if (entry.isSymbolicLink()) {
        try {
          folderInside = (await stat(inside)).isDirectory();
        } catch (error) {
          // A dangling link with an image's name is an image that cannot be read; without one it may lead anywhere.
          if ((error as NodeJS.ErrnoException).code === "ELOOP")
            fail("data", `expected links without a loop but received ${inside}`);
        }
      }
      if (folderInside) await walk(inside, `${prefix}${entry.name}/`, new Map([...above, [real, folder]]));
      else (isImageName(entry.name) ? files : others).push(prefix + entry.name);
    }
  };
  await walk(root, "", new Map());
  return { files: files.sort(), others: others.sort() };
}

type Sharp = typeof import("sharp").default;
let sharpLoaded: Promise<Sharp> | undefined;
async function loadSharp(): Promise<Sharp> {
  sharpLoaded ??= import("sharp").then((module) => module.default);
  try {
    return await sharpLoaded;
  } catch (error) {
    return fail("io", `expected the package sharp, which decodes images, but received ${reasonOf(error)}`, error);
  }
}

/** Runs a decoding; what sharp says becomes a "data" error that names the image. */
async function decoding<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PixelcnnError) throw error;
    return fail(
      "data",
      `expected an image that can be decoded for ${where} but received: ${reasonOf(error).trim()}`,
      error,
    );
  }
}

async function bytesOf(image: Uint8Array | string, where: string): Promise<Uint8Array> {
  const bytes = typeof image === "string" ? await readRegular(image) : image;
  return bytes.length > 0 ? bytes : fail("data", `expected an image for ${where} but received an empty file`);
}

const HEAD = 2 ** 18;

/** The first bytes of a file, so that looking at the headers of many large photographs does not read them whole. */
async function infoOf(bytes: Uint8Array, where: string): Promise<ImageInfo> {
  if (isNetpbm(bytes)) {
    const { height, width, channels } = decodeNetpbm(bytes, where);
    return { height, width, colour: channels > 1, alpha: false };
  }
  const sharp = await loadSharp();
  return decoding(where, async () => {
    const { autoOrient, space, hasAlpha } = await sharp(bytes).metadata();
    return { ...autoOrient, colour: space !== "b-w" && space !== "grey16", alpha: hasAlpha };
  });
}

/**
 * Decodes with sharp: palettes, CMYK, 16 bits and grey become 8-bit sRGB, an animation its first frame, EXIF
 * orientation upright.
 */
export const imageCodec: ImageCodec = {
  async info(image, where) {
    const head = typeof image === "string" ? await readStart(image, HEAD) : image;
    if (head.length < HEAD || typeof image !== "string") return infoOf(await bytesOf(head, where), where);
    // A header that does not fit into the head (TIFF's is at the end) is read from the whole file.
    return infoOf(head, where).catch(async () => infoOf(await bytesOf(image, where), where));
  },

  async decode(image, where, target) {
    const bytes = await bytesOf(image, where);
    const plain = isNetpbm(bytes) ? decodeNetpbm(bytes, where) : null;
    if (plain && (!target || (plain.height === target.height && plain.width === target.width))) return plain;
    const sharp = await loadSharp();
    return decoding(where, async (): Promise<Picture> => {
      const pipeline = plain
        ? sharp(plain.pixels, { raw: { width: plain.width, height: plain.height, channels: plain.channels } })
        : sharp(bytes, { failOn: "error" }).autoOrient();
      if (target) {
        const now = plain ?? (await sharp(bytes).metadata()).autoOrient;
        const fit = { resize: "fill", crop: "cover", contain: "inside" } as const;
        if (now.height !== target.height || now.width !== target.width) {
          pipeline.resize(target.width, target.height, { fit: fit[target.fit] });
        }
      }
      const { data, info } = await pipeline.toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
      if (info.channels !== 3 && info.channels !== 4)
        fail("internal", `expected 3 or 4 channels of ${where} but received ${info.channels}`);
      return { height: info.height, width: info.width, channels: info.channels, pixels: data };
    });
  },
};
