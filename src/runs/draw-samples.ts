/**
 * Who draws images for the command line: the exact engine, whose pictures are the same on every machine; or, asked with --oracle, full passes
 * through the network, some hundred times slower, which it is checked against.
 */

import { createEngine, type Engine } from "../exact/engine.ts";
import { completeByFullPasses, sampleByFullPasses } from "../measure/full-pass.ts";
import type { ConditionValue } from "../models/condition.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import type { Model } from "../models/model.ts";

export interface DrawRequest {
  readonly model: Model<PixelcnnConfig>;
  readonly count: number;
  readonly seed: number;
  readonly temperature?: number | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** One an image; absent for a model without, or to leave them out. */
  readonly conditions?: readonly ConditionValue[] | undefined;
  readonly guidance?: number | undefined;
  /** Sub-pixels (or, by the exact engine, rows) drawn, of all. */
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
  /** Full passes instead of the exact engine. */
  readonly oracle?: boolean | undefined;
}

/** Images [count, H, W, C] of levels. */
export async function drawSamples({ model, oracle, ...options }: DrawRequest): Promise<Uint8Array> {
  if (oracle) return sampleByFullPasses(model, options);
  const { height, width } = model.config;
  const drawn = await withEngine({ model, ...options }, (engine) =>
    engine.sample({ ...drawOptions(options), count: options.count, height, width }),
  );
  return drawn.pixels;
}

/** `pixels` [count, H, W, C] are kept where `mask` [H, W] is not 0. */
export async function drawCompletions({
  model,
  oracle,
  pixels,
  mask,
  ...options
}: DrawRequest & { readonly pixels: Uint8Array; readonly mask: Uint8Array }): Promise<Uint8Array> {
  if (oracle) return completeByFullPasses(model, { ...options, pixels, mask });
  const { height, width } = model.config;
  const drawn = await withEngine({ model, ...options }, (engine) =>
    engine.complete({ ...drawOptions(options), images: { height, width, pixels }, mask }),
  );
  return drawn.pixels;
}

function drawOptions({ seed, temperature, conditions, guidance, signal, onProgress }: Omit<DrawRequest, "model">) {
  return {
    seed,
    temperature,
    guidance,
    ...(conditions ? { conditions } : {}),
    signal,
    ...(onProgress ? { onProgress: ({ done, total }: { done: number; total: number }) => onProgress(done, total) } : {}),
  };
}

async function withEngine<T>(
  { model, threads, count }: Pick<DrawRequest, "model" | "threads" | "count">,
  draw: (engine: Engine) => Promise<T>,
): Promise<T> {
  // A thread costs more to start than a few small images to draw.
  const engine = createEngine(model, { threads: count < 8 ? 0 : (threads ?? 0) });
  try {
    return await draw(engine);
  } finally {
    await engine.close();
  }
}
