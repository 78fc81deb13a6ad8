/**
 * The images behind one word of a command line: a file, a folder, or a data set. Channels are fitted without loss or
 * refused; levels as level-table.ts says.
 */

import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { evenTable, fitLevels } from "../codec/level-table.ts";
import { isBroken } from "../data/broken.ts";
import { hasMetadata, readCaptions } from "../data/captions.ts";
import type { Batch, Dataset } from "../data/dataset.ts";
import { imageCodec } from "../data/decode.ts";
import { failEmpty } from "../data/folder.ts";
import { formatAt } from "../data/format.ts";
import { layoutOf } from "../data/layout.ts";
import { isImageFile, PASSED_WORDS, passedOver } from "../data/listing.ts";
import { lossTeller } from "../data/losses.ts";
import { namedSets } from "../data/named.ts";
import { openData } from "../data/open.ts";
import { lostWith, type Picture, toChannels } from "../data/picture.ts";
import { checkSplit, failNoImages, indicesOf, readSelection, type Selection } from "../data/selection.ts";
import { fail, type PixelcnnError } from "../errors.ts";
import type { RunConfig } from "../train/config.ts";
import type { LeftOut, SourceImage, SourceRules } from "./source-image.ts";

/** An image, or why it is none. */
export type Item = { readonly image: SourceImage } | { readonly error: PixelcnnError };

export interface Part {
  readonly length: number;
  readonly classes: readonly string[] | null;
  /** What lies there and is no image, or cannot be read. */
  readonly leftOut: readonly LeftOut[];
  /** How many of these are images. */
  readonly skipped: number;
  /** Each time anew, from the first. */
  items(): AsyncGenerator<Item>;
  close?(): Promise<void>;
}

/** Images of a data set that are read at a time. */
const AT_ONCE = 256;

export async function openPart(word: string, config: RunConfig, rules: SourceRules, several: boolean): Promise<Part> {
  const selection = readSelection(word);
  if (selection) return dataPart(selection, word, config, rules);
  const whole = (): Promise<Part> =>
    dataPart({ source: word, split: checkSplit(rules.split), numbers: undefined }, word, config, rules);
  if (namedSets.includes(word)) return whole();
  const found = (await stat(word).catch(() => null)) ?? failNoImages(word);
  if (!found.isDirectory() && (await isImageFile(word)))
    return filesPart([{ name: basename(word), file: word }], [], config, rules);
  if (!found.isDirectory()) return whole();
  const { format, listing } = await formatAt(word, { onBroken: rules.onBroken, format: formatOf(word, config) });
  if (format !== "images") return whole();
  const { files } = listing!;
  if (files.length === 0) failEmpty(word, listing!);
  const { classOf: folderOf } = layoutOf(word, listing!);
  // Captions may be many files: they are read where a condition is made of them, or one table holds classes too.
  const said = rules.conditionedOn === "captions" || hasMetadata(listing!);
  const { captions, labels } = said
    ? await readCaptions(word, listing!, rules.tell.warn)
    : { captions: null, labels: null };
  const classOf = (file: string): string | null => labels?.get(file) ?? folderOf(file);
  const none = files.every((file) => classOf(file) === null);
  const inFolder = files.map((file) => ({
    name: several ? `${basename(word)}/${file}` : file,
    file: join(word, file),
    className: none ? undefined : classOf(file),
    caption: captions === null ? undefined : (captions.get(file)?.[0] ?? null),
  }));
  const leftOut = passedOver(listing!).map(({ name, why, reason }) => {
    return { name, reason: reason ?? PASSED_WORDS[why].one };
  });
  return filesPart(inFolder, leftOut, config, rules);
}

/** How the model's own data are read, where the word names them. */
const formatOf = (word: string, { data }: RunConfig): RunConfig["data"]["format"] =>
  data.source === word ? data.format : "auto";

type NamedFile = Pick<SourceImage, "name" | "file" | "className" | "caption">;

function filesPart(
  files: readonly NamedFile[],
  leftOut: readonly LeftOut[],
  config: RunConfig,
  { strict, tell }: SourceRules,
): Part {
  const onLossOf = lossTeller({ strict, onWarning: tell.warn });
  return {
    length: files.length,
    classes: null,
    leftOut,
    skipped: 0,
    async *items() {
      for (const one of files) {
        const { file } = one;
        yield await itemOf(async () => {
          // A profile would move the values to other colours.
          const picture = await imageCodec.decode(file, file, {
            exact: strict,
            white: config.data.white,
            onLoss: onLossOf(file),
          });
          const { size } = await stat(file);
          return { ...one, bytes: size, label: undefined, ...levelsOf(picture, file, config) };
        });
      }
    },
  };
}

async function itemOf(read: () => Promise<SourceImage>): Promise<Item> {
  try {
    return { image: await read() };
  } catch (error) {
    if (!isBroken(error)) throw error;
    return { error };
  }
}

/** A data set at its own size. Its levels are made as the model's own were, unless the rules say otherwise. */
async function dataPart(
  { source, split, numbers }: Selection,
  word: string,
  config: RunConfig,
  { seed, ownLevels, limit, conditionedOn, strict, onBroken = "error", tell }: SourceRules,
): Promise<Part> {
  const {
    source: own,
    limit: __,
    height: ___,
    width: ____,
    fit: _____,
    vectors,
    levels,
    binarise,
    ...others
  } = config.data;
  let skipped: readonly string[] = [];
  const data = await openData(source, {
    ...others,
    ...(ownLevels ? {} : { binarise, levels }),
    format: source === own ? others.format : "auto",
    vectors: conditionedOn === "vectors" ? vectors : undefined,
    channels: "auto",
    split,
    onBroken,
    binariseSeed: seed ?? others.binariseSeed,
    strict,
    thorough: true,
    onSkipped: (reasons) => {
      skipped = reasons;
    },
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
  const itemsOf = (chosen: readonly number[], { pixels, ...batch }: Batch): Promise<Item>[] => {
    const size = pixels.length / chosen.length;
    return chosen.map((index, i) =>
      itemOf(async () => {
        const name = data.nameOf(index);
        const levels = fromData(data, pixels.subarray(i * size, (i + 1) * size), name, config);
        return { name, file: name, ...describedBy(data, index, { pixels, ...batch }, i), ...levels };
      }),
    );
  };
  return {
    length,
    classes: data.classes,
    leftOut: skipped.map((name) => ({ name, reason: "" })),
    skipped: skipped.length,
    async *items() {
      const most = Math.max(1, Math.min(AT_ONCE, limit ?? AT_ONCE));
      for (let first = 0; first < length; first += most) {
        const chosen = Array.from(
          { length: Math.min(most, length - first) },
          (_, i) => indices?.[first + i] ?? first + i,
        );
        for (const item of itemsOf(chosen, await data.batch(chosen, { epoch: 0 }))) yield await item;
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
