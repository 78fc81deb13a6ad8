/**
 * The exact engine as the codec's predictor. The digest covers what decides the frequencies and nothing else: the
 * fields of the config that the engine reads (not the size of the images that the model was trained on, since it codes
 * any, unless a map fixes it) and every parameter.
 */

import { createEngine, type Engine } from "../exact/engine.ts";
import type { ExactModel } from "../exact/plan.ts";
import { mapOf } from "../models/condition.ts";
import { identityOf } from "../models/networks.ts";
import { modelDigest } from "./digest.ts";
import type { PixelSize, Predictor } from "./predictor.ts";

export interface EnginePredictor extends Predictor {
  readonly engine: Engine;
  mostImages(size: PixelSize): number;
  /** Closes the engine. */
  close(): Promise<void>;
}

/** Bound on the buffers of a group's decoder; at 28 x 28 a group of 64 takes a tenth of it or so. */
const GROUP_MEMORY = 256 * 2 ** 20;

/** A predictor of a model; `engine` must be one of the same model. */
export async function enginePredictor(
  model: ExactModel,
  engine: Engine = createEngine(model),
): Promise<EnginePredictor> {
  const { parameters } = model;
  const entries = parameters instanceof Map ? [...parameters] : Object.entries(parameters);
  const { height, width } = engine.config;
  return {
    engine,
    channels: engine.channels,
    levels: engine.levels,
    conditionSize: engine.conditionSize,
    // The engine has checked that a model with m(h) says its size.
    mapSize: mapOf(engine.condition) ? { height, width } : undefined,
    digest: await modelDigest(identityOf(engine.config), entries),
    mostImages({ width }) {
      const one = engine.memoryFor({ count: 1, width });
      const each = engine.memoryFor({ count: 2, width }) - one;
      return Math.max(1, 1 + Math.floor((GROUP_MEMORY - one) / each));
    },
    forced: (images, size, onRow, options) => engine.forced(images, size, onRow, options),
    stepwise: (size, source, options) => engine.stepwise(size, source, options),
    close: () => engine.close(),
  };
}
