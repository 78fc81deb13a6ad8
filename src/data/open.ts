/**
 * The one door to data: a named set or a path, and options that are plain JSON, so that a run's config can hold them.
 * Tells the formats apart, divides train from test, and applies the transforms in one fixed order: vectors, split, levels, limit.
 */

import { open as openFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fail, show } from "../errors.ts";
import { atlasSource } from "./atlas.ts";
import { augment } from "./augment.ts";
import { failToRead } from "./bytes.ts";
import { cifarSource, looksLikeCifar } from "./cifar.ts";
import { binariseStochastically, type Dataset, quantise, subset, threshold } from "./dataset.ts";
import { folderSource, imageCodec, isImageName } from "./folder.ts";
import { idxSource } from "./idx.ts";
import { namedSets, namedSource } from "./named.ts";
import { parquetFiles, parquetSource } from "./parquet.ts";
import { chooseSplit, orClose, type Source } from "./source.ts";
import { readVectorRows, withVectorRows } from "./vector-rows.ts";

export const dataOptionsSchema = z.strictObject({
  /** Which images; "all" is both splits. */
  split: z.enum(["train", "test", "all"]).default("train"),
  /** Values a sub-pixel can take; 256 (2 with a binarisation). 2 alone is the threshold at 127. */
  levels: z.int().min(2).max(256).optional(),
  /** Two levels: "threshold" v > 127, "stochastic" 1 with probability v / 255. */
  binarise: z.enum(["none", "threshold", "stochastic"]).default("none"),
  /** Names the draws of the stochastic binarisation, and of mirror and shift; the train split draws anew each epoch. */
  binariseSeed: z.int().min(0).default(1),
  /** Size of the images, both or neither; neither: all have one size. For formats of one size, a check. */
  height: z.int().min(1).max(65535).optional(),
  width: z.int().min(1).max(65535).optional(),
  /** How an image of another size is fitted: stretched, its middle cut out, or padded. */
  fit: z.enum(["resize", "crop", "contain"]).default("resize"),
  /** "auto": 4 where any alpha is used, otherwise 3 where any colour is, otherwise 1. */
  channels: z.union([z.literal("auto"), z.literal(1), z.literal(3), z.literal(4)]).default("auto"),
  /** An image that cannot be decoded: an error, or left out with a warning (then opening decodes every image once). */
  onBroken: z.enum(["error", "skip"]).default("error"),
  /** What the test split of a source without splits is made of: images, or whole classes that training never sees. */
  splitBy: z.enum(["image", "class"]).default("image"),
  /** Share of a source without splits (of its images or classes) that is its test split, and the seed that draws it. */
  testFraction: z.number().min(0).lt(1).default(0.1),
  splitSeed: z.int().min(0).default(1),
  /**
   * A .npy file of numbers [N, D], or [N, h, w, c], that come with the images: row i with image i of the whole source in the order
   * of its split "all". Where a source has splits of its own, that is the train images, then the test images.
   */
  vectors: z.string().min(1).optional(),
  /** Half of the train images, drawn anew each epoch, left for right. */
  mirror: z.boolean().default(false),
  /** Train images moved by up to so many pixels, drawn anew each epoch. */
  shift: z.int().min(0).max(64).default(0),
  /** Bound on the decoded images held in memory. */
  cacheBytes: z
    .int()
    .min(0)
    .default(256 * 2 ** 20),
  /** At most this many images, the first of the split. */
  limit: z.int().min(1).optional(),
});

/** Every option may be left out. */
export type DataOptions = z.input<typeof dataOptionsSchema>;
export type ResolvedDataOptions = z.output<typeof dataOptionsSchema>;

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

/** Options with their defaults, or an error in the words of the house. */
export function parseDataOptions(options: unknown): ResolvedDataOptions {
  const parsed = dataOptionsSchema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    if (issue.code === "unrecognized_keys") {
      fail(
        "usage",
        `expected data options among ${Object.keys(dataOptionsSchema.shape).join(", ")} but received ${issue.keys.join(", ")}`,
      );
    }
    const key = String(issue.path[0] ?? "the data options");
    const received = issue.path.length > 0 ? (options as Record<string, unknown>)[key] : options;
    fail("usage", `expected a valid ${key} (${issue.message}) but received ${show(received)}`, parsed.error);
  }
  const { levels, binarise, height, width } = parsed.data;
  if (binarise !== "none" && levels !== undefined && levels !== 2) {
    fail("usage", `expected 2 levels (or none given) with binarise ${binarise} but received ${levels}`);
  }
  if ((height === undefined) !== (width === undefined)) {
    fail("usage", `expected height and width together but received ${height === undefined ? "width" : "height"} alone`);
  }
  return parsed.data;
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
      `expected images of ${height}x${width} for ${spec}, as asked, but its format holds ${dataset.height}x${dataset.width} and is not resized`,
    );
  }
  if (channels !== "auto" && dataset.channels !== channels) {
    fail(
      "usage",
      `expected ${channels} channels for ${spec}, as asked, but its format holds ${dataset.channels} and is not converted`,
    );
  }
  const moved = augment(dataset, { mirror, shift, seed: binariseSeed });
  let images = quantise(moved, levels);
  if (binarise === "threshold") images = threshold(moved);
  if (binarise === "stochastic") images = binariseStochastically(moved, binariseSeed);
  return limit === undefined || limit >= images.length ? images : subset(images, { to: limit });
}

async function sourceOf(spec: string, options: ResolvedDataOptions, onWarning: DataEvents["onWarning"]): Promise<Source> {
  const source = await imagesOf(spec, options, onWarning);
  return options.vectors === undefined ? source : withVectorRows(spec, source, await readVectorRows(options.vectors));
}

async function imagesOf(spec: string, options: ResolvedDataOptions, onWarning: DataEvents["onWarning"]): Promise<Source> {
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
      `expected a named set (${namedSets.join(", ")}) or a path for the data but received ${show(spec)}, and there is no such path`,
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

/** A file is told by its first bytes where they say it, otherwise by its name. */
async function formatOfFile(path: string): Promise<DataFormat> {
  const handle = await openFile(path).catch((error) => failToRead(path, error));
  const start = new Uint8Array(4);
  try {
    await handle.read(start, 0, 4, 0);
  } catch (error) {
    failToRead(path, error);
  } finally {
    await handle.close();
  }
  if (new TextDecoder().decode(start) === "PAR1" || path.endsWith(".parquet")) return "parquet";
  if (path.endsWith(".jsonl")) return "atlas";
  if (path.endsWith(".png") && (await stat(path.replace(/png$/, "jsonl")).catch(() => null))) return "atlas";
  if (path.endsWith(".bin")) return "cifar";
  if (/ubyte(\.gz)?$|idx\d/.test(path) || (start[0] === 0 && start[1] === 0 && start[2] === 8)) return "idx";
  if (isImageName(path))
    return fail("usage", `expected data for ${path} but received a single image; give the folder that holds it`);
  return fail(
    "data",
    `expected an IDX file, a CIFAR *.bin, a *.parquet file, an atlas (PNG and JSONL) or a folder of images at ${path} but received another kind of file`,
  );
}
