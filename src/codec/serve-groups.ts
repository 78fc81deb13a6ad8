/** What a thread of the codec does: groups to bytes and back, with an engine of its own. */

import { createEngine } from "../exact/engine.ts";
import type { ExactModel } from "../exact/plan.ts";
import { serveWork } from "../threads/pool.ts";
import { decodeGroup, encodeGroup, type GroupPayload } from "./group-coder.ts";
import type { Condition, GroupSize, Predictor } from "./predictor.ts";

export interface EncodeJob {
  readonly pixels: Uint8Array;
  readonly size: GroupSize;
  readonly conditions: readonly Condition[] | undefined;
}

export interface DecodeJob {
  readonly group: GroupSize & GroupPayload;
  readonly conditions: readonly Condition[] | undefined;
}

/** A group as bytes, or its pixels. */
export type GroupResult = GroupPayload | Uint8Array;

/** The model's identity is the caller's to check; here it is only a place to fill. */
function openPredictor(model: ExactModel): Predictor {
  const { channels, levels, conditionSize, forced, stepwise } = createEngine(model);
  return { channels, levels, conditionSize, forced, stepwise, digest: new Uint8Array(32) };
}

export const serveGroups = serveWork<ExactModel, EncodeJob | DecodeJob, number, GroupResult>(
  (model) => {
    const predictor = openPredictor(model);
    return (job, { signal, onProgress }) => {
      const options = { conditions: job.conditions, signal, onRow: onProgress };
      if ("group" in job) return decodeGroup(predictor, job.group, options);
      return encodeGroup(predictor, job.pixels, job.size, options);
    };
  },
  (result) => [(result instanceof Uint8Array ? result : result.payload).buffer as ArrayBuffer],
);
