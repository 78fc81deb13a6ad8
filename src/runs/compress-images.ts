/**
 * Images of any size to an archive, or to files of one image each. What would not come back as it was is refused,
 * unless it is given up.
 */

import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  type CodecImage,
  type CodecOptions,
  type EncodeOptions,
  encodeImages,
  encodeSingle,
  imagesDone,
} from "../codec/codec.ts";
import { withNotes } from "../codec/compress.ts";
import { openPxc, readGroup, readSingleImage } from "../codec/container.ts";
import { conditionsLength } from "../codec/group-conditions.ts";
import type { GroupRecord } from "../codec/group-record.ts";
import { evenTable, type LevelTable } from "../codec/level-table.ts";
import { safeNames } from "../codec/safe-names.ts";
import { fail } from "../errors.ts";
import type { OnProgress } from "../jobs.ts";
import { counted } from "../words.ts";
import { type CodingModel, modelHint } from "./archive-model.ts";
import { sayIfTooFew } from "./model-pays.ts";
import { writeOutput } from "./output.ts";
import { makeFolder } from "./run-folder.ts";
import type { SourceConditions } from "./source-conditions.ts";
import type { SourceImage, Teller } from "./source-image.ts";
import type { SourceImages } from "./source-images.ts";

export interface CompressImagesOptions extends Omit<EncodeOptions, "notes" | "threads" | "onProgress"> {
  /** The archive to write; with `single` and several images, a folder. */
  readonly out: string;
  /** Throws unless a file may be written; with `single`, asked before the work for the file of each image. */
  readonly check?: ((file: string) => void) | undefined;
  readonly conditions: SourceConditions | null;
  /** One file per image. */
  readonly single?: boolean | undefined;
  /** Keep neither names nor labels. */
  readonly bare?: boolean | undefined;
  /** Called after rows: how many images are done. */
  readonly onProgress?: OnProgress | undefined;
  /** Called about levels that are not evenly spaced, or that are lost. */
  readonly tell: Teller;
}

export interface Written {
  readonly bytes: number;
  /** Bytes of the model inside; 0 without one. */
  readonly model: number;
  /** Bytes of the coded images alone. */
  readonly payload: number;
  /** Bytes of their conditions. */
  readonly conditions: number;
}

/** What is said of images that are compressed. */
export interface AboutImages {
  readonly images: number;
  /** Sub-pixels. */
  readonly dims: number;
  /** Bytes of the raw levels, at the fewest whole bits per sub-pixel. */
  readonly raw: number;
  /** Images that lose something. */
  readonly rounded: number;
  /** Images of other values than the even ones, which the notes keep. */
  readonly restored: number;
  /** Images with a condition. */
  readonly told: number;
  /** Bytes of the files that the archive holds; undefined where some are images of a data set. */
  readonly replaced: number | undefined;
}

export interface Compressed extends AboutImages {
  readonly written: Written;
}

/** Images that are ready to be coded. */
export interface ReadyImages {
  readonly about: AboutImages;
  /** As they came, for files of one image each. */
  readonly coded: readonly CodecImage[];
  /** As an archive keeps them, and its notes. */
  readonly images: readonly CodecImage[];
  readonly notes: string;
}

/** Reads, codes and writes the images; the source is closed when all are read, the model left open. */
export async function compressImages(
  model: CodingModel,
  sources: SourceImages,
  given: CompressImagesOptions,
): Promise<Compressed> {
  const { out, check, single, groupSize, pixelBudget, signal, onProgress } = given;
  const { about, coded, images, notes } = await readyImages(model, sources, given);
  if (model.inside) await sayIfTooFew(model, model.inside, { about, images, notes }, given.tell);
  const options = { signal, pixelBudget, threads: model.groups, onProgress: imagesDone(onProgress) };
  const written = single
    ? await writeSingles(model, coded, out, { ...options, check })
    : await writeArchive(model, images, out, { ...options, groupSize, notes, model: model.inside });
  return { ...about, written };
}

/**
 * Reads the images and tells what becomes of their values; the source is closed. `keeps`: of which images the pixels
 * are kept, by their places; default all. Conditions may be made of the pixels of all.
 */
export async function readyImages(
  { predictor: { channels, levels }, name }: CodingModel,
  sources: SourceImages,
  { conditions, bare, tell }: Pick<CompressImagesOptions, "conditions" | "bare" | "tell">,
  keeps?: (index: number) => boolean,
): Promise<ReadyImages> {
  const { coded, tables, rounded, replaced } = await prepare(sources, conditions, keeps).finally(sources.close);
  const even = evenTable(levels);
  const restored = tables.filter((table) => table.some((value, level) => value !== even[level])).length;
  if (restored > 0)
    tell.note(
      `${counted(restored, "image")} of other values than ${firstOf(even)}: the archive's notes keep them, so ` +
        "they come back",
    );
  if (rounded > 0) {
    const how = levels === 2 ? "a threshold at 127" : `the nearest of ${levels} levels`;
    tell.warn(`${counted(rounded, "image")} of more than ${levels} values: NOT lossless, they are taken to ${how}`);
  }
  const noted = { model: modelHint(name), levels, tables, lossy: rounded > 0, classes: sources.classes, bare };
  const bits = Math.ceil(Math.log2(levels));
  const dims = coded.map(({ height, width }) => height * width * channels);
  const about = {
    images: coded.length,
    rounded,
    restored,
    dims: dims.reduce((sum, size) => sum + size, 0),
    raw: dims.reduce((sum, size) => sum + Math.ceil((size * bits) / 8), 0),
    told: coded.filter(({ condition }) => condition !== undefined).length,
    replaced: Number.isNaN(replaced) ? undefined : replaced,
  };
  return { about, coded, ...withNotes(coded, noted) };
}

/** The first values of a table, in words. */
const firstOf = (even: LevelTable): string => `${even.slice(0, 4).join(", ")}${even.length > 4 ? ", ..." : ""}`;

/** Throws for an image that would not come back unchanged, or has no condition where the model needs one. */
export function acceptFor(
  levels: number,
  conditions: SourceConditions | null,
  { lossy, single }: { readonly lossy?: boolean | undefined; readonly single?: boolean | undefined },
): (image: SourceImage) => void {
  const even = evenTable(levels);
  return (image) => {
    const { file, table, exact } = image;
    conditions?.check(image);
    if (!exact && !lossy)
      fail(
        "data",
        `expected at most ${levels} different values in ${file}, since the model codes ${levels} levels, but ` +
          "received more: --lossy-levels gives them up (the nearest levels come back, not the image as it is); of " +
          "data, --as-trained takes them as the model's own were made",
      );
    if (single && exact && JSON.stringify(table) !== JSON.stringify(even))
      fail(
        "data",
        `expected the values ${firstOf(even)} in ${file}, since a file of one image has no room to say which others, ` +
          "but received others: leave out --single",
      );
  };
}

/** Reads all images and their conditions. */
async function prepare(
  sources: SourceImages,
  conditions: SourceConditions | null,
  keeps: (index: number) => boolean = () => true,
): Promise<{ coded: CodecImage[]; tables: LevelTable[]; rounded: number; replaced: number }> {
  const images: SourceImage[] = [];
  conditions?.checkCount?.(sources.length);
  const none = new Uint8Array(0);
  for await (const image of sources.read()) images.push(keeps(images.length) ? image : { ...image, pixels: none });
  const values = await conditions?.of(images, 0);
  return {
    coded: images.map(({ name, label, height, width, pixels }, i) => {
      return { name, label, height, width, pixels, condition: values?.[i] ?? undefined };
    }),
    tables: images.map(({ table }) => table),
    rounded: images.filter(({ exact }) => !exact).length,
    replaced: images.reduce((sum, { bytes }) => sum + (bytes ?? Number.NaN), 0),
  };
}

function sizesOf(bytes: number, model: number, groups: readonly GroupRecord[]): Written {
  const sum = (sizeOf: (group: GroupRecord) => number): number => groups.reduce((all, group) => all + sizeOf(group), 0);
  return {
    bytes,
    model,
    payload: sum(({ payload }) => payload.length),
    conditions: sum(({ conditions }) => conditionsLength(conditions)),
  };
}

type Write<T> = (model: CodingModel, images: readonly CodecImage[], out: string, options: T) => Promise<Written>;

const writeArchive: Write<EncodeOptions> = async ({ predictor }, images, out, options) => {
  const bytes = await encodeImages(predictor, images, options);
  await writeOutput(out, bytes);
  return archiveSizes(bytes, options);
};

/** Of a whole archive: its groups are read. */
export function archiveSizes(bytes: Uint8Array, { pixelBudget }: Pick<EncodeOptions, "pixelBudget">): Written {
  const file = openPxc(bytes);
  if (file.kind !== "archive") return fail("internal", "expected an archive but wrote a file of one image");
  return sizesOf(
    bytes.length,
    file.header.model?.length ?? 0,
    file.groups.map((_, index) => readGroup(file, index, { pixelBudget })),
  );
}

/** One image goes to the file `out`; several into the folder `out`. */
const writeSingles: Write<CodecOptions & Pick<CompressImagesOptions, "check">> = async (
  model,
  images,
  out,
  { onProgress, check, pixelBudget = 2 ** 24, ...options },
) => {
  const { predictor } = model;
  const folder = images.length > 1 || (existsSync(out) && statSync(out).isDirectory());
  if (folder && out === "-")
    fail("usage", `expected a folder for the files of ${images.length} images, one each, but received "-" for -o`);
  if (folder && existsSync(out) && !statSync(out).isDirectory())
    fail("usage", `expected a folder for the files of ${images.length} images, one each, but ${out} is a file`);
  const names = safeNames(images.map(({ name }) => `${name?.replace(/\.\w{1,5}$/, "")}.pxc`));
  const paths = names.map((name) => (folder ? join(out, name) : out));
  for (const path of paths) {
    if (folder) await makeFolder(dirname(path));
    check?.(path);
  }
  let bytes = 0;
  const written: GroupRecord[] = [];
  for (const [i, image] of images.entries()) {
    const file = await encodeSingle(predictor, image, { ...options, pixelBudget });
    await writeOutput(paths[i]!, file);
    bytes += file.length;
    written.push(readSingleImage(file, { ...predictor, pixelBudget }));
    onProgress?.({ images: i, count: 1, totalImages: images.length, row: 1, rows: 1 });
  }
  return sizesOf(bytes, 0, written);
};
