/**
 * The one door to data: a named set or a path, and options that are plain JSON, so that a run's config can hold them.
 * Tells the formats apart, divides train from test, and applies the transforms in one fixed order: vectors, split,
 * levels, limit.
 */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fail, show } from "../errors.ts";
import { foundIn } from "../found.ts";
import { atlasSource } from "./atlas.ts";
import { augment } from "./augment.ts";
import { cifarSource, looksLikeCifar } from "./cifar.ts";
import { binariseStochastically, type Dataset, quantise, subset, threshold } from "./dataset.ts";
import { failToRead, readStart } from "./files.ts";
import { folderSource, imageCodec, isImageName } from "./folder.ts";
import { idxSource } from "./idx.ts";
import { namedSets, namedSource } from "./named.ts";
import { type DataOptions, parseDataOptions, type ResolvedDataOptions } from "./options.ts";
import { parquetFiles, parquetSource } from "./parquet.ts";
import { chooseSplit, orClose, type Source } from "./source.ts";
import { readVectorRows, withVectorRows } from "./vector-rows.ts";

export interface DataEvents {
  /** One text for each thing a user should know: skipped images, a download. The library itself prints nothing. */
  onWarning?: ((text: string) => void) | undefined;
}

/** `spec`: a named set (`mnist`, `fashion-mnist`, `cifar10`, `emoji`), otherwise a path; `./mnist` is a path. */
export async function openData(spec: string, options: DataOptions & DataEvents = {}): Promise<Dataset> {
  const { onWarning, ...given } = options;
  const resolved = parseDataOptions(given);
  return openSplit(spec, await sourceOf(spec, resolved, onWarning), resolved);
}

/** Train and test at once: the source is looked through one time, not two. `limit` bounds each. */
export async function openSplits(
  spec: string,
  options: Omit<DataOptions, "split"> & DataEvents = {},
): Promise<{ train: Dataset; test: Dataset }> {
  const { onWarning, ...given } = options;
  const resolved = parseDataOptions(given);
  const source = await sourceOf(spec, resolved, onWarning);
  const train = await openSplit(spec, source, { ...resolved, split: "train" });
  try {
    return { train, test: await openSplit(spec, source, { ...resolved, split: "test" }) };
  } catch (error) {
    await train.close?.();
    throw error;
  }
}

async function openSplit(spec: string, source: Source, options: ResolvedDataOptions): Promise<Dataset> {
  const dataset = await chooseSplit(spec, source, options);
  return orClose(dataset, () => transformed(spec, dataset, options));
}

function transformed(spec: string, dataset: Dataset, options: ResolvedDataOptions): Dataset {
  const { binarise, binariseSeed, levels = 256, limit, height, width, channels, mirror, shift } = options;
  if (height !== undefined && width !== undefined && (dataset.height !== height || dataset.width !== width)) {
    fail(
      "usage",
      `expected images of ${height}x${width} for ${spec}, as asked, but its format holds ` +
        `${dataset.height}x${dataset.width} and is not resized`,
    );
  }
  if (channels !== "auto" && dataset.channels !== channels) {
    fail(
      "usage",
      `expected ${channels} channels for ${spec}, as asked, but its format holds ${dataset.channels} and is not ` +
        "converted",
    );
  }
  const moved = augment(dataset, { mirror, shift, seed: binariseSeed });
  let images = quantise(moved, levels);
  if (binarise === "threshold") images = threshold(moved);
  if (binarise === "stochastic") images = binariseStochastically(moved, binariseSeed);
  return limit === undefined || limit >= images.length ? images : subset(images, { to: limit });
}

async function sourceOf(
  spec: string,
  options: ResolvedDataOptions,
  onWarning: DataEvents["onWarning"],
): Promise<Source> {
  const source = await imagesOf(spec, options, onWarning);
  return options.vectors === undefined ? source : withVectorRows(spec, source, await readVectorRows(options.vectors));
}

async function imagesOf(
  spec: string,
  options: ResolvedDataOptions,
  onWarning: DataEvents["onWarning"],
): Promise<Source> {
  const { height, width, fit, channels, onBroken, cacheBytes } = options;
  if (namedSets.includes(spec)) return namedSource(spec, { codec: imageCodec, cacheBytes, onWarning });
  const size = height !== undefined && width !== undefined ? { height, width } : undefined;
  const images = { size, fit, channels, onBroken, cacheBytes, onWarning };
  const isFolder = await isFolderAt(spec);
  switch (await formatAt(spec)) {
    case "idx":
      return idxSource(spec, { cacheBytes, isFolder });
    case "cifar":
      return cifarSource(spec, { cacheBytes, isFolder });
    case "parquet":
      return parquetSource(spec, imageCodec, { ...images, isFolder });
    case "atlas":
      return atlasSource(isFolder ? await atlasIn(spec) : spec, imageCodec, { size, channels });
    case "images":
      return folderSource(spec, images);
  }
}

export type DataFormat = "idx" | "cifar" | "parquet" | "atlas" | "images";

/** What lies at a path; a single image is not data. */
export async function formatAt(path: string): Promise<DataFormat> {
  return (await isFolderAt(path)) ? formatOfFolder(path) : formatOfFile(path);
}

async function isFolderAt(spec: string): Promise<boolean> {
  try {
    return (await stat(spec)).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") failToRead(spec, error);
    return fail(
      "usage",
      `expected a named set (${namedSets.join(", ")}) or a path for the data but received ${show(spec)}, and there ` +
        "is no such path",
    );
  }
}

async function formatOfFolder(path: string): Promise<DataFormat> {
  const files = await readdir(path).catch((error) => failToRead(path, error));
  if (files.some((file) => /images[-.]idx[34]-ubyte(\.gz)?$/.test(file))) return "idx";
  if (looksLikeCifar(files)) return "cifar";
  if ((await parquetFiles(path)).length > 0) return "parquet";
  return atlasNames(files).length === 1 ? "atlas" : "images";
}

/** Stems of the PNG files that have a JSONL file beside them. */
function atlasNames(files: readonly string[]): string[] {
  return files.filter((file) => file.endsWith(".jsonl") && files.includes(file.replace(/jsonl$/, "png")));
}

async function atlasIn(path: string): Promise<string> {
  return join(path, atlasNames(await readdir(path))[0]!);
}

/** A file's format is known by its first bytes where they say it, otherwise by its name. */
async function formatOfFile(path: string): Promise<DataFormat> {
  const start = await readStart(path, 512);
  if (new TextDecoder().decode(start.subarray(0, 4)) === "PAR1" || path.endsWith(".parquet")) return "parquet";
  if (path.endsWith(".jsonl")) return "atlas";
  if (path.endsWith(".png") && (await stat(path.replace(/png$/, "jsonl")).catch(() => null))) return "atlas";
  if (path.endsWith(".bin")) return "cifar";
  if (/ubyte(\.gz)?$|idx\d/.test(path) || (start[0] === 0 && start[1] === 0 && start[2] === 8)) return "idx";
  if (isImageName(path))
    return fail("usage", `expected data for ${path} but received a single image; give the folder that holds it`);
  return fail(
    "data",
    "expected an IDX file, a CIFAR *.bin, a *.parquet file, an atlas (PNG and JSONL) or a folder of images at " +
      `${path} but received ${foundIn(start)}`,
  );
}
