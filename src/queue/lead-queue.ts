/**
 * The leader of a job: puts its shards into the queue and waits for their parts. It keeps nothing of its own: which
 * parts are there and which jobs are in the store says how far things are, so it can be killed and started again.
 */

import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fail, interrupted, PixelcnnError } from "../errors.ts";
import { partAt } from "../runs/make-part.ts";
import { type Job, partName } from "../runs/part-file.ts";
import { makeFolder } from "../runs/run-folder.ts";
import { counted, reasonOf } from "../words.ts";
import type { ShardAnswer, ShardOrder } from "./shard-order.ts";
import { failStore, type Store, watchStore } from "./store.ts";

export interface LeaderRules {
  /** The queue's name. */
  readonly name: string;
  readonly job: Job;
  /** The folder of the parts. */
  readonly parts: string;
  readonly version: string;
  /** The command line, without what is the leader's alone. */
  readonly words: Pick<ShardOrder, "options" | "positionals">;
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
  readonly onProgress: (progress: QueueProgress) => void;
}

export interface QueueProgress {
  readonly done: number;
  readonly total: number;
  /** Parts that were there before. */
  readonly found: number;
  /** Workers that are connected to the queue. */
  readonly workers: number | undefined;
}

export const ATTEMPTS = 3;
/** Milliseconds before the second try; each further wait is twice as long. */
const BACK_OFF = 1000;
/** Milliseconds between two looks, and between two times of adding what the store may have lost. */
const LOOK_EVERY = 400;
const ADD_EVERY = 10_000;
/** Milliseconds that a part may be invisible here after its worker has written it: network disks are slow to tell. */
const UNSEEN = 15_000;
/** Seconds that jobs stay in the store when they are over. */
const KEPT = 7 * 24 * 3600;
/** Failed shards that a message names. */
const NAMED = 5;

interface OpenShard {
  readonly index: number;
  readonly id: string;
  readonly file: string;
  /** Of the file when it was last looked at. */
  looked: number;
  /** When the store first said that it is done. */
  said?: number | undefined;
}

/** The part files of all shards, in order, when all are there. */
export async function leadQueue(store: Store, rules: LeaderRules): Promise<string[]> {
  const { job, parts, signal, note } = rules;
  // The same job with other parts is other work.
  const place = createHash("sha256").update(resolve(parts)).digest("hex").slice(0, 8);
  const all = Array.from({ length: job.shards }, (_, i): OpenShard => {
    const file = partName(job, { index: i + 1 });
    return { index: i + 1, id: `${file.replace(/\.part$/, "")}-${place}`, file: join(parts, file), looked: -1 };
  });
  const files = all.map(({ file }) => file);
  const open = new Map(all.map((shard) => [shard.id, shard]));
  await closeDone(open, job);
  const found = all.length - open.size;
  if (found > 0) note(`${counted(found, "part")} of ${all.length} there already`);
  if (open.size === 0) return files;
  await makeFolder(parts);
  const { bull, address, options } = store;
  const queue = new bull.Queue<ShardOrder, ShardAnswer>(rules.name, options);
  const watch = watchStore(queue, address, note);
  const stopped = new Promise<never>((_, reject) => {
    const stop = (): void => reject(interrupted(signal));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
  stopped.catch(() => undefined);
  try {
    await Promise.race([stopped, lead(queue, open, all.length, found, rules, watch.answers)]);
    return files;
  } catch (error) {
    if (signal.aborted) {
      note("the workers go on with what is in the queue; the same command takes it up again");
      throw error;
    }
    if (error instanceof PixelcnnError) throw error;
    return failStore(error, address);
  } finally {
    await Promise.race([queue.close().catch(() => undefined), pause(2000, undefined, { ref: false })]);
  }
}

type OrderQueue = InstanceType<Store["bull"]["Queue"]>;

async function lead(
  queue: OrderQueue,
  open: Map<string, OpenShard>,
  total: number,
  found: number,
  rules: LeaderRules,
  answers: () => void,
): Promise<void> {
  const { job, signal, note } = rules;
  const failed = new Map<number, string>();
  const ids = open.size;
  let added = Number.NEGATIVE_INFINITY;
  const started = performance.now();
  let isAlone = false;
  let isFirst = true;
  while (open.size > 0) {
    if (performance.now() - added > ADD_EVERY) {
      if (isFirst) await clearOld(queue, open);
      isFirst = false;
      // One that is in the store is not added again.
      await queue.addBulk([...open.values()].map((shard) => orderOf(shard, rules)));
      added = performance.now();
      await refuseUnseen(queue, open, total);
    }
    const failures = await idsOf(queue, "failed");
    answers();
    for (const id of failures) {
      const shard = open.get(id);
      if (!shard) continue;
      const { failedReason = "no reason was given", attemptsMade = 0 } = (await queue.getJob(id)) ?? {};
      failed.set(shard.index, `${counted(attemptsMade, "attempt")}: ${inWords(failedReason)}`);
      note(`shard ${shard.index}/${total} failed for good after ${failed.get(shard.index)}`);
      open.delete(id);
    }
    await closeDone(open, job);
    const workers = await queue.getWorkersCount().catch(() => undefined);
    rules.onProgress({ done: total - open.size - failed.size, total, found, workers });
    if (workers === 0 && !isAlone && performance.now() - started > 5000) {
      note(`no worker is at the queue ${queue.name}: start \`pixelcnn worker --queue ... --folder ...\``);
      isAlone = true;
    }
    if (open.size > 0) await pause(LOOK_EVERY, undefined, { signal }).catch(() => Promise.reject(interrupted(signal)));
  }
  if (failed.size === 0) return;
  const named = [...failed].slice(0, NAMED).map(([index, reason]) => `shard ${index}/${total} after ${reason}`);
  const more = failed.size > NAMED ? `\nand ${failed.size - NAMED} more` : "";
  fail(
    "io",
    `${failed.size} of ${counted(ids, "shard")} failed and nothing was written; the same command tries them again:\n` +
      `${named.join("\n")}${more}`,
  );
}

/** BullMQ's words for a shard whose workers were lost. */
const inWords = (reason: string): string =>
  /stalled more than/.test(reason) ? "its worker died or was not heard of while it worked on it, each time" : reason;

/** Throws where the store says for some time that a shard is done whose part is not to be seen here. */
async function refuseUnseen(queue: OrderQueue, open: ReadonlyMap<string, OpenShard>, total: number): Promise<void> {
  for (const id of await idsOf(queue, "completed")) {
    const shard = open.get(id);
    if (!shard) continue;
    shard.said ??= performance.now();
    if (performance.now() - shard.said < UNSEEN) continue;
    fail(
      "io",
      `a worker wrote the part of shard ${shard.index}/${total} but it is not at ${shard.file}: leader and workers ` +
        "must see the same folder for --parts",
    );
  }
}

/** All jobs that are over in one way, whoever they are of. */
const idsOf = (queue: OrderQueue, state: "completed" | "failed"): Promise<string[]> => queue.getRanges([state], 0, -1);

/** What an earlier leader left: shards that failed, and those that are done but whose part is gone. */
async function clearOld(queue: OrderQueue, open: ReadonlyMap<string, OpenShard>): Promise<void> {
  for (const state of ["failed", "completed"] as const)
    for (const id of await idsOf(queue, state)) if (open.has(id)) await queue.remove(id);
}

function orderOf({ index, id, file }: OpenShard, { job, version, words, parts }: LeaderRules) {
  const { about: _, ...known } = job;
  const order: ShardOrder = {
    version,
    command: job.command,
    ...words,
    cwd: process.cwd(),
    parts: resolve(parts),
    index,
    of: job.shards,
    part: basename(file),
    job: known,
  };
  return {
    name: job.command,
    data: order,
    opts: {
      jobId: id,
      attempts: ATTEMPTS,
      backoff: { type: "exponential", delay: BACK_OFF },
      removeOnComplete: { age: KEPT },
      removeOnFail: { age: KEPT },
    },
  };
}

/** Takes the shards whose parts are there, and whole, off the list. */
async function closeDone(open: Map<string, OpenShard>, job: Job): Promise<void> {
  for (const shard of [...open.values()]) {
    if (!existsSync(shard.file)) continue;
    const { mtimeMs } = statOf(shard.file);
    if (mtimeMs === shard.looked) continue;
    shard.looked = mtimeMs;
    if (await partAt(shard.file, job, { index: shard.index, of: job.shards })) open.delete(shard.id);
  }
}

function statOf(file: string): { readonly mtimeMs: number } {
  try {
    return statSync(file);
  } catch (error) {
    return fail("io", `cannot read ${file}: ${reasonOf(error)}`, error);
  }
}
