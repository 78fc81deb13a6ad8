/**
 * Where conditions come from: `--condition` as words, the vectors that a data set gets for it, and what of it a run's
 * folder keeps. The condition of a model that a user asks for (`--class`, `--like`) is in asked-conditions.ts.
 */

import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import { placesOf } from "../data/places.ts";
import { labelsOf } from "../data/split-by-class.ts";
import { withThumbnails } from "../data/thumbnails.ts";
import { withVectors } from "../data/with-vectors.ts";
import { fail } from "../errors.ts";
import { encode } from "../measure/encode.ts";
import type { ConditionSource, RunConfig } from "../train/config.ts";
import { folderOf, openModel } from "./open-model.ts";
import { makeFolder } from "./run-folder.ts";

/** Where a run's folder keeps the model whose encoder conditions it. */
export const ENCODER_FOLDER = "encoder";

export const CONDITION_WORDS =
  "class, captions, vectors:F.npy, encoder:MODEL, peers:MODEL (other images of the class) or thumbnail:HxW";

export interface ConditionWish {
  readonly source: ConditionSource;
  /** data.vectors, with vectors. */
  readonly vectors?: string;
}

/** `--condition class`, `thumbnail:7x7`, ... */
export function readConditionWish(text: string): ConditionWish {
  const [kind, ...rest] = text.split(":");
  const value = rest.join(":");
  if (text === "class") return { source: { from: "class" } };
  if (text === "captions") return { source: { from: "captions" } };
  if (kind === "vectors" && value) return { source: { from: "vectors" }, vectors: value };
  if (kind === "encoder" && value) return { source: { from: "encoder", model: value, of: "image" } };
  if (kind === "peers" && value) return { source: { from: "encoder", model: value, of: "class" } };
  const size = kind === "thumbnail" ? /^(\d+)x(\d+)$/.exec(value) : null;
  if (size) return { source: { from: "thumbnail", height: Number(size[1]), width: Number(size[2]) } };
  return fail("usage", `expected ${CONDITION_WORDS} for --condition but received ${JSON.stringify(text)}`);
}

/**
 * What makes a data set's vectors about 1 a number: embeddings and sentence vectors have length 1, that is, hundreds of
 * tiny numbers, which the network would learn to use only slowly. Undefined where there are none. Measured on the first
 * images, to three digits.
 */
export async function scaleOfVectors(data: Dataset): Promise<number | undefined> {
  if (data.vectorSize === undefined) return undefined;
  const indices = Array.from({ length: Math.min(1024, data.length) }, (_, i) => i);
  const { vectors } = await data.batch(indices, { epoch: 0 });
  const squares = vectors!.reduce((sum, x) => sum + x * x, 0) / vectors!.length;
  return squares > 0 && Number.isFinite(squares) ? Number((1 / Math.sqrt(squares)).toPrecision(3)) : undefined;
}

export interface AttachOptions {
  /**
   * The run's folder, which holds the encoder's copy; null of a run that is about to start, whose encoder lies
   * elsewhere.
   */
  readonly folder: string | null;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly tell: (text: string) => void;
}

/** The data set with the vectors that the source makes for its images. */
export async function attachConditions(
  data: Dataset,
  source: ConditionSource | null,
  options: AttachOptions,
): Promise<Dataset> {
  if (source?.from === "thumbnail") return withThumbnails(data, source);
  if (source?.from === "captions") {
    const { captionVectors } = await import("../text/caption-vectors.ts");
    const { vectors, size, variants } = await captionVectors(data, { onWarning: options.tell });
    return withVectors(data, vectors, size, { variants });
  }
  if (source?.from !== "encoder") return data;
  const { vectors, size } = await encoded(data, source.model, options);
  return source.of === "image" ? withVectors(data, vectors, size) : withPeers(data, vectors, size);
}

async function encoded(
  data: Dataset,
  name: string,
  { folder, threads, signal }: AttachOptions,
): Promise<{ vectors: Float32Array; size: number }> {
  const path = isAbsolute(name) || folder === null ? name : join(folder, name);
  const model = await openModel(path);
  const vectors = await encode(model, data, { threads, signal });
  return { vectors, size: vectors.length / data.length };
}

/** Peers of an image at most: of a class of thousands, every pair would fill the memory. */
const PEERS = 32;

/**
 * Each image with the vectors of other images of its class as variants, those that come after it; its own where it is
 * alone or has no class.
 */
async function withPeers(data: Dataset, vectors: Float32Array, size: number): Promise<Dataset> {
  const labels = await labelsOf(data);
  const members = placesOf(labels);
  const places = new Map([...members.values()].flatMap((images) => images.map((i, place) => [i, place] as const)));
  const rows: number[] = [];
  const offsets = [0];
  labels.forEach((label, i) => {
    const all = label < 0 ? [i] : members.get(label)!;
    const place = label < 0 ? 0 : places.get(i)!;
    // Beginning with the next one, so that the one that tests use is not the same image for a whole class.
    const peers = Array.from({ length: Math.min(PEERS, all.length - 1) }, (_, k) => all[(place + 1 + k) % all.length]!);
    rows.push(...(peers.length > 0 ? peers : [i]));
    offsets.push(rows.length);
  });
  const matrix = new Float32Array(rows.length * size);
  for (const [i, row] of rows.entries()) matrix.set(vectors.subarray(row * size, (row + 1) * size), i * size);
  return withVectors(data, matrix, size, { variants: { offsets } });
}

/**
 * Copies the encoder's model into a new run's folder, so that the run is whole by itself; the source as the run's
 * config keeps it.
 */
export async function keepEncoder(config: RunConfig, folder: string): Promise<RunConfig> {
  const { condition } = config;
  if (condition?.from !== "encoder") return config;
  const from = folderOf(await openModel(condition.model));
  await makeFolder(join(folder, ENCODER_FOLDER));
  for (const file of ["config.json", "model.safetensors", "log.jsonl"]) {
    if (existsSync(join(from, file))) await copyFile(join(from, file), join(folder, ENCODER_FOLDER, file));
  }
  return { ...config, condition: { ...condition, model: ENCODER_FOLDER } };
}
