/**
 * Exact likelihood of a whole data set on the throughput engine: float32 network, float64 sums, every image counted
 * once.
 */

import type { Dataset } from "../data/dataset.ts";
import { fail } from "../errors.ts";
import type { Share } from "../jobs.ts";
import {
  type ConditionValue,
  checkDescribes,
  conditionMatrix,
  conditionNumbersOf,
  conditionsOf,
  type Described,
} from "../models/condition.ts";
import type { ConditionConfig, PixelcnnConfig } from "../models/config.ts";
import { codesKind } from "../models/families.ts";
import { pixelcnnLogProbabilities } from "../models/log-probability.ts";
import { type Model, pixelcnnOf } from "../models/model.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { lookupFlat } from "../network/lookup.ts";
import { countOf, flatten } from "../network/parameters.ts";
import { Graph } from "../onnx/graph.ts";
import { sizeOf, tensor } from "../tensor.ts";
import { type BatchOptions, imagesOfShard, inBatches, type ShardOption } from "./batches.ts";
import { checkImages, ownLatents } from "./encode.ts";

export interface Likelihood {
  readonly images: number;
  /** Mean -log p per image. */
  readonly nats: number;
  /** nats / (H W C ln 2). */
  readonly bitsPerDim: number;
  /** -log p of each image, in the data set's order. */
  readonly each: Float64Array;
  /** Standard error of the mean nats, as if the images were a random sample. */
  readonly standardError: number;
}

export interface LikelihoodOptions extends BatchOptions {
  /** Only the first so many images. */
  readonly limit?: number | undefined;
  /**
   * One for all images, or one an image in the data set's order; default what the data say: their labels or vectors.
   * Null leaves it out.
   */
  readonly conditions?: ConditionValue | readonly ConditionValue[] | undefined;
}

/**
 * log p of images: `pixels` uint8 [B, H, W, C] (and `condition` [B, D]) and flat `weights` -> `logProbabilities` [B, H
 * W C], nats, of each sub-pixel. Their sum is left to the caller, since float32 loses nats in the fourth digit after
 * the point there.
 */
export function likelihoodGraph(model: PixelcnnConfig, batch: number): Graph {
  const graph = new Graph("likelihood");
  const specs = pixelcnnParameters(model);
  const pixels = graph.input("pixels", "uint8", [batch, model.height, model.width, model.channels]);
  const h = model.condition ? graph.input("condition", "float32", [batch, conditionNumbersOf(model.condition)]) : null;
  const weights = graph.input("weights", "float32", [countOf(specs)]);
  graph.output(
    "logProbabilities",
    pixelcnnLogProbabilities(model, lookupFlat(specs, weights), { pixels, condition: h }),
  );
  return graph;
}

/**
 * Of a model that gives images a probability. An auto-encoder's images are given their own latents, unless the options
 * say other conditions.
 */
export async function likelihood(model: Model, data: Dataset, options: LikelihoodOptions = {}): Promise<Likelihood> {
  const { each, dims } = await imageNats(model, data, options);
  return likelihoodOf(each, dims);
}

/** The likelihood of images whose own -log p are known: `dims` sub-pixels each. */
export function likelihoodOf(each: Float64Array, dims: number): Likelihood {
  const count = each.length;
  let sum = 0;
  for (const nats of each) sum += nats;
  const nats = sum / count;
  let squares = 0;
  for (const x of each) squares += (x - nats) ** 2;
  return {
    images: count,
    nats,
    bitsPerDim: nats / dims / Math.LN2,
    each,
    standardError: count > 1 ? Math.sqrt(squares / (count - 1) / count) : Number.POSITIVE_INFINITY,
  };
}

/** -log p of images: of all, or of a shard's. */
export interface ImageNats extends Share {
  /** Of images `from` to, without, `to`. */
  readonly each: Float64Array;
  /** Sub-pixels of an image. */
  readonly dims: number;
}

/** As `likelihood`, image by image. */
export async function imageNats(
  model: Model,
  data: Dataset,
  options: LikelihoodOptions & ShardOption = {},
): Promise<ImageNats> {
  const { config, parameters } = pixelcnnOf(model);
  const { height, width, channels, condition } = config;
  checkImages(config, data);
  const own = options.conditions === undefined && codesKind(model.config) === "latents";
  const given = own ? await ownLatents(model, data, options) : options.conditions;
  if (condition === null && given !== undefined && given !== null)
    fail("usage", "expected no condition for an unconditional model but received one");
  if (condition && given === undefined) checkDescribes(condition, data);
  const dims = height * width * channels;
  const count = Math.min(data.length, options.limit ?? data.length);
  if (count === 0) fail("data", `expected at least one image to evaluate but ${data.name} has none`);
  if (Array.isArray(given) && given.length !== data.length && given.length !== count)
    fail("usage", `expected a condition for each of ${count} images but received ${given.length}`);
  const batch = Math.min(
    count,
    options.batch ?? Math.max(1, Math.floor(120_000 / sizeOf([height, width, config.features]))),
  );
  const weights = flatten(pixelcnnParameters(config), parameters);
  const share = imagesOfShard(count, batch, options.shard);
  const each = new Float64Array(share.to - share.from);
  await inBatches({ graph: likelihoodGraph(config, batch), weights, batch, count }, options, async (indices) => {
    const images = await data.batch(indices, { epoch: 0 });
    const values = condition && conditionsFor(condition, given, indices, images);
    return {
      inputs: {
        pixels: tensor("uint8", [batch, height, width, channels], images.pixels),
        ...(values ? { condition: tensor("float32", [batch, values.length / batch], values) } : {}),
      },
      take({ logProbabilities }, from, size) {
        const parts = logProbabilities!.data;
        const at = from - share.from;
        for (let i = 0; i < size; i++)
          for (let p = i * dims; p < (i + 1) * dims; p++) each[at + i]! -= Number(parts[p]);
      },
    };
  });
  return { ...share, each, dims };
}

function conditionsFor(
  condition: ConditionConfig,
  given: LikelihoodOptions["conditions"],
  indices: readonly number[],
  images: Described,
): Float32Array {
  if (given === undefined) return conditionMatrix(condition, conditionsOf(condition, images));
  const each = Array.isArray(given)
    ? indices.map((i) => given[i] as ConditionValue)
    : indices.map(() => given as ConditionValue);
  return conditionMatrix(condition, each);
}
