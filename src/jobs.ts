/** What long jobs have in common: how far they are, how they are stopped, and working on several things at once. */

import { interrupted } from "./errors.ts";

/** How far a job is, in the unit that the job's own page names. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

export type OnProgress = (progress: Progress) => void;

/** Of a job that counts several things, one after another: `what` is being counted now. */
export interface LabelledProgress extends Progress {
  readonly what: string;
}

/** Throws the one error of jobs that are stopped, of kind "interrupted"; its cause is the signal's reason. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw interrupted(signal);
}

/**
 * Does `work` for 0 .. count - 1 in order, up to `lanes` of them at a time. After an error nothing new begins, and the
 * error of the first item that failed is thrown once all that had begun has ended.
 */
export async function inLanes(count: number, lanes: number, work: (item: number) => Promise<unknown>): Promise<void> {
  const errors: { readonly item: number; readonly error: unknown }[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count && errors.length === 0) {
      const item = next++;
      try {
        await work(item);
      } catch (error) {
        errors.push({ item, error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
  if (errors.length > 0) throw errors.reduce((a, b) => (a.item < b.item ? a : b)).error;
}

/** One of several processes that share a job: number `index` of `of`, from 1. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

/** Items `from` to, without, `to`. */
export interface Share {
  readonly from: number;
  readonly to: number;
}

/**
 * The items of a job that a shard does: neighbours, and about as much work for each shard. `works` says how much each
 * item is. A shard of fewer items than shards may have none. Every process that knows `works` finds the same cuts.
 */
export function shareOf(works: ArrayLike<number>, { index, of }: Shard): Share {
  let total = 0;
  for (let i = 0; i < works.length; i++) total += works[i]!;
  const share = { from: 0, to: 0 };
  let before = 0;
  for (let i = 0; i < works.length; i++) {
    // An item belongs to the shard that does the middle of it.
    const owner = Math.floor((of * (before + works[i]! / 2)) / total);
    if (owner < index - 1) share.from = i + 1;
    if (owner < index) share.to = i + 1;
    before += works[i]!;
  }
  return share;
}

/** Lets timers, messages and input have their turn. */
export function nextTurn(): Promise<void> {
  if (typeof setImmediate === "function") return new Promise((resolve) => setImmediate(resolve));
  // A browser's setTimeout would wait 4 ms each time.
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
