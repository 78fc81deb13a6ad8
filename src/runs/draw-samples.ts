/**
 * Draws images for the command line: by the exact engine, whose pictures are the same on every machine; or, with
 * --oracle, by full passes through the network, some hundred times slower, against which the engine is checked.
 */

import { createEngine, type DrawOptions, type Engine, type Images } from "../exact/engine.ts";
import type { OnProgress } from "../jobs.ts";
import { completeByFullPasses, sampleByFullPasses } from "../measure/full-pass.ts";
import type { ConditionValue } from "../models/condition.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import type { Model } from "../models/model.ts";

export interface DrawRequest {
  readonly model: Model<PixelcnnConfig>;
  readonly count: number;
  readonly seed: number;
  /** Number of the first image among this seed's; default 0. */
  readonly first?: number | undefined;
  readonly temperature?: number | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** One per image; absent for a model without a condition, or to leave it out. */
  readonly conditions?: readonly ConditionValue[] | undefined;
  readonly guidance?: number | undefined;
  /** Sub-pixels (or, by the exact engine, rows) drawn, of all. */
  readonly onProgress?: OnProgress | undefined;
  /** Full passes instead of the exact engine. */
  readonly oracle?: boolean | undefined;
}

/** Images [count, H, W, C] of levels. */
export async function drawSamples({ model, oracle, ...options }: DrawRequest): Promise<Uint8Array> {
  if (oracle) return sampleByFullPasses(model, options);
  const { height, width } = model.config;
  return draw(model, options, (engine, how) => engine.sample({ ...how, count: options.count, height, width }));
}

/** `pixels` [count, H, W, C] are kept where `mask` [H, W] is not 0. */
export async function drawCompletions({
  model,
  oracle,
  ...options
}: DrawRequest & { readonly pixels: Uint8Array; readonly mask: Uint8Array }): Promise<Uint8Array> {
  if (oracle) return completeByFullPasses(model, options);
  const { height, width } = model.config;
  const { pixels, mask } = options;
  return draw(model, options, (engine, how) => engine.complete({ ...how, images: { height, width, pixels }, mask }));
}

async function draw(
  model: DrawRequest["model"],
  { count, seed, first, temperature, conditions, guidance, threads, signal, onProgress }: Omit<DrawRequest, "model">,
  work: (engine: Engine, how: DrawOptions) => Promise<Images>,
): Promise<Uint8Array> {
  // A thread costs more to start than a few small images to draw.
  const engine = createEngine(model, { threads: count < 8 ? 0 : (threads ?? 0) });
  try {
    return (await work(engine, { seed, first, temperature, conditions, guidance, signal, onProgress })).pixels;
  } finally {
    await engine.close();
  }
}
