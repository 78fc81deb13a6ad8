/**
 * A data set: numbered images of one size, read in batches, and the transforms that wrap one data set as another.
 * Pixels are integers 0 .. levels - 1 in the order rows, columns, channels; scaling to floats belongs to the model.
 * This file runs anywhere (no files, no node): the formats stand beside it, one file each.
 */

import { checkInteger, fail, show } from "../errors.ts";
import { randomFrom } from "../random.ts";

export interface Batch {
  readonly size: number;
  /** [size, H, W, C], values 0..levels-1 */
  readonly pixels: Uint8Array;
  /** [size]; -1 where there is no label */
  readonly labels: Int32Array;
  /** [size, vectorSize], of a data set that has vectors. All zeros: nothing is known of that image. */
  readonly vectors?: Float32Array | undefined;
}

export interface Dataset {
  readonly name: string;
  /** "train" or "test"; "all" for a source that was not divided. */
  readonly split: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Values a sub-pixel can take, 2..256. */
  readonly levels: number;
  readonly length: number;
  readonly classes: readonly string[] | null;
  /** Numbers of an image's vector, where images come with one: what a model may be conditioned on. */
  readonly vectorSize?: number | undefined;
  /** Names of the source files or "mnist/test/17", for score tables and archives. */
  nameOf(index: number): string;
  /** An image's label (-1: none), where it is known without reading the image. */
  labelOf?(index: number): number;
  /** Texts that describe an image; the first one names it. Some images may have none. */
  captionsOf?(index: number): readonly string[];
  /**
   * Reads images. `epoch` names the draw of anything random (stochastic binarisation): train uses the epoch number,
   * evaluation 0.
   */
  batch(indices: ArrayLike<number>, options?: { epoch?: number }): Promise<Batch>;
  /** Reads images with all that is known of them, as the engine and the codec take them. */
  images(indices: ArrayLike<number>, options?: { epoch?: number }): Promise<DatasetImages>;
  close?(): Promise<void>;
}

/** Images out of a data set. */
export interface DatasetImages {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly levels: number;
  /** Levels, [count, H, W, C]. */
  readonly pixels: Uint8Array;
  readonly names: readonly string[];
  /** [count]; -1 where there is no label. */
  readonly labels: Int32Array;
  readonly classes: readonly string[] | null;
}

/** The `images` of any data set that has a `batch`. */
export async function imagesOf(
  dataset: Omit<Dataset, "images">,
  indices: ArrayLike<number>,
  options?: { epoch?: number },
): Promise<DatasetImages> {
  const { height, width, channels, levels, classes } = dataset;
  const { size: count, pixels, labels } = await dataset.batch(indices, options);
  const names = Array.from(indices, (index) => dataset.nameOf(index));
  return { count, height, width, channels, levels, pixels, names, labels, classes };
}

/** Everything a data set says about itself. */
export type DatasetParts = Omit<Dataset, "batch" | "images">;

/**
 * Fills `pixels` [size, H, W, C], `labels` [size] (already -1) and `vectors` [size, vectorSize] (already 0; empty where
 * there are none) with the images at `indices`, which are in range.
 */
export type FillBatch = (
  indices: Uint32Array,
  pixels: Uint8Array,
  labels: Int32Array,
  epoch: number,
  vectors: Float32Array,
) => Promise<void>;

/** A data set from what it says about itself and the one function that reads it. A new format calls this. */
export function datasetOf(parts: DatasetParts, fill: FillBatch): Dataset {
  const { name, split, height, width, channels, levels, length, classes, vectorSize } = parts;
  for (const [axis, size] of Object.entries({ height, width, channels })) checkInteger(`${axis} of ${name}`, size, 1);
  checkInteger(`levels of ${name}`, levels, 2, 256);
  checkInteger(`length of ${name}`, length, 0, 2 ** 32 - 1);
  if (vectorSize !== undefined) checkInteger(`vectorSize of ${name}`, vectorSize, 1);
  const inRange = (index: number): number => checkInteger(`the index of an image of ${name}`, index, 0, length - 1);
  const dataset: Dataset = {
    name,
    split,
    height,
    width,
    channels,
    levels,
    length,
    classes,
    vectorSize,
    nameOf: (index) => parts.nameOf(inRange(index)),
    ...(parts.labelOf && { labelOf: (index: number) => parts.labelOf!(inRange(index)) }),
    ...(parts.captionsOf && { captionsOf: (index: number) => parts.captionsOf!(inRange(index)) }),
    async batch(indices, { epoch = 0 } = {}) {
      const chosen = checkIndices(name, indices, length);
      const pixels = new Uint8Array(chosen.length * height * width * channels);
      const labels = new Int32Array(chosen.length).fill(-1);
      const vectors = new Float32Array(chosen.length * (vectorSize ?? 0));
      await fill(chosen, pixels, labels, checkInteger("epoch", epoch, 0), vectors);
      return { size: chosen.length, pixels, labels, vectors: vectorSize === undefined ? undefined : vectors };
    },
    images: (indices, options) => imagesOf(dataset, indices, options),
    close: async () => parts.close?.(),
  };
  return dataset;
}

/** A data set of images already in memory. */
export function datasetFromArrays(
  parts: Omit<DatasetParts, "nameOf" | "labelOf" | "length" | "vectorSize"> & { nameOf?: (index: number) => string },
  pixels: Uint8Array,
  labels?: ArrayLike<number>,
): Dataset {
  const { name, height, width, channels, levels } = parts;
  const size = height * width * channels;
  const length = pixels.length / size;
  if (!Number.isInteger(length)) {
    fail(
      "data",
      `expected a multiple of ${height}x${width}x${channels} = ${size} pixels for ${name} but received ` +
        `${pixels.length}`,
    );
  }
  if (labels && labels.length !== length) {
    fail("data", `expected ${length} labels, one an image, for ${name} but received ${labels.length}`);
  }
  const most = parts.classes ? parts.classes.length - 1 : 65535;
  const odd = Array.from(labels ?? []).findIndex((label) => !(Number.isInteger(label) && label >= -1 && label <= most));
  if (odd >= 0)
    fail(
      "data",
      `expected labels from 0 to ${most}, or -1 for none, for ${name} but received ${show(labels![odd])} for image ` +
        `${odd}`,
    );
  const wrong = pixels.findIndex((v) => v >= levels);
  if (wrong >= 0) {
    fail(
      "data",
      `expected pixels from 0 to ${levels - 1} for ${name} but received ${pixels[wrong]} in image ` +
        `${Math.floor(wrong / size)}`,
    );
  }
  const nameOf = parts.nameOf ?? ((index: number) => `${name}/${parts.split}/${index}`);
  const labelOf = (index: number): number => (labels ? labels[index]! : -1);
  return datasetOf({ ...parts, length, nameOf, labelOf }, async (indices, target, targetLabels) => {
    indices.forEach((index, i) => {
      target.set(pixels.subarray(index * size, (index + 1) * size), i * size);
      if (labels) targetLabels[i] = labels[index]!;
    });
  });
}

function checkIndices(name: string, indices: ArrayLike<number>, length: number): Uint32Array {
  const checked = new Uint32Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!(Number.isInteger(index) && index >= 0 && index < length)) {
      fail(
        "usage",
        `expected an index from 0 to ${length - 1} for ${name} (${length} images) but received ${show(index)} at ` +
          `place ${i}`,
      );
    }
    checked[i] = index;
  }
  return checked;
}

/**
 * The parts of a data set, for a wrapper to change some of; also of one that is a class with getters. `place` says
 * which image of the data set is image `index` of the wrapper.
 */
export function partsOf(dataset: Dataset, place: (index: number) => number = (index) => index): DatasetParts {
  const { name, split, height, width, channels, levels, length, classes, vectorSize } = dataset;
  return {
    name,
    split,
    height,
    width,
    channels,
    levels,
    length,
    classes,
    vectorSize,
    nameOf: (index) => dataset.nameOf(place(index)),
    ...(dataset.labelOf && { labelOf: (index: number) => dataset.labelOf!(place(index)) }),
    ...(dataset.captionsOf && { captionsOf: (index: number) => dataset.captionsOf!(place(index)) }),
    close: async () => dataset.close?.(),
  };
}

/** What comes with the pixels of a batch, as it is. */
export function copyBeside(batch: Batch, labels: Int32Array, vectors: Float32Array): void {
  labels.set(batch.labels);
  if (batch.vectors) vectors.set(batch.vectors);
}

/** The same images under a table from level to level. */
function relabelLevels(dataset: Dataset, levels: number, level: (v: number) => number): Dataset {
  const table = Uint8Array.from({ length: dataset.levels }, (_, v) => level(v));
  return datasetOf({ ...partsOf(dataset), levels }, async (indices, pixels, labels, epoch, vectors) => {
    const batch = await dataset.batch(indices, { epoch });
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[batch.pixels[i]!]!;
    copyBeside(batch, labels, vectors);
  });
}

function expect256(transform: string, dataset: Dataset): void {
  if (dataset.levels !== 256) {
    fail(
      "usage",
      `expected 256 levels to ${transform} from but received ${dataset.levels} levels, for ${dataset.name}`,
    );
  }
}

/** Fewer levels, v -> floor(v K / 256). Two levels are the same as {@link threshold} at 127. */
export function quantise(dataset: Dataset, levels: number): Dataset {
  checkInteger("levels", levels, 2, 256);
  expect256("quantise", dataset);
  return levels === 256 ? dataset : relabelLevels(dataset, levels, (v) => Math.floor((v * levels) / 256));
}

/** Two levels: 1 where v > at. */
export function threshold(dataset: Dataset, at = 127): Dataset {
  checkInteger("at", at, 0, dataset.levels - 2);
  return relabelLevels(dataset, 2, (v) => (v > at ? 1 : 0));
}

/**
 * Two levels, 1 with probability v / 255, drawn from the stream (seed, epoch, index): again the same for the same
 * three, on every machine, since a uniform integer 0..254 is compared with v. Only the train split takes the epoch; any
 * other split is drawn once and for all (epoch 0), so that its likelihood is one number.
 */
export function binariseStochastically(dataset: Dataset, seed: number): Dataset {
  checkInteger("the seed of the binarisation", seed, 0);
  expect256("binarise", dataset);
  const size = dataset.height * dataset.width * dataset.channels;
  return datasetOf({ ...partsOf(dataset), levels: 2 }, async (indices, pixels, labels, epoch, vectors) => {
    const draw = dataset.split === "train" ? epoch : 0;
    const batch = await dataset.batch(indices, { epoch });
    indices.forEach((index, i) => {
      const random = randomFrom(seed, draw, index);
      for (let p = i * size; p < (i + 1) * size; p++) pixels[p] = random.below(255) < batch.pixels[p]! ? 1 : 0;
    });
    copyBeside(batch, labels, vectors);
  });
}

/**
 * Some of the images, in the order given, each at most once: a list of indices, or the range `from` (0) up to, without,
 * `to` (the length). A draw made below, such as a binarisation, keeps the index it has there.
 */
export function subset(dataset: Dataset, selection: ArrayLike<number> | { from?: number; to?: number }): Dataset {
  const kept =
    "length" in selection ? checkIndices(dataset.name, selection, dataset.length) : rangeOf(dataset, selection);
  if (new Set(kept).size !== kept.length)
    fail("usage", `expected each index at most once for a subset of ${dataset.name}`);
  const parts = partsOf(dataset, (index) => kept[index]!);
  return datasetOf({ ...parts, length: kept.length }, async (indices, pixels, labels, epoch, vectors) => {
    const batch = await dataset.batch(
      indices.map((index) => kept[index]!),
      { epoch },
    );
    pixels.set(batch.pixels);
    copyBeside(batch, labels, vectors);
  });
}

function rangeOf(dataset: Dataset, { from = 0, to = dataset.length }: { from?: number; to?: number }): Uint32Array {
  checkInteger("from", from, 0, dataset.length);
  checkInteger("to", to, from, dataset.length);
  return Uint32Array.from({ length: to - from }, (_, i) => from + i);
}

/** The same data set as another split, for instance "test". */
export function asSplit(dataset: Dataset, split: string): Dataset {
  return {
    ...datasetOf({ ...partsOf(dataset), split }, async () => {}),
    batch: (i, options) => dataset.batch(i, options),
  };
}

/** A fixed division that depends on the seed and the length alone; both halves keep the order of the whole. */
export function splitBySeed(
  dataset: Dataset,
  options: { seed: number; testFraction: number },
): { train: Dataset; test: Dataset } {
  const { seed, testFraction } = options;
  checkInteger("the seed of the split", seed, 0);
  if (!(testFraction > 0 && testFraction < 1)) {
    fail("usage", `expected a number between 0 and 1 for testFraction but received ${show(testFraction)}`);
  }
  if (dataset.length < 2) {
    fail(
      "data",
      `expected at least 2 images to divide into train and test for ${dataset.name} but received ${dataset.length}`,
    );
  }
  const order = randomFrom(seed).permutation(dataset.length);
  const tests = Math.min(dataset.length - 1, Math.max(1, Math.round(dataset.length * testFraction)));
  return {
    train: asSplit(subset(dataset, order.subarray(tests).sort()), "train"),
    test: asSplit(subset(dataset, order.subarray(0, tests).sort()), "test"),
  };
}

/** One data set after another, of the same size, levels and classes. */
export function concatenate(name: string, split: string, datasets: readonly Dataset[]): Dataset {
  const first =
    datasets[0] ?? fail("usage", `expected at least one data set to concatenate for ${name} but received none`);
  const shape = (d: Dataset): string =>
    `${d.height}x${d.width}x${d.channels}, ${d.levels} levels, ` +
    `${d.classes ? `classes ${d.classes.join(" ")}` : "no classes"}` +
    (d.vectorSize === undefined ? "" : `, vectors of ${d.vectorSize} numbers`);
  for (const d of datasets) {
    if (shape(d) !== shape(first)) {
      fail(
        "data",
        `expected ${shape(first)} (${first.name} ${first.split}) for ${name} but received ${shape(d)} (${d.name} ` +
          `${d.split})`,
      );
    }
  }
  const starts = [0];
  for (const d of datasets) starts.push(starts.at(-1)! + d.length);
  const length = starts.at(-1)!;
  const owner = (index: number): number => starts.findLastIndex((start, k) => k < datasets.length && index >= start);
  /** Asks the data set that holds an image, with the image's index there. */
  const ask = <T>(index: number, question: (d: Dataset, index: number) => T): T =>
    question(datasets[owner(index)]!, index - starts[owner(index)]!);
  const { height, width, channels, levels, classes, vectorSize = 0 } = first;
  const parts: DatasetParts = {
    name,
    split,
    height,
    width,
    channels,
    levels,
    classes,
    length,
    vectorSize: vectorSize > 0 ? vectorSize : undefined,
    nameOf: (index) => ask(index, (d, i) => d.nameOf(i)),
    ...(datasets.every((d) => d.labelOf) && { labelOf: (index: number) => ask(index, (d, i) => d.labelOf!(i)) }),
    ...(datasets.some((d) => d.captionsOf) && {
      captionsOf: (index: number) => ask(index, (d, i) => d.captionsOf?.(i) ?? []),
    }),
    close: async () => void (await Promise.all(datasets.map((d) => d.close?.()))),
  };
  const size = height * width * channels;
  return datasetOf(parts, async (indices, pixels, labels, epoch, vectors) => {
    for (const [k, dataset] of datasets.entries()) {
      const places = [...indices.keys()].filter((i) => owner(indices[i]!) === k);
      if (places.length === 0) continue;
      const batch = await dataset.batch(
        places.map((i) => indices[i]! - starts[k]!),
        { epoch },
      );
      places.forEach((place, i) => {
        pixels.set(batch.pixels.subarray(i * size, (i + 1) * size), place * size);
        labels[place] = batch.labels[i]!;
        if (batch.vectors)
          vectors.set(batch.vectors.subarray(i * vectorSize, (i + 1) * vectorSize), place * vectorSize);
      });
    }
  });
}
