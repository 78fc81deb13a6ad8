/**
 * Images to one .pxc file and back in one call each, in Node and in pages: the same files that the command line writes, with names, labels and classes. What it
 * takes to code groups, threads and damaged files by hand is in codec.ts, group-threads.ts and salvage.ts.
 */

import { fail } from "../errors.ts";
import type { Conditions, Condition as EngineCondition, GivenImages } from "../exact/engine.ts";
import type { ExactModel } from "../exact/plan.ts";
import { namesOf, wantedDigest } from "./archive-contents.ts";
import { labelOf, nameRuns, readNotes, tablesOf, writeNotes } from "./archive-notes.ts";
import { type CodecImage, type CodecProgress, decodeArchive, encodeImages } from "./codec.ts";
import { openPxc } from "./container.ts";
import { enginePredictor } from "./engine-predictor.ts";
import { openGroupThreads } from "./group-threads.ts";
import { evenTable, valuesOf } from "./level-table.ts";

/** Images of one size, as a data set's `images` gives them. `pixels` are levels, [count, H, W, C]. */
export interface ImageSet extends GivenImages {
  /** One an image; kept. */
  readonly names?: readonly string[] | undefined;
  /** One an image, -1 for none; kept. */
  readonly labels?: ArrayLike<number> | undefined;
  /** What the labels are called; kept. */
  readonly classes?: readonly string[] | null | undefined;
}

export interface CompressOptions {
  /** What the model is told of the images: one for all, or one an image; kept in the file. Default, for a model of classes: the labels. */
  readonly conditions?: Conditions;
  /** Most images a group: 64 by default. More cost less header; a damaged byte costs a whole group. */
  readonly groupSize?: number | undefined;
  /** How the file names its model, for whoever opens it: a shipped model's name, or a folder. */
  readonly modelName?: string | undefined;
  /** Threads beside the calling one; default 0. No byte depends on it. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CodecProgress) => void) | undefined;
}

export type DecompressOptions = Pick<CompressOptions, "threads" | "signal" | "onProgress">;

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
export async function compress(model: ExactModel, images: ImageSet, options: CompressOptions = {}): Promise<Uint8Array> {
  const { groupSize, modelName, signal, onProgress } = options;
  const predictor = await enginePredictor(model);
  const { channels, levels, engine } = predictor;
  const { height, width, pixels, names, labels, classes } = images;
  const each = height * width * channels;
  const count = pixels.length / each;
  if (!Number.isInteger(count) || count === 0)
    fail(
      "data",
      `expected whole images of ${height}x${width} pixels and ${channels} channels but received ${pixels.length} levels`,
    );
  for (const [what, list] of Object.entries({ names, labels }))
    if (list && list.length !== count) fail("usage", `expected ${count} ${what}, one an image, but received ${list.length}`);
  const label = (i: number): number | undefined => (labels && labels[i]! >= 0 ? labels[i]! : undefined);
  const told = conditionsOf(options.conditions, engine.condition?.kind === "class" ? label : undefined, count);
  const labelsAreConditions =
    labels !== undefined && told.every((condition, i) => condition === label(i) && condition !== undefined);
  const numbered = names && nameRuns(names);
  const coded = Array.from(
    { length: count },
    (_, i): CodecImage => ({
      ...{ height, width, pixels: pixels.subarray(i * each, (i + 1) * each) },
      name: numbered ? undefined : names?.[i],
      label: labelsAreConditions ? undefined : label(i),
      condition: told[i],
    }),
  );
  const even = evenTable(levels);
  const notes = writeNotes({
    ...{ model: modelName, classes, levels, tables: coded.map(() => even), names: numbered, lossy: false, labelsAreConditions },
  });
  const threads = options.threads ? openGroupThreads(model, predictor, { count: options.threads }) : undefined;
  try {
    return await encodeImages(predictor, coded, { groupSize, notes, signal, onProgress, threads });
  } finally {
    await threads?.close();
    await predictor.close();
  }
}

/** Gives back all images of a file, in the order in which they were given. Fails with "model" for another model's file, "corrupt" for a damaged one. */
export async function decompress(
  model: ExactModel,
  bytes: Uint8Array,
  options: DecompressOptions = {},
): Promise<RestoredImage[]> {
  const { signal, onProgress } = options;
  const predictor = await enginePredictor(model);
  const threads = options.threads ? openGroupThreads(model, predictor, { count: options.threads }) : undefined;
  try {
    const decoded = await decodeArchive(predictor, bytes, { signal, onProgress, threads });
    const file = openPxc(bytes);
    const notes = file.kind === "archive" ? readNotes(file.header.notes) : null;
    const names = namesOf(file, notes, "image.pxc");
    const tableOf = tablesOf(notes, predictor.levels);
    return decoded.map(({ index, height, width, pixels, ...image }) => {
      const label = labelOf(notes, image);
      const name = names[index]!;
      return {
        ...{ name, label, height, width, channels: predictor.channels, pixels },
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
}

/** What a file says of itself, without a model. */
export function describeArchive(bytes: Uint8Array): ArchiveSummary {
  const file = openPxc(bytes);
  const notes = file.kind === "archive" ? readNotes(file.header.notes) : null;
  const names = namesOf(file, notes, "image.pxc");
  return { images: names.length, names, classes: notes?.classes, digest: wantedDigest(file), model: notes?.model };
}

/** One condition an image. */
function conditionsOf(
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
