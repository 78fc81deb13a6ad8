/**
 * The arguments `<image|folder|data>...` of commands that take images of any size: files, folders (each image at its
 * own size), named sets and other data, or some of them (`mnist:test:0-99`). Channels are fitted without loss or
 * refused; levels as level-table.ts says.
 */

import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import sharp from "sharp";
import { evenTable, fitLevels, type LevelTable } from "../codec/level-table.ts";
import { readCaptions } from "../data/captions.ts";
import type { Batch, Dataset } from "../data/dataset.ts";
import { imageCodec, isImageName, listImages } from "../data/folder.ts";
import { namedSets } from "../data/named.ts";
import { isNetpbm } from "../data/netpbm.ts";
import { formatAt, openData } from "../data/open.ts";
import { lostWith, type Picture, toChannels } from "../data/picture.ts";
import { checkSplit, failNoImages, indicesOf, readSelection, type Selection } from "../data/selection.ts";
import { fail, PixelcnnError } from "../errors.ts";
import type { ConditionSource, RunConfig } from "../train/config.ts";

export interface SourceImage {
  /** As an archive keeps it: a file's own name, a path inside its folder, or as the data set says. */
  readonly name: string;
  /** Where it is: a path, or as the data set says. */
  readonly file: string;
  readonly label: number | undefined;
  readonly height: number;
  readonly width: number;
  /** [H, W, C], levels of the model. */
  readonly pixels: Uint8Array;
  readonly table: LevelTable;
  /** Whether the table gives back the source's values. */
  readonly exact: boolean;
  /**
   * Its class, by name: the label's, or the subfolder that it lies in; null without one among images with classes,
   * undefined where there are none.
   */
  readonly className?: string | null | undefined;
  /** The first text that describes it; null without one among images with captions, undefined where there are none. */
  readonly caption?: string | null | undefined;
  /** Of data with vectors. */
  readonly vector?: Float32Array | undefined;
}

/** Tells the user something: a note, or a warning. */
export interface Teller {
  readonly note: (text: string) => void;
  readonly warn: (text: string) => void;
}

export interface SourceRules {
  /** Of data that do not name one; default "test". */
  readonly split?: string | undefined;
  /** Names a stochastic binarisation's draw; default the run's. */
  readonly seed?: number | undefined;
  /** At most so many images, the first. */
  readonly limit?: number | undefined;
  /** Leave the data's own levels as they are, even where the model's config binarises them. */
  readonly ownLevels?: boolean | undefined;
  /**
   * What of the images' data a condition is made of: only then captions beside files are read, and vectors that belong
   * to the model's own data.
   */
  readonly conditionedOn?: ConditionSource["from"] | undefined;
  /** Refuse files whose decoding loses something: 16 bits, several pages, CMYK. */
  readonly strict?: boolean | undefined;
  /** Called with what a user should know. */
  readonly tell: Teller;
}

export interface SourceImages {
  readonly length: number;
  readonly classes: readonly string[] | null;
  /** Each image once, in order, read a few at a time. */
  read(): AsyncGenerator<SourceImage>;
  close(): Promise<void>;
}

/** Levels of images of one size, one image after another. */
export function pixelsOf(images: readonly Pick<SourceImage, "pixels">[]): Uint8Array {
  const each = images[0]!.pixels.length;
  const pixels = new Uint8Array(images.length * each);
  for (const [i, image] of images.entries()) pixels.set(image.pixels, i * each);
  return pixels;
}

interface Part {
  readonly length: number;
  readonly classes: readonly string[] | null;
  read(count: number): AsyncGenerator<SourceImage>;
  close?(): Promise<void>;
}

/** Images of a data set that are read at a time. */
const AT_ONCE = 256;

export async function openSourceImages(
  words: readonly string[],
  config: RunConfig,
  rules: SourceRules,
): Promise<SourceImages> {
  if (words.length === 0)
    fail("usage", "expected an image, a folder or a data set (mnist, mnist:test:0-99) but received none");
  const parts: Part[] = [];
  const close = async (): Promise<void> => void (await Promise.all(parts.map((part) => part.close?.())));
  try {
    for (const word of words) parts.push(await openPart(word, config, rules, words.length > 1));
  } catch (error) {
    await close();
    throw error;
  }
  const all = parts.reduce((sum, part) => sum + part.length, 0);
  const length = Math.min(all, rules.limit ?? all);
  const [first] = parts;
  return {
    length,
    classes: parts.length === 1 ? first!.classes : null,
    async *read() {
      let left = length;
      for (const part of parts) {
        const count = Math.min(left, part.length);
        if (count > 0) yield* part.read(count);
        left -= count;
      }
    },
    close,
  };
}

async function openPart(word: string, config: RunConfig, rules: SourceRules, several: boolean): Promise<Part> {
  const selection = readSelection(word);
  if (selection) return dataPart(selection, word, config, rules);
  const whole = (): Promise<Part> => {
    return dataPart(
      { source: word, split: checkSplit(rules.split ?? "test"), numbers: undefined },
      word,
      config,
      rules,
    );
  };
  if (namedSets.includes(word)) return whole();
  const found = (await stat(word).catch(() => null)) ?? failNoImages(word);
  if (!found.isDirectory() && isImageName(word))
    return filesPart([{ name: basename(word), file: word }], config, rules);
  if (!found.isDirectory() || (await formatAt(word)) !== "images") return whole();
  const { files, others } = await listImages(word);
  if (files.length === 0)
    fail(
      "data",
      `expected images in ${word} but found ${others.length === 0 ? "none" : `only other files, ${others[0]} for one`}`,
    );
  const classOf = classIn(files);
  const captions = rules.conditionedOn === "captions" ? await readCaptions(word, files, others) : null;
  const inFolder = files.map((file) => ({
    name: several ? `${basename(word)}/${file}` : file,
    file: join(word, file),
    className: classOf(file),
    caption: captions === null ? undefined : (captions.get(file)?.[0] ?? null),
  }));
  return filesPart(inFolder, config, rules);
}

/** The subfolder of each file that names its class, as in data/folder.ts. */
function classIn(files: readonly string[]): (file: string) => string | null | undefined {
  const divided = ["train", "test"].every((split) => files.some((file) => file.startsWith(`${split}/`)));
  const classOf = (file: string): string | undefined => file.split("/").slice(divided ? 1 : 0, -1)[0];
  const none = files.every((file) => classOf(file) === undefined);
  return (file) => (none ? undefined : (classOf(file) ?? null));
}

type NamedFile = Pick<SourceImage, "name" | "file" | "className" | "caption">;

function filesPart(files: readonly NamedFile[], config: RunConfig, rules: SourceRules): Part {
  return {
    length: files.length,
    classes: null,
    async *read(count) {
      for (const one of files.slice(0, count)) {
        const { file } = one;
        const picture = rules.strict ? await decodeExactly(file, rules.tell) : await imageCodec.decode(file, file);
        yield { ...one, label: undefined, ...levelsOf(picture, file, config) };
      }
    },
  };
}

/** A data set at its own size. Its levels are made as the model's own were, unless the rules say otherwise. */
async function dataPart(
  { source, split, numbers }: Selection,
  word: string,
  config: RunConfig,
  { seed, ownLevels, limit, conditionedOn, tell }: SourceRules,
): Promise<Part> {
  const {
    source: _,
    limit: __,
    height: ___,
    width: ____,
    fit: _____,
    vectors,
    levels,
    binarise,
    ...others
  } = config.data;
  const data = await openData(source, {
    ...others,
    ...(ownLevels ? {} : { binarise, levels }),
    vectors: conditionedOn === "vectors" ? vectors : undefined,
    channels: "auto",
    split,
    binariseSeed: seed ?? others.binariseSeed,
    onWarning: tell.warn,
  });
  const indices = numbers === undefined ? undefined : indicesOf(numbers, word, data.length);
  const length = indices?.length ?? data.length;
  if (data.levels < 256) {
    const how =
      binarise === "none"
        ? `${data.levels} levels`
        : `two levels, ${binarise === "threshold" ? "1 above 127" : "drawn at random (stochastic)"}`;
    tell.note(`${word}: taken as the model's own data were, with ${how}`);
  }
  return {
    length,
    classes: data.classes,
    async *read(count) {
      const most = Math.max(1, Math.min(AT_ONCE, limit ?? AT_ONCE));
      for (let first = 0; first < count; first += most) {
        const chosen = Array.from(
          { length: Math.min(most, count - first) },
          (_, i) => indices?.[first + i] ?? first + i,
        );
        const batch = await data.batch(chosen, { epoch: 0 });
        const size = batch.pixels.length / chosen.length;
        for (const [i, index] of chosen.entries()) {
          const name = data.nameOf(index);
          const levels = fromData(data, batch.pixels.subarray(i * size, (i + 1) * size), name, config);
          yield { name, file: name, ...describedBy(data, index, batch, i), ...levels };
        }
      }
    },
    close: async () => data.close?.(),
  };
}

type Said = Pick<SourceImage, "label" | "className" | "caption" | "vector">;

/** What the data say about image `index`, which is the `i`-th of a batch. */
function describedBy(data: Dataset, index: number, { size, labels, vectors }: Batch, i: number): Said {
  const label = labels[i]! < 0 ? undefined : labels[i]!;
  const D = (vectors?.length ?? 0) / size;
  return {
    label,
    className: data.classes === null ? undefined : label === undefined ? null : data.classes[label]!,
    caption: data.captionsOf && (data.captionsOf(index)[0] ?? null),
    vector: vectors?.slice(i * D, (i + 1) * D),
  };
}

type Levels = Pick<SourceImage, "height" | "width" | "pixels" | "table" | "exact">;

function fromData(
  { height, width, channels, levels }: Dataset,
  pixels: Uint8Array,
  name: string,
  config: RunConfig,
): Levels {
  const { model } = config;
  if (levels === 256 && (channels === 1 || channels === 3 || channels === 4))
    return levelsOf({ height, width, channels, pixels }, name, config);
  if (channels !== model.channels)
    fail("data", `expected ${model.channels} channels in ${name}, which the model codes, but received ${channels}`);
  if (levels !== model.levels)
    fail("data", `expected ${model.levels} levels in ${name}, which the model codes, but received ${levels}`);
  return { height, width, pixels, table: evenTable(levels), exact: true };
}

function levelsOf(picture: Picture, where: string, { model }: RunConfig): Levels {
  const { height, width } = picture;
  return { height, width, ...fitLevels(fitChannels(picture, model.channels, where), model.levels) };
}

/**
 * The picture's values with the model's channels: grey as three equal ones, opaque alpha left out or put in; nothing is
 * lost.
 */
function fitChannels(picture: Picture, channels: number, where: string): Uint8Array {
  const codes = { 1: "grey", 3: "red, green and blue", 4: "red, green, blue and alpha" }[channels];
  if (channels !== 1 && channels !== 3 && channels !== 4)
    return fail("usage", `expected a model of 1, 3 or 4 channels for image files but it has ${channels}`);
  const lost = lostWith(picture, channels);
  if (lost)
    fail(
      "data",
      `expected an image without ${lost} for ${where}, since the model codes ${codes}, but received one with it`,
    );
  return toChannels(picture, channels).pixels;
}

/** A file's own values: neither rounded to 8 bits, nor moved to other colours, nor the first of many. */
async function decodeExactly(path: string, tell: Pick<Teller, "warn">): Promise<Picture> {
  const bytes = await readFile(path).catch((error) =>
    fail("io", `cannot read ${path}: ${(error as Error).message}`, error),
  );
  const refuse = (found: string): never =>
    fail(
      "data",
      `expected 8 bits a channel, one page, and grey or RGB colours in ${path}, to keep it without loss, but ` +
        `received ${found}`,
    );
  if (isNetpbm(bytes)) {
    const most = /^P[56](?:(?:\s|#[^\n]*\n)+(\d+)){3}\s/.exec(bytes.subarray(0, 4096).toString("latin1"))?.[1];
    if (Number(most) > 255) refuse(`values up to ${most}`);
    return imageCodec.decode(bytes, path);
  }
  try {
    // A profile would move the values to other colours.
    const image = sharp(bytes, { failOn: "error", ignoreIcc: true });
    const { depth, pages = 1, space, hasProfile } = await image.metadata();
    if (depth !== "uchar") refuse(depth === "ushort" ? "16 bits a channel" : `channels of the kind ${depth}`);
    if (pages > 1) refuse(`${pages} pages`);
    if (space !== "srgb" && space !== "b-w" && space !== "rgb") refuse(`colours of the kind ${space}`);
    if (hasProfile) tell.warn(`${path}: the pixels are kept, its colour profile is not`);
    const { data, info } = await image.autoOrient().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
    if (info.channels !== 3 && info.channels !== 4) refuse(`${info.channels} channels`);
    return { height: info.height, width: info.width, channels: info.channels as 3 | 4, pixels: data };
  } catch (error) {
    if (error instanceof PixelcnnError) throw error;
    return fail(
      "data",
      `expected an image that can be decoded for ${path} but received: ${(error as Error).message.trim()}`,
      error,
    );
  }
}
