/**
 * The vectors of a data set's captions, each text embedded once and kept: beside a user's data as `.pixelcnn-text.npy`
 * and `.json`, for a named set in the cache. What comes back is what withVectors takes: an image's captions are its
 * variants.
 */

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import { namedSets } from "../data/named.ts";
import { cacheFolder } from "../data/npm-package.ts";
import { checkInteger, fail } from "../errors.ts";
import type { OnProgress } from "../jobs.ts";
import { reasonOf } from "../words.ts";
import { sentenceEmbedder, type TextEmbedder } from "./sentence-vectors.ts";
import { readTextStore, type TextStore, writeTextStore } from "./text-store.ts";

export interface CaptionVectors {
  /** [all captions, size], those of image 0 first. */
  readonly vectors: Float32Array;
  readonly size: number;
  /** Which rows are whose, as withVectors takes it. An image without captions has none: all zeros, no condition. */
  readonly variants: { readonly offsets: Uint32Array };
  /** Name of what made them. */
  readonly encoder: string;
}

export interface CaptionOptions {
  /** Default: the sentence encoder of sentence-vectors.ts. */
  embedder?: TextEmbedder | undefined;
  /** Where the vectors are kept; default: the folder that the data set is named after, or the cache. */
  folder?: string | undefined;
  /** Called as texts are embedded; not at all where all of them were kept. */
  onProgress?: OnProgress | undefined;
  onWarning?: ((text: string) => void) | undefined;
}

/** Texts embedded between two writings of the store, so that little is lost when the process ends. */
const BETWEEN = 1024;

export async function captionVectors(dataset: Dataset, options: CaptionOptions = {}): Promise<CaptionVectors> {
  const { embedder = sentenceEmbedder } = options;
  const { name, length } = dataset;
  if (!dataset.captionsOf)
    return fail(
      "usage",
      `expected captions for the images of ${name} but it has none: a captions.jsonl of {"file", "text"} or a .txt ` +
        "beside each image gives them",
    );
  const captions = Array.from({ length }, (_, i) => dataset.captionsOf!(i));
  const texts = captions.flat();
  if (texts.length === 0)
    fail("usage", `expected captions for some images of ${name} (${dataset.split}) but received none`);
  const store = await storeOf(dataset, [...new Set(texts)], embedder, options);
  const size = checkInteger(`the size of the vectors of ${embedder.name}`, store.get(texts[0]!)!.length, 1);
  const vectors = new Float32Array(texts.length * size);
  for (const [i, text] of texts.entries()) vectors.set(store.get(text)!, i * size);
  const offsets = new Uint32Array(length + 1);
  for (const [i, some] of captions.entries()) offsets[i + 1] = offsets[i]! + some.length;
  return { vectors, size, variants: { offsets }, encoder: embedder.name };
}

/** A store that holds these texts: what was kept, and the rest embedded and kept. */
async function storeOf(
  dataset: Dataset,
  texts: readonly string[],
  embedder: TextEmbedder,
  { folder, onProgress, onWarning }: CaptionOptions,
): Promise<TextStore> {
  const [stem, other] = await stemsOf(dataset.name, folder);
  let store = await readTextStore(stem, embedder.name);
  // A folder that could not be written: what was kept is in the cache.
  if (store.size === 0 && other !== null) store = await readTextStore(other, embedder.name);
  const missing = texts.filter((text) => !store.has(text));
  const stems = other === null ? [stem] : [stem, other];
  for (let start = 0; start < missing.length; start += BETWEEN) {
    const some = missing.slice(start, start + BETWEEN);
    const { vectors, size } = await embedder.embed(some);
    for (const [i, text] of some.entries()) store.set(text, vectors.subarray(i * size, (i + 1) * size));
    await keep(stems, embedder.name, store, onWarning);
    onProgress?.({ done: start + some.length, total: missing.length });
  }
  return store;
}

/** Writes the store at the first of the stems that can be written; each that cannot is taken out, with a warning. */
async function keep(
  stems: string[],
  embedder: string,
  store: TextStore,
  onWarning: CaptionOptions["onWarning"],
): Promise<void> {
  while (stems.length > 0) {
    try {
      return await writeTextStore(stems[0]!, embedder, store);
    } catch (error) {
      const [stem, next] = stems;
      stems.shift();
      const instead = next === undefined ? "they are not kept" : `they are kept as ${next}.npy instead`;
      onWarning?.(`the vectors of the captions cannot be kept as ${stem}.npy (${reasonOf(error)}): ${instead}`);
    }
  }
}

/** Where the vectors of a data set are kept (without the extension), and where they are when that cannot be written. */
async function stemsOf(name: string, folder: string | undefined): Promise<[string, string | null]> {
  const inCache = (file: string): string => join(cacheFolder(), "text", file);
  if (folder !== undefined) return [join(folder, ".pixelcnn-text"), null];
  if (namedSets.includes(name)) return [inCache(name), null];
  const digest = createHash("sha256").update(resolve(name)).digest("hex").slice(0, 32);
  const found = await stat(name).catch(() => null);
  if (found === null) return [inCache(digest), null];
  return [join(found.isDirectory() ? name : dirname(name), ".pixelcnn-text"), inCache(digest)];
}
