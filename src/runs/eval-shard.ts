/**
 * Evaluation in shards: each measures its share of the calls that one process makes, and its part keeps the nats of
 * each image. They are added up when all are there, in the order of the data, so that the sums are the same to the bit.
 */

import type { Dataset } from "../data/dataset.ts";
import { labelsOf } from "../data/split-by-class.ts";
import type { LabelledProgress, Shard } from "../jobs.ts";
import { bayes, type Classification, classNats } from "../measure/bayes.ts";
import { type ConditionComparison, comparedNats, comparisonOf } from "../measure/compare-conditions.ts";
import { imageNats, type Likelihood, type LikelihoodOptions, likelihoodOf } from "../measure/likelihood.ts";
import type { Model } from "../models/model.ts";
import { dataFingerprint, modelFingerprint } from "./fingerprint.ts";
import type { GatheredParts } from "./gather-parts.ts";
import { makePart, type ShardDone, type ShardWish } from "./make-part.ts";
import type { OpenedModel } from "./open-model.ts";

/** What is measured of images: their likelihood, that under others' conditions too, or that under every class. */
export type Measure = "likelihood" | "shuffled" | "classes";

/** What is said of a measurement, whoever made it. */
export interface AboutEvaluation {
  readonly measure: Measure;
  readonly model: { readonly name: string; readonly step: number; readonly dims: number };
  /** Whether the model has codes of its own: an auto-encoder. */
  readonly codes: boolean;
  /** Own or none; absent of a model without a condition. */
  readonly conditions?: "own" | "none" | undefined;
  readonly classes?: readonly string[] | undefined;
  readonly data: {
    readonly name: string;
    readonly split: string;
    readonly images: number;
    readonly of: number;
    readonly skipped: number;
  };
}

export type Measured =
  | { readonly measure: "likelihood"; readonly likelihood: Likelihood }
  | { readonly measure: "shuffled"; readonly comparison: ConditionComparison }
  | { readonly measure: "classes"; readonly classification: Classification };

export interface EvaluationWork {
  /** The model, or of an auto-encoder whose latents are not wanted, its decoder. */
  readonly model: Model;
  readonly data: Dataset;
  /** Null leaves the condition out. */
  readonly conditions: LikelihoodOptions["conditions"];
  /** Names who gets whose condition. */
  readonly seed: number | undefined;
  readonly options: Pick<LikelihoodOptions, "device" | "threads" | "batch" | "signal"> & {
    readonly onProgress?: ((progress: LabelledProgress) => void) | undefined;
  };
}

/** Columns of numbers, one an image, as a part keeps them. */
interface Columns {
  readonly images: number;
  readonly numbers: readonly Float64Array[];
  readonly labels?: readonly number[];
  /** Behind the numbers. */
  readonly flags: readonly Uint8Array[];
}

export async function evalShard(
  whole: OpenedModel,
  about: AboutEvaluation,
  work: EvaluationWork,
  wish: ShardWish,
): Promise<ShardDone & { readonly images: number }> {
  const { device, batch } = work.options;
  const job = {
    command: "eval",
    model: await modelFingerprint(whole),
    data: { sha256: await dataFingerprint(work.data) },
    options: { device, batch, seed: about.measure === "shuffled" ? work.seed : undefined },
    about,
  } as const;
  const done = await makePart(wish, job, async () => {
    const { images, numbers, labels, flags } = await columnsOf(about.measure, work, wish.shard);
    const payload = Buffer.concat([...numbers.map(littleEndian), ...flags]);
    return { result: { images, labels: labels ?? null }, payload };
  });
  return { ...done, images: (done.result as Pick<Columns, "images">).images };
}

async function columnsOf(
  measure: Measure,
  { model, data, conditions, seed, options: { onProgress, ...options } }: EvaluationWork,
  shard: Shard,
): Promise<Columns> {
  if (measure === "likelihood") {
    const { each } = await imageNats(model, data, {
      ...options,
      conditions,
      shard,
      onProgress: (of) => onProgress?.({ what: "testing", ...of }),
    });
    return { images: each.length, numbers: [each], flags: [] };
  }
  if (measure === "classes") {
    const { from, to, nats } = await classNats(model, data, { ...options, shard, onProgress });
    const labels = [...(await labelsOf(data)).subarray(from, to)];
    return { images: to - from, numbers: nats, labels, flags: [] };
  }
  const { own, others, strange } = await comparedNats(model, data, { ...options, seed, shard, onProgress });
  return { images: own.length, numbers: [own, ...others], flags: strange };
}

/** What was measured of all images, out of all parts. */
export function joinEvaluation({ job, parts }: GatheredParts): {
  readonly about: AboutEvaluation;
  readonly measured: Measured;
} {
  const about = job.about as AboutEvaluation;
  const { dims } = about.model;
  const results = parts.map(({ result, payload }) => {
    const { images, labels } = result as { readonly images: number; readonly labels: readonly number[] | null };
    return { images, labels: labels ?? [], payload };
  });
  /** Column `k` of all images; a part's numbers come first, then its flags. */
  const numbers = (k: number): Float64Array => {
    const each = results.flatMap(({ images, payload }) => numbersAt(payload, 8 * k * images, images));
    return Float64Array.from(each);
  };
  if (about.measure === "likelihood")
    return { about, measured: { measure: "likelihood", likelihood: likelihoodOf(numbers(0), dims) } };
  if (about.measure === "classes") {
    const classes = about.classes ?? [];
    const labels = results.flatMap((result) => result.labels);
    const nats = classes.map((_, k) => numbers(k));
    return {
      about,
      measured: { measure: "classes", classification: { classes, ...bayes(nats, labels, about.data.name) } },
    };
  }
  // Nine bytes an image for each round, and eight for its own nats.
  const some = results.find(({ images }) => images > 0)!;
  const rounds = (some.payload.length / some.images - 8) / 9;
  const every = Array.from({ length: rounds }, (_, round) => round);
  const strange = every.map((round) => {
    const flags = results.map(({ images, payload }) => {
      const at = 8 * (rounds + 1) * images + round * images;
      return payload.subarray(at, at + images);
    });
    return Buffer.concat(flags);
  });
  const compared = { from: 0, to: about.data.images, dims, own: numbers(0), strange };
  const others = every.map((round) => numbers(round + 1));
  return {
    about,
    measured: { measure: "shuffled", comparison: comparisonOf({ ...compared, others }, about.data.name) },
  };
}

function littleEndian(numbers: Float64Array): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8 * numbers.length));
  for (const [i, number] of numbers.entries()) bytes.setFloat64(8 * i, number, true);
  return new Uint8Array(bytes.buffer);
}

function numbersAt(bytes: Uint8Array, at: number, count: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => view.getFloat64(at + 8 * i, true));
}
