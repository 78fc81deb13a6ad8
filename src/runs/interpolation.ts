/**
 * The way from one code to another: between the codes of two images, or between two classes; and images drawn along it
 * so that only the code differs, as in the figure of van den Oord et al. 2016.
 */

import { fail } from "../errors.ts";
import { createEngine } from "../exact/engine.ts";
import type { OnProgress } from "../jobs.ts";
import { type ConditionValue, conditionNumbers, describeCondition } from "../models/condition.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import type { Model } from "../models/model.ts";
import { readClasses } from "./asked-conditions.ts";
import { asDataset, type CodeImages, codesEach, expectCodes } from "./latent-model.ts";
import { readImages } from "./model-images.ts";
import type { OpenedModel } from "./open-model.ts";

export interface Ends {
  readonly codes: readonly [Float32Array, Float32Array];
  readonly names: readonly [string, string];
  /** Both images; null between classes. */
  readonly pixels: Uint8Array | null;
  /** Whether codes have length one, and so have those between them. */
  readonly round: boolean;
}

export interface EndsOptions {
  /** Words for two images. */
  readonly images: readonly string[];
  /** Of a model of classes, instead of the images. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly tell: (text: string) => void;
}

/** The codes of two images, or of two classes. */
export async function readEnds(
  whole: OpenedModel,
  back: CodeImages,
  { images: words, from, to, threads, signal, tell }: EndsOptions,
): Promise<Ends> {
  const condition = back.kind === "pixelcnn" ? back.model.config.condition : null;
  const byClass = from !== undefined || to !== undefined;
  if (byClass && words.length > 0) fail("usage", "expected two images, or --from C and --to C, but received both");
  if (condition?.kind === "class") {
    const received = byClass
      ? `--${from === undefined ? "to" : "from"} alone`
      : words.length > 0
        ? "images"
        : "neither";
    if (from === undefined || to === undefined)
      return fail(
        "usage",
        `expected --from C and --to C for ${whole.name}, which is conditioned on ` +
          `${describeCondition(condition)}, but received ${received}`,
      );
    const end = (word: string, text: string): Float32Array => {
      const [first, ...others] = readClasses(text, condition.classes);
      if (others.length > 0)
        fail("usage", `expected one class for --${word} but received ${others.length + 1}: ${JSON.stringify(text)}`);
      return conditionNumbers(condition, first!.value);
    };
    return { codes: [end("from", from), end("to", to)], names: [from, to], pixels: null, round: false };
  }
  const encoder = await expectCodes(whole);
  if (byClass)
    fail(
      "usage",
      `expected two images to go between, since ${whole.name} is no model of classes, but received ` +
        `--${from === undefined ? "to" : "from"}`,
    );
  if (words.length === 0)
    fail(
      "usage",
      "expected two images to go between, files or some of a data set (mnist:test:3,18), but received none",
    );
  const images = await readImages(words, whole.run, { tell });
  if (images.names.length !== 2)
    fail(
      "usage",
      `expected two images to go between but received ${images.names.length}: ${images.names.slice(0, 8).join(", ")}`,
    );
  const [a, b] = await codesEach(encoder, asDataset(images, whole.config), { threads, signal });
  return {
    codes: [a!, b!],
    names: [images.names[0]!, images.names[1]!],
    pixels: images.pixels,
    round: encoder.kind === "embedding",
  };
}

/** `steps` codes on the way, both ends included. */
export function codesBetween({ codes: [a, b], round }: Pick<Ends, "codes" | "round">, steps: number): Float32Array[] {
  const between = round ? onGreatCircle : onLine;
  return Array.from({ length: steps }, (_, k) => between(a, b, k / (steps - 1)));
}

type Between = (a: Float32Array, b: Float32Array, t: number) => Float32Array;

const onLine: Between = (a, b, t) => a.map((x, i) => (1 - t) * x + t * b[i]!);

/**
 * Between vectors of length one, by the shorter arc, so that each is one too; a line inside the sphere would be codes
 * that no image has.
 */
const onGreatCircle: Between = (a, b, t) => {
  const length = (of: (i: number) => number): number => Math.sqrt(a.reduce((sum, _, i) => sum + of(i) ** 2, 0));
  // Not the arc cosine, which loses half the digits where the two are near.
  const angle =
    2 *
    Math.atan2(
      length((i) => a[i]! - b[i]!),
      length((i) => a[i]! + b[i]!),
    );
  // One point, or two that are opposite and have no shorter arc.
  if (Math.sin(angle) < 1e-6) return onLine(a, b, t);
  const [p, q] = [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
  return a.map((x, i) => p * x + q * b[i]!);
};

export interface ColumnOptions {
  readonly rows: number;
  readonly seed: number;
  readonly temperature?: number | undefined;
  readonly guidance?: number | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Images [columns, rows, H, W, C]. Each column is drawn as if alone, so that row r of every column has the r-th image's
 * draws of the seed.
 */
export async function drawColumns(
  model: Model<PixelcnnConfig>,
  conditions: readonly Exclude<ConditionValue, null>[],
  { rows, threads = 0, onProgress, ...how }: ColumnOptions,
): Promise<Uint8Array> {
  const { height, width, channels } = model.config;
  const size = rows * height * width * channels;
  const columns = new Uint8Array(conditions.length * size);
  const engine = createEngine(model, { threads });
  let done = 0;
  const draw = async (value: Exclude<ConditionValue, null>, k: number): Promise<void> => {
    let before = 0;
    const column = await engine.sample({
      ...how,
      count: rows,
      height,
      width,
      conditions: value,
      onProgress(progress) {
        done += progress.done - before;
        before = progress.done;
        onProgress?.({ done, total: conditions.length * rows * height });
      },
    });
    columns.set(column.pixels, k * size);
  };
  try {
    if (threads > 1) await Promise.all(conditions.map(draw));
    else for (const [k, value] of conditions.entries()) await draw(value, k);
    return columns;
  } finally {
    await engine.close();
  }
}
