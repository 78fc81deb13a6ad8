/**
 * The one door to data: a named set or a path, and options that are plain JSON, so that a run's config can hold them.
 * Tells the formats apart, divides train from test, and applies the transforms in one fixed order: vectors, split,
 * levels, limit.
 */

import { existsSync, statSync } from "node:fs";
import { fail } from "../errors.ts";
import { atlasSource } from "./atlas.ts";
import { augment } from "./augment.ts";
import { cifarSource } from "./cifar.ts";
import { binariseStochastically, type Dataset, quantise, subset, threshold } from "./dataset.ts";
import { imageCodec } from "./decode.ts";
import { folderSource } from "./folder.ts";
import { formatAt } from "./format.ts";
import { idxSource } from "./idx.ts";
import { namedSets, namedSource } from "./named.ts";
import { type DataOptions, parseDataOptions, type ResolvedDataOptions } from "./options.ts";
import { parquetSource } from "./parquet.ts";
import { chooseSplit, orClose, type Source } from "./source.ts";
import { readVectorRows, withVectorRows } from "./vector-rows.ts";

export interface DataEvents {
  /** Refuse images whose decoding loses something: 16 bits, several frames, CMYK. */
  strict?: boolean | undefined;
  /** Decode every image when opening, so that all that cannot be read are named at once. */
  thorough?: boolean | undefined;
  /** Told why each image that `onBroken: "skip"` left out cannot be read. */
  onSkipped?: ((reasons: readonly string[]) => void) | undefined;
  /** One text for each thing a user should know: skipped images, a download. The library itself prints nothing. */
  onWarning?: ((text: string) => void) | undefined;
}

/** `spec`: a named set (`mnist`, `fashion-mnist`, `cifar10`, `emoji`), otherwise a path; `./mnist` is a path. */
export async function openData(spec: string, options: DataOptions & DataEvents = {}): Promise<Dataset> {
  const { onWarning, strict, thorough, onSkipped, ...given } = options;
  const resolved = parseDataOptions(given);
  const events = { onWarning, strict, thorough, onSkipped };
  return openSplit(spec, await sourceOf(spec, resolved, events), resolved);
}

/** Train and test at once: the source is looked through one time, not two. `limit` bounds each. */
export async function openSplits(
  spec: string,
  options: Omit<DataOptions, "split"> & DataEvents = {},
): Promise<{ train: Dataset; test: Dataset }> {
  const { onWarning, strict, thorough, onSkipped, ...given } = options;
  const resolved = parseDataOptions(given);
  const source = await sourceOf(spec, resolved, { onWarning, strict, thorough, onSkipped });
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

async function sourceOf(spec: string, options: ResolvedDataOptions, events: DataEvents): Promise<Source> {
  const source = await imagesOf(spec, options, events);
  return options.vectors === undefined ? source : withVectorRows(spec, source, await readVectorRows(options.vectors));
}

async function imagesOf(spec: string, options: ResolvedDataOptions, events: DataEvents): Promise<Source> {
  const { onWarning } = events;
  const { height, width, fit, channels, onBroken, white, cacheBytes, format } = options;
  if (namedSets.includes(spec)) {
    if (existsSync(spec)) onWarning?.(`${spec} is the named set; ./${spec} would be the ${whatIs(spec)} of that name`);
    return namedSource(spec, { codec: imageCodec, cacheBytes, onWarning });
  }
  const size = height !== undefined && width !== undefined ? { height, width } : undefined;
  const images = { size, fit, channels, onBroken, white, cacheBytes, ...events };
  const found = await formatAt(spec, { format, onBroken, onWarning });
  const { isFolder } = found;
  switch (found.format) {
    case "idx":
      return idxSource(spec, { cacheBytes, isFolder, onWarning });
    case "cifar":
      return cifarSource(spec, { cacheBytes, isFolder });
    case "parquet":
      return parquetSource(spec, imageCodec, { ...images, isFolder });
    case "atlas":
      return atlasSource(found.atlas ?? spec, imageCodec, { size, channels, white, ...events });
    case "images":
      return folderSource(spec, images, found.listing);
  }
}

const whatIs = (path: string): string => (statSync(path).isDirectory() ? "folder" : "file");
