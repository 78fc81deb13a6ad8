/**
 * A folder of images. Subfolders are classes (the first one counts, deeper ones only group); `train/` and `test/` (or
 * `val/`) at the top are splits, as layout.ts says. Files are ordered by path, by code units, the same on every
 * machine. Captions: captions.ts.
 */

import { join } from "node:path";
import { fail } from "../errors.ts";
import { readCaptions } from "./captions.ts";
import { asSplit, type Dataset, subset } from "./dataset.ts";
import { imageCodec } from "./decode.ts";
import { type CachedDataset, encodedImages, type ImageOptions } from "./encoded-images.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { describePassed, FORMATS_READ, type Listing, listImages, passedOver } from "./listing.ts";
import type { Source } from "./source.ts";
import { surveyMemory } from "./survey-memory.ts";

/** The folder as one pile or, with `train/` and `test/`, as splits that share size, channels and classes. */
export async function folderSource(path: string, options: ImageOptions, listed?: Listing): Promise<Source> {
  const listing = listed ?? (await listImages(path, options.onBroken));
  const layout = layoutOf(path, listing);
  for (const note of layout.notes) options.onWarning?.(note);
  const { images, splits } = layout;
  if (images.length === 0) failEmpty(path, listing);
  let opened: Promise<CachedDataset> | undefined;
  const openOnce = (): Promise<CachedDataset> => {
    opened ??= openFolder(path, layout, listing, options);
    return opened;
  };
  if (splits === null) return { kind: "whole", open: openOnce, onlyTest: layout.onlyTest };
  const part = async (split: "train" | "test"): Promise<Dataset> => {
    const whole = await openOnce();
    const indices = [...whole.kept.keys()].filter((i) => images[whole.kept[i]!]!.startsWith(`${splits[split]}/`));
    return asSplit(subset(whole, indices), split);
  };
  return { kind: "divided", train: () => part("train"), test: () => part("test") };
}

/** The error of a folder without images: what it holds, and where data may lie instead. */
export function failEmpty(path: string, listing: Listing): never {
  const { others, passed, folders } = listing;
  const found =
    others.length === 0
      ? passed.length + folders.length === 0
        ? "an empty folder"
        : "none"
      : `${others.length} other files, ${others[0]} for one`;
  const rest = describePassed(passedOver({ ...listing, others: [] }));
  const data = others.find((file) => /[-.]idx[34]-ubyte(\.gz)?$|\.parquet$|_batch(_\d+)?\.bin$/.test(file));
  const inside = data?.includes("/") ? `; ${data} is data: give ${join(path, data, "..")}` : "";
  return fail(
    "data",
    `expected images in ${path} but received ${found}${rest === null ? "" : ` (${rest})`}; ${FORMATS_READ}${inside}`,
  );
}

async function openFolder(
  path: string,
  { images, classOf }: Layout,
  listing: Listing,
  options: ImageOptions,
): Promise<CachedDataset> {
  const { captions, labels: said } = await readCaptions(path, listing, options.onWarning);
  // What is known of a file says neither what its decoding loses, nor with which white it can be decoded.
  const memory = options.strict || options.white !== undefined ? null : await surveyMemory(path, images);
  const className = (file: string): string | null => said?.get(file) ?? classOf(file);
  const names = [...new Set(images.map(className))].filter((name) => name !== null).sort();
  const labels = images.map((file) => names.indexOf(className(file) ?? ""));
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
      memory,
    },
    imageCodec,
    options,
  );
}
