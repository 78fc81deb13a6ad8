/**
 * What a thread of the codec does: groups to bytes and back with an engine of its own. The protocol: "model" once, then "encode" or
 * "decode" (or "stop") in; "rows" now and then, and "encoded", "decoded" or "error" out.
 */

import { type ErrorKind, PixelcnnError } from "../errors.ts";
import { createEngine } from "../exact/engine.ts";
import type { ExactModel } from "../exact/plan.ts";
import type { Serve } from "../threads/thread.ts";
import { decodeGroup, encodeGroup, type GroupPayload } from "./group-coder.ts";
import type { Condition, GroupSize, Predictor } from "./predictor.ts";

export interface EncodeJob {
  readonly type: "encode";
  readonly pixels: Uint8Array;
  readonly size: GroupSize;
  readonly conditions: readonly Condition[] | undefined;
}

export interface DecodeJob {
  readonly type: "decode";
  readonly group: GroupSize & GroupPayload;
  readonly conditions: readonly Condition[] | undefined;
}

export type ToGroupWorker =
  | { readonly type: "model"; readonly model: ExactModel }
  | EncodeJob
  | DecodeJob
  | { readonly type: "stop" };

export type FromGroupWorker =
  | { readonly type: "rows"; readonly rows: number }
  | { readonly type: "encoded"; readonly payload: GroupPayload }
  | { readonly type: "decoded"; readonly pixels: Uint8Array }
  | { readonly type: "error"; readonly kind: ErrorKind; readonly message: string };

/** The model's identity is the caller's to check; here it is only a place to fill. */
function openPredictor(model: ExactModel): Predictor {
  const { channels, levels, conditionSize, forced, stepwise } = createEngine(model);
  return { channels, levels, conditionSize, forced, stepwise, digest: new Uint8Array(32) };
}

export const serveGroups: Serve<ToGroupWorker, FromGroupWorker> = (post) => {
  let predictor: Predictor | undefined;
  let stop = new AbortController();
  return async (message) => {
    if (message.type === "stop") return stop.abort();
    try {
      if (message.type === "model") {
        predictor = openPredictor(message.model);
        return;
      }
      stop = new AbortController();
      const { conditions } = message;
      const options = { conditions, signal: stop.signal, onRow: (rows: number) => post({ type: "rows", rows }) };
      if (message.type === "encode") {
        const payload = await encodeGroup(predictor!, message.pixels, message.size, options);
        post({ type: "encoded", payload }, [payload.payload.buffer as ArrayBuffer]);
      } else {
        const pixels = await decodeGroup(predictor!, message.group, options);
        post({ type: "decoded", pixels }, [pixels.buffer as ArrayBuffer]);
      }
    } catch (error) {
      const kind = error instanceof PixelcnnError ? error.kind : "internal";
      post({ type: "error", kind, message: error instanceof Error ? error.message : String(error) });
    }
  };
};
