/**
 * A worker of runs that train over a queue. It keeps model and data of a run open for as long as the run is there, and
 * works out shards of its steps in threads of this process: a shard is a moment's work, too short for a process of its
 * own. What cannot be the leader's run, to the bit, is refused before a shard is taken.
 */

import { createHash, randomUUID } from "node:crypto";
import { realpathSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { fail } from "../errors.ts";
import { attachConditions } from "../runs/condition-source.ts";
import { dataFingerprint } from "../runs/fingerprint.ts";
import { openTrainData } from "../runs/train-data.ts";
import { openBatches } from "../train/batches.ts";
import { openShardWork, type ShardSums } from "../train/shard-work.ts";
import { counted, printable, reasonOf } from "../words.ts";
import { checkTrainingPlaces } from "./allowed-places.ts";
import type { Served, WorkerRules } from "./serve-queue.ts";
import { failStore, type Store, type StoreClient, watchStore } from "./store.ts";
import {
  type FromWorker,
  NUMBERS_KEPT,
  pack,
  type RunKeys,
  readTask,
  readTrainingOrder,
  runKeys,
  runsKey,
  type Task,
  type TrainingOrder,
  unpack,
  workerKey,
} from "./training-order.ts";

export type TrainingWorkerRules = Omit<WorkerRules, "program" | "atOnce">;

/** Milliseconds between two looks for runs, after a shard that failed, and for what is in hand at the end. */
const LOOK = 500;
const REST = 1000;
const CLOSING = 10_000;
/** Seconds to wait for a task before looking for runs again. */
const WAIT = 1;

/** Model and data of a run. */
interface Opened {
  readonly lanes: number;
  readonly fingerprint: string;
  sums(task: Task, weights: Promise<Float32Array>): Promise<ShardSums>;
  close(): Promise<void>;
}

/** A run that this worker has heard of. */
interface Known {
  readonly keys: RunKeys;
  readonly digest: string;
  /** Until the worker has joined, and of a run that it refused: none. */
  opened?: Opened;
  step?: { readonly number: number; readonly weights: Promise<Float32Array> };
}

/** Works until it is told to stop, and then finishes what is in hand. */
export async function serveTraining(store: Store, rules: TrainingWorkerRules): Promise<Served> {
  const worker = new TrainingWorker(store, rules);
  try {
    return await worker.serve();
  } finally {
    await worker.close();
  }
}

class TrainingWorker {
  readonly #id = `${hostname().replace(/[^\w-]/g, "-")}-${process.pid}-${randomUUID().slice(0, 4)}`;
  readonly #store: Store;
  readonly #rules: TrainingWorkerRules;
  readonly #folders: readonly string[];
  readonly #ask: StoreClient;
  readonly #hear: StoreClient;
  readonly #answers: () => void;
  readonly #known = new Map<string, Known>();
  /** By what they are of, the last used at the end: a leader that is started again finds its run open. */
  readonly #opened = new Map<string, Promise<Opened>>();
  readonly #inHand = new Set<Promise<void>>();
  #busy = 0;
  #lanes = 1;
  /** Tasks taken beyond those that are worked on. */
  #ahead = 0;
  readonly #served: Served = { done: 0, failed: 0, handedBack: 0 };

  constructor(store: Store, rules: TrainingWorkerRules) {
    this.#store = store;
    this.#rules = rules;
    this.#folders = rules.folders.map((folder) => {
      try {
        return realpathSync(folder);
      } catch (error) {
        return fail("io", `cannot read ${folder}: ${reasonOf(error)}`, error);
      }
    });
    this.#ask = store.connect();
    this.#hear = store.connect();
    this.#answers = watchStore(this.#ask, store.address, rules.note).answers;
    this.#hear.on("error", () => undefined);
  }

  async serve(): Promise<Served> {
    const { signal, lease, name } = this.#rules;
    const live = (): void =>
      void this.#ask.set(workerKey(name, this.#id), "1", "PX", lease * 1000).catch(() => undefined);
    live();
    const beat = setInterval(live, (lease * 1000) / 3);
    // A store that is away is waited for, but not by a worker that is told to stop.
    const gaveUp = new Promise<"gave up">((resolve) => {
      const stop = (): void => void setTimeout(resolve, 2 * WAIT * 1000, "gave up");
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop, { once: true });
    });
    try {
      if ((await Promise.race([this.#takeTasks(), gaveUp])) === "gave up") return this.#served;
      const late = pause(CLOSING, undefined, { ref: false });
      await Promise.race([Promise.all(this.#inHand), late]);
      for (const { keys, opened } of this.#known.values())
        if (opened) await Promise.race([this.#say(keys, { type: "left", worker: this.#id }), late]);
      return this.#served;
    } catch (error) {
      return failStore(error, this.#store.address);
    } finally {
      clearInterval(beat);
      this.#ask.del(workerKey(name, this.#id)).catch(() => undefined);
    }
  }

  /** Until the worker is told to stop. */
  async #takeTasks(): Promise<void> {
    let looked = Number.NEGATIVE_INFINITY;
    while (!this.#rules.signal.aborted) {
      if (performance.now() - looked > LOOK) {
        await this.#lookForRuns();
        looked = performance.now();
      }
      const runs = [...this.#known.values()].filter(({ opened }) => opened);
      // A task that waits for a free lane here may be missing to a worker that has one.
      if (this.#busy >= this.#lanes + this.#ahead) await Promise.race(this.#inHand);
      else if (runs.length === 0) await pause(LOOK / 2);
      else {
        const got = await this.#hear.blpop(runs.map(({ keys }) => keys.tasks) as [string, ...string[]], WAIT);
        const task = got && readTask(got[1]);
        if (!task) continue;
        const { step, shard, ahead } = task;
        this.#ahead = ahead ? 1 : 0;
        this.#begin(runs.find(({ keys }) => keys.tasks === got[0])!, { step, shard });
      }
    }
  }

  /** Joins runs that are new, and forgets those that are over or whose leader is not heard of. */
  async #lookForRuns(): Promise<void> {
    const { name } = this.#rules;
    const ids = await this.#ask.smembers(runsKey(name));
    this.#answers();
    const orders = await Promise.all(ids.map((id) => this.#ask.get(runKeys(name, id).order)));
    const there = new Map(ids.flatMap((id, i) => (orders[i] === null ? [] : [[id, orders[i]!] as const])));
    const over = ids.filter((id) => !there.has(id));
    if (over.length > 0) await this.#ask.srem(runsKey(name), ...over);
    for (const id of [...this.#known.keys()]) if (!there.has(id)) this.#known.delete(id);
    for (const [id, text] of there) {
      if (this.#known.has(id)) continue;
      const digest = createHash("sha256").update(text).digest("hex");
      const run: Known = { keys: runKeys(name, id), digest };
      this.#known.set(id, run);
      // Opening may take long, and other runs go on meanwhile.
      void this.#join(id, run, text);
    }
    await this.#closeUnused();
  }

  async #join(id: string, run: Known, text: string): Promise<void> {
    const { note, version } = this.#rules;
    const worker = this.#id;
    await this.#say(run.keys, { type: "opens", worker });
    try {
      const order = readTrainingOrder(text, version);
      await checkTrainingPlaces(order, this.#folders);
      const opening = this.#opened.get(run.digest) ?? this.#open(order);
      this.#opened.delete(run.digest);
      this.#opened.set(run.digest, opening);
      const opened = await opening;
      if (opened.fingerprint !== order.data) {
        await opened.close();
        fail(
          "data",
          `expected at ${order.config.data.source} the images that the leader trains on but found others: ` +
            `fingerprint ${opened.fingerprint.slice(0, 16)}, the leader's is ${order.data.slice(0, 16)}`,
        );
      }
      await this.#say(run.keys, { type: "joined", worker, lanes: opened.lanes });
      this.#lanes = opened.lanes;
      run.opened = opened;
      note(`joined run ${id} in ${printable(order.folder)}, ${counted(opened.lanes, "shard")} at a time`);
    } catch (error) {
      this.#opened.delete(run.digest);
      const reason = reasonOf(error);
      note(`refused run ${id}: ${printable(reason)}`);
      await this.#say(run.keys, { type: "refused", worker, reason });
    }
  }

  async #open({ config, folder, shard }: TrainingOrder): Promise<Opened> {
    const { threads, signal, note } = this.#rules;
    const { source, ...options } = config.data;
    const { train, test } = await openTrainData(source, options, note);
    await test.close?.();
    const data = await attachConditions(train, config.condition, { folder, threads, signal, tell: note });
    const fingerprint = await dataFingerprint(data);
    const read = await openBatches(config, data);
    const work = await openShardWork(config.model, shard, threads);
    return {
      lanes: work.lanes,
      fingerprint,
      async sums(task, weights) {
        const share = { from: task.shard * shard, to: (task.shard + 1) * shard };
        // Images and weights come side by side.
        const images = read(task.step, share);
        images.catch(() => undefined);
        const given = await weights;
        return work.sums(await images, shard, 0, given);
      },
      close: async () => void (await Promise.all([work.close(), train.close?.()])),
    };
  }

  #begin(run: Known, task: Task): void {
    this.#busy++;
    const isFree = this.#work(run, task).finally(() => {
      this.#busy--;
      this.#inHand.delete(isFree);
    });
    this.#inHand.add(isFree);
  }

  async #work(run: Known, task: Task): Promise<void> {
    const { keys } = run;
    const worker = this.#id;
    try {
      this.#say(keys, { type: "taken", worker, ...task });
      // A step's weights are fetched once, whatever its shards here.
      if (run.step?.number !== task.step) run.step = { number: task.step, weights: this.#weights(keys, task) };
      const { loss, gradient } = await run.opened!.sums(task, run.step.weights);
      this.#served.done++;
      // It travels while the next shard is worked on.
      const sent = this.#say(keys, { type: "sums", worker, loss, ...task }, gradient);
      this.#inHand.add(sent);
      void sent.finally(() => this.#inHand.delete(sent));
    } catch (error) {
      if (run.step?.number === task.step) delete run.step;
      if (error instanceof Missed) return this.#say(keys, { type: "missed", worker, ...task });
      this.#served.failed++;
      const reason = reasonOf(error);
      this.#rules.note(`shard ${task.shard + 1} of step ${task.step + 1} failed: ${printable(reason)}`);
      await this.#say(keys, { type: "failed", worker, reason, ...task });
      // Another worker may have better luck.
      await pause(REST);
    }
  }

  /** In memory that threads share. */
  async #weights(keys: RunKeys, { step }: Task): Promise<Float32Array> {
    const bytes = await this.#ask.getBuffer(keys.weights);
    const got = bytes && unpack(bytes, (byteLength) => new SharedArrayBuffer(byteLength));
    if (got?.head.step !== step) throw new Missed();
    return got.numbers;
  }

  /** Says something to a leader. What does not arrive is missed there, and given out again. */
  async #say(keys: RunKeys, head: FromWorker, numbers?: Float32Array): Promise<void> {
    const all = this.#ask.multi().rpush(keys.said, pack(head, numbers)).expire(keys.said, NUMBERS_KEPT);
    await all.exec().catch((error) => this.#rules.note(`the leader was not told: ${reasonOf(error)}`));
  }

  /** Of what no run uses, the last is kept. */
  async #closeUnused(): Promise<void> {
    const used = new Set([...this.#known.values()].map(({ digest }) => digest));
    const unused = [...this.#opened.keys()].filter((digest) => !used.has(digest));
    for (const digest of unused.slice(0, -1)) {
      const opened = this.#opened.get(digest)!;
      this.#opened.delete(digest);
      await closed(opened);
    }
  }

  async close(): Promise<void> {
    const all = Promise.all([...[...this.#opened.values()].map(closed), this.#ask.quit().catch(() => undefined)]);
    await Promise.race([all, pause(2 * WAIT * 1000, undefined, { ref: false })]);
    this.#ask.disconnect();
    this.#hear.disconnect();
  }
}

const closed = (opened: Promise<Opened>): Promise<void> => opened.then((each) => each.close()).catch(() => undefined);

/** The weights are those of another step, or gone. */
class Missed extends Error {}
