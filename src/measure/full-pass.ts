/**
 * Sampling and completion by full passes: one whole forward of the network, on the throughput engine, for every
 * sub-pixel. Slow but obviously right: what the exact engine is checked against. Not bit-exact across machines, since
 * its logits are not; the draws from the seed are the same ones as the exact engine's, so that the two give the same
 * image but for ties in the last digits.
 */

import { checkInteger, fail, show } from "../errors.ts";
import { checkSignal, inLanes, type OnProgress } from "../jobs.ts";
import { type ConditionValue, conditionMatrix, conditionNumbersOf } from "../models/condition.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import { pixelcnnLogits } from "../models/log-probability.ts";
import { type Model, pixelcnnOf } from "../models/model.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { type Lookup, lookupIn } from "../network/lookup.ts";
import { checkParameters, type ParameterMap } from "../network/parameters.ts";
import { Graph } from "../onnx/graph.ts";
import { openPool } from "../onnx/pool.ts";
import { compile, type Device, type Session } from "../onnx/session.ts";
import { cores } from "../platform.ts";
import { type Random, randomFrom } from "../random.ts";
import { tensor } from "../tensor.ts";

export interface FullPassOptions {
  /**
   * Names all draws; default 1. Image i uses the stream randomFrom(seed, first + i), one draw per sub-pixel, also where
   * it is given.
   */
  readonly seed?: number | undefined;
  /** Number of the first image; default 0. */
  readonly first?: number | undefined;
  /**
   * Divides the logits: below 1 for likelier images, above 1 for wilder ones, 0 for the likeliest level each time;
   * default 1.
   */
  readonly temperature?: number | undefined;
  /** One for all images or one per image; null leaves it out. Default: none. */
  readonly conditions?: ConditionValue | readonly ConditionValue[] | undefined;
  /** logits = (1 + guidance) conditioned - guidance unconditioned; default 0. docs/conditioning.md. */
  readonly guidance?: number | undefined;
  /** Images a forward; default so that every thread has work. */
  readonly batch?: number | undefined;
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Sub-pixels done, of all of all images. */
  readonly onProgress?: OnProgress | undefined;
}

/** Images [count, H, W, C]. */
export async function sampleByFullPasses(
  model: Model,
  { count, ...options }: FullPassOptions & { readonly count: number },
): Promise<Uint8Array> {
  checkInteger("the number of images", count, 1);
  const { height, width, channels } = model.config;
  const pixels = new Uint8Array(count * height * width * channels);
  return completeByFullPasses(model, { ...options, pixels, mask: new Uint8Array(height * width) });
}

/**
 * Completes images: `pixels` [N, H, W, C] are kept, to the bit, where `mask` [H, W] is not 0; the others, which may
 * hold anything, are drawn.
 */
export async function completeByFullPasses(
  given: Model,
  { pixels, mask, ...options }: FullPassOptions & { readonly pixels: Uint8Array; readonly mask: Uint8Array },
): Promise<Uint8Array> {
  const { config: model, parameters } = pixelcnnOf(given);
  const { height, width, channels, levels } = model;
  const { seed = 1, first = 0, temperature = 1, guidance = 0, signal, onProgress } = options;
  const size = height * width * channels;
  const count = pixels.length / size;
  if (!Number.isInteger(count) || count === 0)
    fail("usage", `expected whole images of ${height}x${width}x${channels} but received ${pixels.length} sub-pixels`);
  if (mask.length !== height * width)
    fail("usage", `expected a mask of ${height}x${width} = ${height * width} pixels but received ${mask.length}`);
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    fail("usage", `expected a temperature of at least 0 but received ${show(temperature)}`);
  const result = pixels.slice();
  // What stands where a pixel is to be drawn is not looked at, and must be a level.
  for (let i = 0; i < result.length; i++) {
    if (mask[Math.floor((i % size) / channels)] === 0) result[i] = 0;
    else if (result[i]! >= levels)
      fail("usage", `expected levels below ${levels} but received ${result[i]} in image ${Math.floor(i / size)}`);
  }
  const threads = options.threads ?? cores();
  const batch = Math.min(
    count,
    options.batch ??
      Math.max(
        1,
        Math.min(
          Math.ceil(count / threads),
          Math.floor(400_000 / (height * width * Math.max(model.features, channels * levels))),
        ),
      ),
  );
  const conditions = conditionsFor(model, options.conditions, count);
  if (!(guidance >= 0 && Number.isFinite(guidance)))
    fail("usage", `expected a guidance of at least 0 but received ${show(guidance)}`);
  if (guidance > 0 && !conditions) fail("usage", "expected a condition for guidance to strengthen but received none");
  const session = await openPool(compile(logitsGraph(model, parameters, batch)), {
    threads: Math.min(threads, Math.ceil(count / batch)),
    device: options.device,
  });
  let done = 0;
  const drawPart = async (part: number): Promise<void> => {
    const from = part * batch;
    const chunk = Math.min(batch, count - from);
    const streams = Array.from({ length: chunk }, (_, i) => randomFrom(seed, first + from + i));
    for (let at = 0; at < size; at++) {
      checkSignal(signal);
      await drawOne({
        session,
        model,
        batch,
        at,
        streams,
        temperature,
        guidance,
        images: result.subarray(from * size, (from + chunk) * size),
        conditions: conditions?.subarray(
          (from * conditions.length) / count,
          ((from + chunk) * conditions.length) / count,
        ),
        given: mask[Math.floor(at / channels)] !== 0,
      });
      done += chunk;
      onProgress?.({ done, total: count * size });
    }
  };
  try {
    await inLanes(Math.ceil(count / batch), session.lanes, drawPart);
  } finally {
    await session.close();
  }
  return result;
}

interface Draw {
  readonly session: Session;
  readonly model: PixelcnnConfig;
  readonly batch: number;
  /** The sub-pixel. */
  readonly at: number;
  /** [chunk, H, W, C], chunk <= batch; written. */
  readonly images: Uint8Array;
  readonly streams: readonly Random[];
  readonly temperature: number;
  readonly guidance: number;
  /** [chunk, D]; absent to leave them out. */
  readonly conditions: Float32Array | undefined;
  readonly given: boolean;
}

/** Draws one sub-pixel of every image of a chunk. */
async function drawOne(draw: Draw): Promise<void> {
  const { session, model, batch, at, images, streams, temperature, guidance, conditions, given } = draw;
  const { height, width, channels, levels } = model;
  const size = height * width * channels;
  const uniforms = streams.map((stream) => (stream.bits() + 0.5) / 2 ** 32);
  if (given) return;
  // A last, smaller chunk is filled up with blank images.
  const pixels = new Uint8Array(batch * size);
  pixels.set(images);
  const logitsGiven = async (h: Float32Array | undefined): Promise<Float32Array> => {
    const D = model.condition ? conditionNumbersOf(model.condition) : 0;
    const numbers = new Float32Array(batch * D);
    numbers.set(h ?? []);
    const outputs = await session.run({
      pixels: tensor("uint8", [batch, height, width, channels], pixels),
      ...(D > 0 ? { condition: tensor("float32", [batch, D], numbers) } : {}),
    });
    return outputs.logits!.data as Float32Array;
  };
  let logits = await logitsGiven(conditions);
  if (guidance > 0) {
    const without = await logitsGiven(undefined);
    logits = logits.map((c, i) => (1 + guidance) * c - guidance * without[i]!);
  }
  uniforms.forEach((uniform, i) => {
    const start = (i * size + at) * levels;
    images[i * size + at] = drawLevel(logits.subarray(start, start + levels), uniform, temperature);
  });
}

/**
 * The level that owns a number of [0, 1) when each level owns as much as its probability, softmax(logits /
 * temperature), in float64.
 */
export function drawLevel(logits: ArrayLike<number>, uniform: number, temperature: number): number {
  let best = 0;
  for (let k = 1; k < logits.length; k++) if (logits[k]! > logits[best]!) best = k;
  if (temperature === 0) return best;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - logits[best]!) / temperature));
  let left = uniform * weights.reduce((a, b) => a + b, 0);
  for (let k = 0; k < weights.length; k++) {
    left -= weights[k]!;
    if (left < 0) return k;
  }
  return best;
}

/** Numbers of all images' conditions, [count, D]; undefined where there are none. */
function conditionsFor(
  { condition }: PixelcnnConfig,
  given: FullPassOptions["conditions"],
  count: number,
): Float32Array | undefined {
  if (given === undefined || given === null) return undefined;
  if (!condition) return fail("usage", "expected no condition for an unconditional model but received one");
  const each = Array.isArray(given)
    ? (given as ConditionValue[])
    : Array.from({ length: count }, () => given as ConditionValue);
  if (each.length !== count)
    fail("usage", `expected a condition for each of ${count} images but received ${each.length}`);
  return each.every((value) => value === null) ? undefined : conditionMatrix(condition, each);
}

/** A model's parameters as constants of a graph, for graphs that only compute with them. */
export function frozen(graph: Graph, { config, parameters }: Model<PixelcnnConfig>): Lookup {
  const specs = pixelcnnParameters(config);
  checkParameters(specs, parameters);
  return lookupIn(
    specs,
    new Map(specs.map(({ name, shape }) => [name, graph.constant("float32", shape, parameters.get(name)!.data)])),
  );
}

/** `pixels` [B, H, W, C] (and `condition` [B, D]) -> `logits` [B H W C, K], the weights inside. */
function logitsGraph(model: PixelcnnConfig, parameters: ParameterMap, batch: number): Graph {
  const graph = new Graph("full-pass");
  const pixels = graph.input("pixels", "uint8", [batch, model.height, model.width, model.channels]);
  const h = model.condition ? graph.input("condition", "float32", [batch, conditionNumbersOf(model.condition)]) : null;
  graph.output("logits", pixelcnnLogits(model, frozen(graph, { config: model, parameters }), { pixels, condition: h }));
  return graph;
}
