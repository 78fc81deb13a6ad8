/**
 * What a model's encoder makes of images, as a file for other programs, for `--latent` and for `train --condition
 * vectors:F.npy`.
 */

import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { writeCsv } from "../csv.ts";
import { type Dataset, subset } from "../data/dataset.ts";
import { isImageFile } from "../data/listing.ts";
import { namedSets } from "../data/named.ts";
import { writeNpy } from "../data/npy.ts";
import { failNoImages, indicesOf, readSelection } from "../data/selection.ts";
import { labelsOf } from "../data/split-by-class.ts";
import { fail } from "../errors.ts";
import type { Progress } from "../jobs.ts";
import type { EncodeOptions } from "../measure/encode.ts";
import { didYouMean } from "../nearest.ts";
import type { RunConfig } from "../train/config.ts";
import { asDataset, type ImageCodes } from "./latent-model.ts";
import { type ForModel, openForModel } from "./model-data.ts";
import { readImages } from "./model-images.ts";
import type { OpenedModel } from "./open-model.ts";
import { isStandardOutput } from "./output.ts";

/** Codes with the names of their images. */
export interface NamedCodes {
  readonly model: string;
  /** Of one code. */
  readonly shape: readonly number[];
  readonly names: readonly string[];
  /** Names of classes; undefined where an image has none. */
  readonly labels: readonly (string | undefined)[];
  /** [N, ...shape] */
  readonly codes: Float32Array;
}

export interface EncodeWordsOptions extends Pick<EncodeOptions, "threads" | "signal" | "onProgress"> {
  /** Of data that do not say. */
  readonly split: string;
  /** Names the draw of a stochastic binarisation; default the run's. */
  readonly seed?: number | undefined;
  /** At most so many images, the first. */
  readonly limit?: number | undefined;
  readonly fit?: ForModel["fit"];
  readonly onBroken?: ForModel["onBroken"];
  readonly onSkipped?: ForModel["onSkipped"];
  readonly tell: (text: string) => void;
}

/**
 * Codes of the images that words name: files, folders, named sets and other data, or some of them (`mnist:test:0-99`).
 */
export async function encodeWords(
  words: readonly string[],
  { name: model, run }: OpenedModel,
  encoder: ImageCodes,
  { threads, signal, onProgress, ...rules }: EncodeWordsOptions,
): Promise<NamedCodes> {
  const parts = await openParts(words, run, rules);
  try {
    const { shape } = encoder;
    const m = shape.reduce((a, b) => a * b, 1);
    const count = parts.reduce((sum, part) => sum + part.length, 0);
    const names: string[] = [];
    const labels: (string | undefined)[] = [];
    const codes = new Float32Array(count * m);
    for (const part of parts) {
      const from = names.length;
      const options = {
        threads,
        signal,
        onProgress: ({ done }: Progress) => onProgress?.({ done: from + done, total: count }),
      };
      codes.set(await encoder.of(part, options), from * m);
      for (const [i, label] of (await labelsOf(part)).entries()) {
        names.push(part.nameOf(i));
        labels.push(label < 0 ? undefined : (part.classes?.[label] ?? String(label)));
      }
    }
    return { model, shape, names, labels, codes };
  } finally {
    await closeAll(parts);
  }
}

type Rules = Omit<ForModel, "source"> & { readonly limit?: number | undefined };

/**
 * The words as data sets of the model's kind of image, at most `limit` images in all. Image files that follow each
 * other are one.
 */
async function openParts(words: readonly string[], config: RunConfig, { limit, ...rules }: Rules): Promise<Dataset[]> {
  const parts: Dataset[] = [];
  let left = limit ?? Number.POSITIVE_INFINITY;
  const add = (data: Dataset): void => {
    parts.push(left < data.length ? subset(data, { to: left }) : data);
    left -= Math.min(left, data.length);
  };
  try {
    for (let i = 0; i < words.length && left > 0; ) {
      const files = await filesFrom(words, i);
      if (files.length === 0) add(await openWord(words[i]!, config, rules));
      else add(asDataset(await readImages(files.slice(0, left), config, rules), config.model));
      i += Math.max(1, files.length);
    }
    return parts;
  } catch (error) {
    await closeAll(parts);
    throw error;
  }
}

async function openWord(word: string, config: RunConfig, rules: Omit<Rules, "limit">): Promise<Dataset> {
  const selection = readSelection(word);
  if (!selection && !existsSync(word) && !namedSets.includes(word)) failNoImages(word);
  const { source = word, split = rules.split, numbers } = selection ?? {};
  const data = await openForModel(config, { ...rules, source, split });
  if (numbers === undefined) return data;
  try {
    return subset(data, indicesOf(numbers, word, data.length));
  } catch (error) {
    await data.close?.();
    throw error;
  }
}

/** The image files at `first` and behind it, up to what is none. */
async function filesFrom(words: readonly string[], first: number): Promise<string[]> {
  const files: string[] = [];
  for (const word of words.slice(first)) {
    const isFile = (await stat(word).catch(() => null))?.isFile() && (await isImageFile(word));
    // An atlas is an image too, but many in one.
    if (!isFile || existsSync(word.replace(/png$/, "jsonl"))) break;
    files.push(word);
  }
  return files;
}

async function closeAll(parts: readonly Dataset[]): Promise<void> {
  await Promise.all(parts.map((part) => part.close?.()));
}

const FORMATS: Readonly<Record<string, (encoded: NamedCodes) => string | Uint8Array>> = {
  ".json": asJson,
  ".csv": (encoded) => {
    const rows = rowsOf(encoded);
    return writeCsv([["name", ...(rows[0] ?? []).keys()], ...rows.map((code, i) => [encoded.names[i]!, ...code])]);
  },
  ".npy": ({ shape, names, codes }) => writeNpy([names.length, ...shape], codes),
};

/** What makes a file's contents of codes, by the file's ending; JSON for the standard output, which has none. */
export function codesWriter(out: string): (encoded: NamedCodes) => string | Uint8Array {
  if (isStandardOutput(out)) return asJson;
  const ending = extname(out).toLowerCase();
  const received = ending === "" ? JSON.stringify(out) : JSON.stringify(ending);
  const meant = didYouMean(ending, Object.keys(FORMATS));
  return (
    FORMATS[ending] ??
    fail("usage", `expected a file ending with .json, .csv or .npy for -o but received ${received}${meant}`)
  );
}

function rowsOf({ names, codes }: NamedCodes): number[][] {
  const m = codes.length / names.length;
  // Nine digits say a float32 without loss.
  return names.map((_, i) => Array.from(codes.subarray(i * m, (i + 1) * m), (x) => Number(x.toPrecision(9))));
}

function asJson(encoded: NamedCodes): string {
  const { model, names, labels } = encoded;
  const rows = rowsOf(encoded).map((code, i) => JSON.stringify({ name: names[i], label: labels[i], code }));
  return `{"model":${JSON.stringify(model)},"codes":[\n${rows.join(",\n")}\n]}\n`;
}
