/**
 * Images to one .pxc file and back in one call each, in Node and in pages: the same files that the command line
 * writes, with names, labels and classes. What it takes to code groups, threads and damaged files by hand is in
 * codec.ts, group-threads.ts and salvage.ts.
 */

import { fail } from "../errors.ts";
import type { Conditions, Condition as EngineCondition, GivenImages } from "../exact/engine.ts";
import type { ExactModel } from "../exact/plan.ts";
import type { OnProgress } from "../jobs.ts";
import { insideOf, type ModelInside, namesOf, wantedDigest } from "./archive-contents.ts";
import { labelOf, type NotedImages, nameRuns, readNotes, tablesOf, writeNotes } from "./archive-notes.ts";
import { type CodecImage, decodeArchive, encodeImages, imagesDone } from "./codec.ts";
import { openPxc } from "./container.ts";
import { type EnginePredictor, enginePredictor } from "./engine-predictor.ts";
import { type GroupThread, type GroupThreads, openGroupThreads } from "./group-threads.ts";
import { archiveModel } from "./inner-model.ts";
import { evenTable, valuesOf } from "./level-table.ts";
import { groupKey } from "./plan-groups.ts";
import type { WeightPrecision } from "./rounded-weights.ts";
import { roundModel } from "./stored-model.ts";

/** Images of one size, as a data set's `images` gives them. `pixels` are levels, [count, H, W, C]. */
export interface ImageSet extends GivenImages {
  /** One per image; kept. */
  readonly names?: readonly string[] | undefined;
  /** One per image, -1 for none; kept. */
  readonly labels?: ArrayLike<number> | undefined;
  /** What the labels are called; kept. */
  readonly classes?: readonly string[] | null | undefined;
}

export interface CompressOptions {
  /**
   * Conditions of the images: one for all, or one per image; kept in the file. Default for a model of classes: the
   * labels.
   */
  readonly conditions?: Conditions;
  /**
   * Most images per group. Larger groups need fewer bytes of header; a damaged byte costs a whole group, and groups are
   * what threads share. Default: an eighth of the images, at least 64, and at most 1,024 or 2^20 sub-pixels.
   */
  readonly groupSize?: number | undefined;
  /** How the file names its model, for whoever opens it: a shipped model's name, or a folder. */
  readonly modelName?: string | undefined;
  /**
   * Keep the model inside, so that {@link decompress} needs nothing but the file: its weights are rounded (true: to
   * "int8") and the images are coded with the rounded model, without loss as ever. It takes one or two bytes a weight
   * before the first image: for many images, or for keeping.
   */
  readonly withModel?: boolean | WeightPrecision | undefined;
  /** Threads beside the calling one; default 0. No byte depends on it. */
  readonly threads?: number | undefined;
  /** Starts one thread; for pages whose bundler does not find the worker by itself (docs/web.md). */
  readonly startThread?: (() => GroupThread) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after rows: how many images are done. */
  readonly onProgress?: OnProgress | undefined;
}

export type DecompressOptions = Pick<CompressOptions, "threads" | "startThread" | "signal" | "onProgress">;

/** An image out of a file. */
export interface RestoredImage {
  /** A safe relative path, unlike any other in the file. */
  readonly name: string;
  readonly label: number | undefined;
  /** What the label is called, where the file says it. */
  readonly className: string | undefined;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Levels, [H, W, C]. */
  readonly pixels: Uint8Array;
  /** The values 0 .. 255 of the picture that was compressed, [H, W, C]. */
  readonly values: Uint8Array;
}

/** Compresses images without loss. The model that opens the file must be this one, to the last bit of its weights. */
export async function compress(
  given: ExactModel,
  images: ImageSet,
  options: CompressOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { groupSize, modelName, withModel, signal, onProgress } = options;
  const rounded = withModel ? roundModel(given, withModel, { step: stepOf(given) }) : undefined;
  const model = rounded ?? given;
  const predictor = await enginePredictor(model);
  const { channels, levels, engine } = predictor;
  const { height, width, pixels, names, labels, classes } = images;
  const each = height * width * channels;
  const count = pixels.length / each;
  if (!Number.isInteger(count) || count === 0)
    fail(
      "data",
      `expected whole images of ${height}x${width} pixels and ${channels} channels but received ${pixels.length} ` +
        "levels",
    );
  for (const [what, list] of Object.entries({ names, labels }))
    if (list && list.length !== count)
      fail("usage", `expected ${count} ${what}, one an image, but received ${list.length}`);
  const label = (i: number): number | undefined => (labels && labels[i]! >= 0 ? labels[i]! : undefined);
  const told = conditionsEach(options.conditions, engine.condition?.kind === "class" ? label : undefined, count);
  const even = evenTable(levels);
  const plain = Array.from({ length: count }, (_, i) => {
    const levelsOf = pixels.subarray(i * each, (i + 1) * each);
    return { height, width, pixels: levelsOf, name: names?.[i], label: label(i), condition: told[i] };
  });
  const about = { model: modelName, classes, levels, tables: plain.map(() => even), lossy: false };
  const { images: coded, notes } = withNotes(plain, about);
  const threads = threadsFor(model, predictor, options);
  try {
    return await encodeImages(predictor, coded, {
      groupSize,
      notes,
      model: rounded,
      signal,
      threads,
      onProgress: imagesDone(onProgress),
    });
  } finally {
    await threads?.close();
    await predictor.close();
  }
}

/**
 * Images as an archive keeps them, and its notes: numbered names, and labels that are conditions too, cost nothing an
 * image there.
 */
export function withNotes(
  images: readonly CodecImage[],
  {
    bare = false,
    ...about
  }: Omit<NotedImages, "names" | "labelsAreConditions"> & { readonly bare?: boolean | undefined },
): { images: CodecImage[]; notes: string } {
  // They go by the archive's order, which images of several kinds change.
  const ordered = new Set(images.map(groupKey)).size === 1 && images.every(({ name }) => name !== undefined);
  const names = bare || !ordered ? undefined : nameRuns(images.map(({ name }) => name!));
  // A class that an image is conditioned on is in the archive already.
  const labelled = !bare && images.some(({ label }) => label !== undefined);
  const labelsAreConditions = labelled && images.every(({ label, condition }) => label === condition);
  const kept = images.map((image) => ({
    ...image,
    name: names || bare ? undefined : image.name,
    label: bare || labelsAreConditions ? undefined : image.label,
  }));
  const classes = bare ? null : about.classes;
  return { images: kept, notes: writeNotes({ ...about, classes, names, labelsAreConditions }) };
}

/** Training steps, where the model says them. */
function stepOf(model: ExactModel): number | undefined {
  const { step } = model as { readonly step?: unknown };
  return Number.isSafeInteger(step) ? (step as number) : undefined;
}

/**
 * Gives back all images of a file, in the order in which they were given. Without a model it opens files that hold
 * theirs (`withModel`). Fails with "model" for another model's file, "corrupt" for a damaged one.
 */
export function decompress(bytes: Uint8Array, options?: DecompressOptions): Promise<RestoredImage[]>;
export function decompress(model: ExactModel, bytes: Uint8Array, options?: DecompressOptions): Promise<RestoredImage[]>;
export async function decompress(
  first: ExactModel | Uint8Array,
  second?: Uint8Array | DecompressOptions,
  third?: DecompressOptions,
): Promise<RestoredImage[]> {
  if (first instanceof Uint8Array) return restore(await innerModel(first), first, second as DecompressOptions);
  return restore(first, second as Uint8Array, third);
}

async function innerModel(bytes: Uint8Array): Promise<ExactModel> {
  const model = await archiveModel(bytes);
  if (model) return model;
  const { digest, model: name } = describeArchive(bytes);
  const named = name === undefined ? "" : `, named ${JSON.stringify(name)} when it was made`;
  return fail("model", `expected the model with the digest ${digest}${named}: this file does not hold it`);
}

async function restore(
  model: ExactModel,
  bytes: Uint8Array,
  options: DecompressOptions = {},
): Promise<RestoredImage[]> {
  const { signal, onProgress } = options;
  const predictor = await enginePredictor(model);
  const threads = threadsFor(model, predictor, options);
  try {
    const decoded = await decodeArchive(predictor, bytes, { signal, threads, onProgress: imagesDone(onProgress) });
    const file = openPxc(bytes);
    const notes = file.kind === "archive" ? readNotes(file.header.notes) : null;
    const names = namesOf(file, notes, "image.pxc");
    const tableOf = tablesOf(notes, predictor.levels);
    return decoded.map(({ index, height, width, pixels, ...image }) => {
      const label = labelOf(notes, image);
      const name = names[index]!;
      return {
        name,
        label,
        height,
        width,
        channels: predictor.channels,
        pixels,
        className: label === undefined ? undefined : notes?.classes?.[label],
        values: valuesOf(pixels, tableOf(index), name),
      };
    });
  } finally {
    await threads?.close();
    await predictor.close();
  }
}

export interface ArchiveSummary {
  readonly images: number;
  readonly names: readonly string[];
  readonly classes: readonly string[] | undefined;
  /** Digest of the model that coded it, in hexadecimal; of a file of one image, its first 16 digits. */
  readonly digest: string;
  /** Where the model was found when the file was made, as its writer says: a shipped model's name, or a folder. */
  readonly model: string | undefined;
  /** The model inside, if it holds one. */
  readonly inside: ModelInside | undefined;
}

/** What a file says of itself, without a model. */
export function describeArchive(bytes: Uint8Array): ArchiveSummary {
  const file = openPxc(bytes);
  const notes = file.kind === "archive" ? readNotes(file.header.notes) : null;
  const names = namesOf(file, notes, "image.pxc");
  return {
    images: names.length,
    names,
    classes: notes?.classes,
    digest: wantedDigest(file),
    model: notes?.model,
    inside: insideOf(file),
  };
}

function threadsFor(
  model: ExactModel,
  predictor: EnginePredictor,
  { threads, startThread }: DecompressOptions,
): GroupThreads | undefined {
  return threads ? openGroupThreads(model, predictor, { count: threads, startThread }) : undefined;
}

/** One condition per image. */
function conditionsEach(
  given: Conditions,
  label: ((i: number) => number | undefined) | undefined,
  count: number,
): (EngineCondition | undefined)[] {
  if (given === undefined && label) return Array.from({ length: count }, (_, i) => label(i));
  if (given === undefined || given === null) return new Array<undefined>(count).fill(undefined);
  const each: readonly (EngineCondition | null)[] = Array.isArray(given) ? given : new Array(count).fill(given);
  if (each.length !== count) fail("usage", `expected ${count} conditions, one an image, but received ${each.length}`);
  return each.map((condition) => condition ?? undefined);
}
