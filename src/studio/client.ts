/** The page's side of the worker. */

import { proxy, type Remote, wrap } from "comlink";
import type { Failure } from "./guarded.ts";
import type { Condition, Draw, Host, Look, ModelInfo, OnRow, PeerSizes } from "./host.ts";
import type { SetInfo, TrainHost, TrainingStep, TrainingView, TrainWish } from "./train-host.ts";

export type { Condition, Draw, Look, ModelInfo, PeerSizes, SetInfo, TrainingStep, TrainingView, TrainWish };

export interface Client {
  readonly host: Remote<Host>;
  draw(draw: Draw, onRow: OnRow): Promise<Uint8Array>;
}

export function startClient(): Client {
  const host = wrap<Host>(new Worker(new URL("./host.ts", import.meta.url), { type: "module", name: "pixelcnn" }));
  return { host, draw: (draw, onRow) => host.draw(draw, proxy(onRow)) };
}

/** The worker that trains: started when it is first asked for, since it brings the training runtime. */
export function startTrainer(): Remote<TrainHost> {
  return wrap<TrainHost>(new Worker(new URL("./train-host.ts", import.meta.url), { type: "module", name: "training" }));
}

/** Marks a listener, so that it is called across the worker's border. */
export const across = <T extends object>(listener: T): T => proxy(listener);

/** What a call of the worker failed with; null for what was stopped on request. */
export function failureOf(error: unknown): Failure | null {
  const text = error instanceof Error ? error.message : String(error);
  let failure: Failure = { kind: "internal", message: text };
  try {
    const told = JSON.parse(text) as Failure;
    if (typeof told.message === "string") failure = told;
  } catch {
    // Not one of ours: the text says what it is.
  }
  return failure.kind === "interrupted" ? null : failure;
}
