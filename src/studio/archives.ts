/** Archives of images that were dropped on the page: the same files that `pixelcnn compress` writes and reads. */

import { type CodecImage, encodeImages, imagesDone } from "../codec/codec.ts";
import { decompress, describeArchive, withNotes } from "../codec/compress.ts";
import { enginePredictor } from "../codec/engine-predictor.ts";
import { archiveModel } from "../codec/inner-model.ts";
import { fitLevels, type LevelTable } from "../codec/level-table.ts";
import { checkGif, isAnimatedGif, isAnimatedPng, isAnimatedWebp, jpegComponents } from "../data/frames.ts";
import { lostWith, type Picture, toChannels } from "../data/picture.ts";
import { fail, PixelcnnError } from "../errors.ts";
import { imageKind, knownIn } from "../found.ts";
import { decodePng, encodePng } from "../pictures/png.ts";
import type { OpenedPixelcnn } from "../runs/open-model.ts";

/** A file that was dropped, with its path inside a folder. */
export interface Dropped {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface LeftOut {
  readonly name: string;
  readonly reason: string;
}

export interface Packed {
  /** Null where no image could be coded. */
  readonly archive: Uint8Array<ArrayBuffer> | null;
  readonly images: readonly {
    readonly name: string;
    readonly height: number;
    readonly width: number;
    /** Bytes of the file that was dropped. */
    readonly bytes: number;
  }[];
  readonly leftOut: readonly LeftOut[];
  /** Images whose values were taken to the nearest levels. */
  readonly rounded: number;
}

/** What was packed, and its pictures as they were before any value was changed. */
export interface Pack {
  readonly packed: Packed;
  readonly pictures: readonly Picture[];
}

export interface Unpacked {
  readonly name: string;
  readonly className: string | undefined;
  readonly height: number;
  readonly width: number;
  readonly png: Uint8Array<ArrayBuffer>;
}

interface Work {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

export async function packFiles(
  model: OpenedPixelcnn,
  files: readonly Dropped[],
  { lossy, signal, onProgress }: Work & { readonly lossy: boolean },
): Promise<Pack> {
  const { levels } = model.config;
  const pictures: Picture[] = [];
  const coded: CodecImage[] = [];
  const tables: LevelTable[] = [];
  const images: Packed["images"][number][] = [];
  const leftOut: LeftOut[] = [];
  let rounded = 0;
  for (const { name, bytes } of files) {
    try {
      const picture = fitChannels(await decodeFile(bytes, name), model.config.channels);
      const fitted = fitLevels(picture.pixels, levels);
      if (!fitted.exact && !lossy)
        fail("data", `it has more than the ${levels} values that this model codes; "nearest values" would change it`);
      if (!fitted.exact) rounded++;
      const { height, width } = picture;
      coded.push({ name, height, width, pixels: fitted.pixels, label: undefined, condition: undefined });
      tables.push(fitted.table);
      pictures.push(picture);
      images.push({ name, height, width, bytes: bytes.length });
    } catch (error) {
      if (!(error instanceof PixelcnnError)) throw error;
      leftOut.push({ name, reason: error.message });
    }
  }
  if (coded.length === 0) return { packed: { archive: null, images, leftOut, rounded }, pictures };
  const predictor = await enginePredictor(model);
  try {
    const about = { model: model.name, classes: null, levels, tables, lossy: rounded > 0 };
    const { images: noted, notes } = withNotes(coded, about);
    const progress = imagesDone(({ done, total }) => onProgress(done, total));
    const archive = await encodeImages(predictor, noted, { notes, signal, onProgress: progress });
    return { packed: { archive, images, leftOut, rounded }, pictures };
  } finally {
    await predictor.close();
  }
}

export async function unpackFile(
  model: OpenedPixelcnn,
  bytes: Uint8Array,
  { signal, onProgress }: Work,
): Promise<{ images: Unpacked[]; model: string | undefined }> {
  const about = describeArchive(bytes);
  const restored = await decompress((await archiveModel(bytes)) ?? model, bytes, {
    signal,
    onProgress: ({ done, total }) => onProgress(done, total),
  });
  const images = restored.map(({ name, className, height, width, channels, values }) => {
    if (channels !== 1 && channels !== 3 && channels !== 4)
      return fail("usage", `expected a model of 1, 3 or 4 channels for pictures but received ${channels}`);
    const png = new Uint8Array(encodePng({ height, width, channels, pixels: values }));
    return { name, className, height, width, png };
  });
  return { images, model: about.model };
}

const isPng = (bytes: Uint8Array): boolean => [0x89, 0x50, 0x4e, 0x47].every((byte, i) => bytes[i] === byte);

/** What the command line refuses to compress too, since one picture of 8 bits a channel is not the file; else null. */
function lossOf(bytes: Uint8Array, name: string): string | null {
  const kind = imageKind(bytes);
  if (kind === "png") return isAnimatedPng(bytes) ? "several frames" : null;
  if (kind === "gif") {
    checkGif(bytes, name);
    return isAnimatedGif(bytes) ? "several frames" : null;
  }
  if (kind === "webp") return isAnimatedWebp(bytes) ? "several frames" : null;
  return kind === "jpeg" && jpegComponents(bytes) === 4 ? "colours of the kind CMYK" : null;
}

/** PNG exactly; other formats as the browser decodes them. */
export async function decodeFile(bytes: Uint8Array, name: string): Promise<Picture> {
  if (bytes.length === 0) fail("data", "it is empty");
  const loss = lossOf(bytes, name);
  if (loss) fail("data", `it has ${loss}, which an archive of images does not keep`);
  if (isPng(bytes)) {
    try {
      return decodePng(bytes, name);
    } catch (error) {
      // fast-png keeps palettes and 16 bits; the browser makes 8-bit colours of a palette, exactly.
      if (bytes[24] !== 8 && bytes[25] !== 3)
        fail("data", `it has ${bytes[24]} bits a channel; only 8 are kept without loss`, error);
    }
  }
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)]), {
    premultiplyAlpha: "none",
    colorSpaceConversion: "none",
  }).catch((error: Error) => {
    const what = knownIn(bytes);
    if (what === null) return fail("data", "it is no image that this browser can read", error);
    return fail("data", `it is ${what}${/which|:/.test(what) ? "" : ", which this browser cannot read"}`, error);
  });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true })!;
  context.drawImage(bitmap, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  return { height, width, channels: 4, pixels: new Uint8Array(data) };
}

/** The picture in the model's channels, or a refusal where something would be lost. */
function fitChannels(picture: Picture, channels: number): Picture {
  if (channels !== 1 && channels !== 3 && channels !== 4)
    return fail("usage", `expected a model of 1, 3 or 4 channels for pictures but received ${channels}`);
  const lost = lostWith(picture, channels);
  if (lost === "transparency") fail("data", "it is transparent in places, and this model has no alpha");
  if (lost === "colour") fail("data", "it has colours, and this model codes grey");
  return toChannels(picture, channels);
}
