/**
 * The CIFAR-10 and CIFAR-100 binary format: records of one label byte (CIFAR-100: coarse, then fine) and 32x32 RGB,
 * planes one after another. A folder of `data_batch_*.bin` (or `train.bin`) and `test_batch.bin` (or `test.bin`) with
 * the class names in `batches.meta.txt` or `fine_label_names.txt`, or one such file. CIFAR-100's labels are the fine
 * ones.
 */

import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fail } from "../errors.ts";
import { inLanes } from "../jobs.ts";
import { type Bytes, openBytes } from "./bytes.ts";
import { type Dataset, datasetOf } from "./dataset.ts";
import { failToRead, readText } from "./files.ts";
import type { Source } from "./source.ts";

export interface CifarOptions {
  name?: string | undefined;
  classes?: readonly string[] | undefined;
  /** Files larger than this together are read image by image. */
  cacheBytes: number;
}

const SIDE = 32;
const PLANE = SIDE * SIDE;
const IMAGE = 3 * PLANE;
const LABELS_AT_ONCE = 64;
const TRAIN = /^(data_batch_\d+|train)\.bin$/;
const TEST = /^(test_batch|test)\.bin$/;

/** The CIFAR files among a folder's files, by their names; `whole`: only those whose lengths fit, too. */
export async function cifarFiles(
  folder: string,
  files: readonly string[],
  { whole }: { whole: boolean },
): Promise<string[]> {
  const named = files.filter((file) => TRAIN.test(file) || TEST.test(file));
  if (!whole) return named;
  const fits = async (file: string): Promise<boolean> => {
    const { size } = await stat(join(folder, file));
    return size > 0 && [1, 2].some((labels) => size % (labels + IMAGE) === 0);
  };
  const fitting = await Promise.all(named.map(fits));
  return named.filter((_, i) => fitting[i]);
}

export async function cifarSource(
  path: string,
  { isFolder, ...options }: CifarOptions & { isFolder: boolean },
): Promise<Source> {
  const folder = isFolder ? path : dirname(path);
  const files = (await readdir(folder).catch((error) => failToRead(folder, error))).sort();
  const classes = options.classes ?? (await readClasses(folder, files));
  const open = (chosen: readonly string[], split: string) => () =>
    openCifar(folder, chosen, split, { ...options, classes });
  if (!isFolder) return { kind: "whole", open: open([basename(path)], "all"), onlyTest: TEST.test(basename(path)) };
  const train = files.filter((file) => TRAIN.test(file));
  const test = files.filter((file) => TEST.test(file));
  if (train.length > 0 && test.length > 0)
    return { kind: "divided", train: open(train, "train"), test: open(test, "test") };
  if (train.length + test.length === 0) {
    fail(
      "data",
      `expected data_batch_1.bin or train.bin, and test_batch.bin or test.bin, in ${folder} but received ` +
        `${files.length} other files`,
    );
  }
  return { kind: "whole", open: open([...train, ...test], "all"), onlyTest: train.length === 0 };
}

async function readClasses(folder: string, files: readonly string[]): Promise<string[] | undefined> {
  const file = ["batches.meta.txt", "fine_label_names.txt"].find((name) => files.includes(name));
  if (file === undefined) return undefined;
  const text = await readText(join(folder, file));
  return text.split(/\r?\n/).filter((line) => line !== "");
}

async function openCifar(
  folder: string,
  files: readonly string[],
  split: string,
  options: CifarOptions,
): Promise<Dataset> {
  const parts: CifarPart[] = [];
  const close = async (): Promise<void> => void (await Promise.all(parts.map(({ bytes }) => bytes.close())));
  try {
    let length = 0;
    for (const file of files) {
      const bytes = await openBytes(join(folder, file), { memory: options.cacheBytes / files.length });
      // Registered before the check, so that a refused file is closed as well.
      const part = { bytes, first: length, labelBytes: 0 };
      parts.push(part);
      part.labelBytes = labelBytesOf(bytes);
      length += bytes.length / (part.labelBytes + IMAGE);
    }
    if (new Set(parts.map((part) => part.labelBytes)).size > 1)
      fail("data", `expected files of one kind, CIFAR-10 or CIFAR-100, in ${folder}`);
    const count = parts[0]!.labelBytes === 2 ? 100 : 10;
    const classes = options.classes ?? Array.from({ length: count }, (_, i) => String(i));
    const name = options.name ?? (files.length === 1 && split === "all" ? join(folder, files[0]!) : folder);
    const nameOf = (index: number): string => (split === "all" ? `${name}/${index}` : `${name}/${split}/${index}`);
    await checkLabels(parts, classes.length);
    const shape = { height: SIDE, width: SIDE, channels: 3, levels: 256 };
    return datasetOf({ name, split, ...shape, length, classes, nameOf, close }, async (indices, pixels, labels) => {
      const read = async (index: number, i: number): Promise<void> => {
        const { bytes, first, labelBytes } = parts.findLast((part) => index >= part.first)!;
        const record = await bytes.read((index - first) * (labelBytes + IMAGE), labelBytes + IMAGE);
        labels[i] = record[labelBytes - 1]!;
        for (let p = 0, at = i * IMAGE; p < PLANE; p++) {
          pixels[at++] = record[labelBytes + p]!;
          pixels[at++] = record[labelBytes + PLANE + p]!;
          pixels[at++] = record[labelBytes + 2 * PLANE + p]!;
        }
      };
      await Promise.all(Array.from(indices, read));
    });
  } catch (error) {
    await close();
    throw error;
  }
}

interface CifarPart {
  readonly bytes: Bytes;
  readonly first: number;
  labelBytes: number;
}

/** Every label, before any image is used. */
async function checkLabels(parts: readonly CifarPart[], classes: number): Promise<void> {
  for (const { bytes, labelBytes } of parts) {
    const record = labelBytes + IMAGE;
    await inLanes(bytes.length / record, LABELS_AT_ONCE, async (i) => {
      const [label] = await bytes.read(i * record + labelBytes - 1, 1);
      if (label! >= classes)
        fail("data", `expected a label from 0 to ${classes - 1} for image ${i} of ${bytes.path} but received ${label}`);
    });
  }
}

/** Label bytes per record: 1 for CIFAR-10, 2 for CIFAR-100; the length of the file tells which. */
function labelBytesOf(bytes: Bytes): number {
  const fits = [1, 2].filter((n) => bytes.length > 0 && bytes.length % (n + IMAGE) === 0);
  // Both fit only for 3073 * 3074 records and multiples: take the file's name as a word on it.
  if (fits.length === 2) return /^(train|test)\.bin$/.test(basename(bytes.path)) ? 2 : 1;
  if (fits.length === 1) return fits[0]!;
  return fail(
    "data",
    `expected a multiple of 3073 bytes (CIFAR-10) or 3074 (CIFAR-100) for ${bytes.path} but received ${bytes.length}`,
  );
}

/** One CIFAR-10 binary file from pixels [N, 32, 32, 3] and labels: how a named set is kept in the cache. */
export function toCifarBinary(pixels: Uint8Array, labels: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(labels.length * (1 + IMAGE));
  for (let i = 0, at = 0, from = 0; i < labels.length; i++, at += 1 + IMAGE) {
    bytes[at] = labels[i]!;
    for (let p = 0; p < PLANE; p++) for (let c = 0; c < 3; c++) bytes[at + 1 + c * PLANE + p] = pixels[from++]!;
  }
  return bytes;
}
