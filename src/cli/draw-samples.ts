/** Who draws images for the command line. One place, so that a faster sampler takes over by a change of this file alone. */

import { completeByFullPasses, sampleByFullPasses } from "../full-pass.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import type { Parameters } from "../nn/params.ts";

export interface DrawRequest {
  readonly model: PixelcnnConfig;
  readonly parameters: Parameters;
  readonly count: number;
  readonly seed: number;
  readonly temperature?: number | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Sub-pixels drawn, of all. */
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

/** Images [count, H, W, C] of levels. */
export type DrawSamples = (request: DrawRequest) => Promise<Uint8Array>;
/** `pixels` [count, H, W, C] are kept where `mask` [H, W] is not 0. */
export type DrawCompletions = (
  request: DrawRequest & { readonly pixels: Uint8Array; readonly mask: Uint8Array },
) => Promise<Uint8Array>;

export const drawSamples: DrawSamples = ({ model, parameters, ...options }) => sampleByFullPasses(model, parameters, options);
export const drawCompletions: DrawCompletions = ({ model, parameters, ...options }) =>
  completeByFullPasses(model, parameters, options);

/** Whether a training run stops to draw: a full pass for each sub-pixel is too slow for more than a thousand of them. */
export function worthDrawing({ height, width, channels }: PixelcnnConfig): boolean {
  return height * width * channels <= 1024;
}
