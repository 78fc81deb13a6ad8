/**
 * The exact engine as the codec's predictor. The digest covers what decides the frequencies and nothing else: the fields of the config
 * that the engine reads (not the size of the images that the model was trained on, since it codes any, unless a map fixes it) and every
 * parameter.
 */

import { mapOf } from "../models/condition.ts";
import type { ConditionConfig } from "../models/config.ts";
import { createEngine, type Engine } from "../raster/engine.ts";
import type { RasterConfig, RasterModel } from "../raster/parameters.ts";
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
export async function enginePredictor(model: RasterModel, engine: Engine = createEngine(model)): Promise<EnginePredictor> {
  const { parameters } = model;
  const entries = parameters instanceof Map ? [...parameters] : Object.entries(parameters);
  const { height, width } = model.config;
  return {
    engine,
    channels: engine.channels,
    levels: engine.levels,
    conditionSize: engine.conditionSize,
    // The engine has checked that a model with m(h) says its size.
    mapSize: mapOf(engine.condition) ? { height: height!, width: width! } : undefined,
    digest: await modelDigest(readFields(model.config, engine.condition), entries),
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

/** The fields of a config that the engine reads, each by name: another field must not slip into the digest. */
function readFields(config: RasterConfig, condition: ConditionConfig | null): object {
  const { channels, levels, features, depth, firstKernel, kernels, dilations, skip, head, height, width } = config;
  return {
    ...{ channels, levels, features, depth, firstKernel, kernels, dilations, skip },
    head: { kind: head.kind, features: head.features },
    condition: condition && conditionFields(condition),
    // m(h) is cut to the image's size, so a model with one codes images of one size.
    ...(mapOf(condition) ? { height, width } : {}),
  };
}

/** Classes by their number: what they are called decides no frequency. */
function conditionFields(condition: ConditionConfig): object {
  switch (condition.kind) {
    case "class":
      return { kind: condition.kind, size: condition.classes.length };
    case "vector": {
      const { kind, size, scale = 1, features } = condition;
      // A scale of 1 is no scale.
      return { kind, size, ...(scale === 1 ? {} : { scale }), ...(features === undefined ? {} : { features }) };
    }
    case "map": {
      const { kind, height, width, channels, features } = condition;
      return { kind, height, width, channels, features };
    }
  }
}
