/**
 * Threads that code whole groups, since a decoder must stand beside the network that it asks. Each runs its own
 * engine of the same model, so no byte depends on their number.
 */

import { checkInteger, PixelcnnError } from "../errors.ts";
import type { ExactModel } from "../exact/plan.ts";
import { nodeThread, nodeThreads, sourceOf } from "../threads/node-thread.ts";
import { own, type PoolThread, ThreadPool } from "../threads/pool.ts";
import { webThread } from "../threads/thread.ts";
import type { GroupPayload, StreamOptions } from "./group-coder.ts";
import type { Condition, GroupSize, Predictor } from "./predictor.ts";
import { type DecodeJob, type EncodeJob, type GroupResult, serveGroups } from "./serve-groups.ts";

export type GroupThread = PoolThread<ExactModel, EncodeJob | DecodeJob, number, GroupResult>;

/** For the `threads` option of the codec. */
export interface GroupThreads {
  /** How many groups run at a time. */
  readonly count: number;
  /** The model's: the codec refuses threads of another model. */
  readonly digest: Uint8Array;
  encode(pixels: Uint8Array, size: GroupSize, options: StreamOptions): Promise<GroupPayload>;
  decode(group: GroupSize & GroupPayload, options: StreamOptions): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** `count` threads; each starts with its first group. `predictor` is that of the same model. */
export function openGroupThreads(
  { config, parameters }: ExactModel,
  { digest }: Pick<Predictor, "digest">,
  options: { readonly count: number; readonly startThread?: (() => GroupThread) | undefined },
): GroupThreads {
  const count = checkInteger("count", options.count, 1, 1024);
  const pool = new ThreadPool<ExactModel, EncodeJob | DecodeJob, number, GroupResult>({
    size: count,
    start: options.startThread ?? startThread,
    of: "the codec",
    // No more than the thread needs: a model may come with functions of its owner, which no message takes along.
    setup: { config, parameters },
    standIn: { serve: serveGroups, worker: "codec-worker" },
    closed: () => new PixelcnnError("interrupted", "stopped: the threads were closed"),
  });
  return {
    count,
    digest,
    async encode(pixels, { count, height, width }, { conditions, signal, onRow }) {
      const job = { pixels: own(pixels), size: { count, height, width }, conditions: ownConditions(conditions) };
      return (await pool.run(job, { signal, onProgress: onRow })) as GroupPayload;
    },
    async decode({ count, height, width, stored, streamLength, payload, pixelsCrc }, { conditions, signal, onRow }) {
      const group = { count, height, width, stored, streamLength, payload: own(payload), pixelsCrc };
      const job = { group, conditions: ownConditions(conditions) };
      return (await pool.run(job, { signal, onProgress: onRow })) as Uint8Array;
    },
    close: () => pool.close(),
  };
}

const ownConditions = (conditions: readonly Condition[] | undefined): readonly Condition[] | undefined =>
  conditions?.map((condition) => (typeof condition === "number" ? condition : own(condition)));

/** Starts group-worker.ts (or, in a compiled package, group-worker.js). */
function startThread(): GroupThread {
  const threads = nodeThreads();
  const source = sourceOf(import.meta.url, "group-worker.ts");
  // Bundlers look for exactly `new Worker(new URL("./group-worker.js", import.meta.url), ...)`.
  if (threads) return nodeThread(new threads.Worker(source ?? new URL("./group-worker.js", import.meta.url)));
  if (source) return webThread(new Worker(source, { type: "module" }));
  return webThread(new Worker(new URL("./group-worker.js", import.meta.url), { type: "module" }));
}
