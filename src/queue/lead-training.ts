/**
 * The leader of a run that trains over a queue: gives the shards of each step to workers and waits for their sums. It
 * keeps a run's state as any training does; the store holds nothing that cannot be made again, so leader, workers and
 * store may all be killed. Whoever works out a shard, and however often, its sums are the same.
 */

import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Dataset } from "../data/dataset.ts";
import { fail, interrupted, PixelcnnError } from "../errors.ts";
import { modelParameters } from "../models/families.ts";
import { countOf } from "../network/parameters.ts";
import { dataFingerprint } from "../runs/fingerprint.ts";
import type { RunConfig } from "../train/config.ts";
import type { ShardSums } from "../train/shard-work.ts";
import type { Shards } from "../train/stepper.ts";
import { counted, printable, reasonOf } from "../words.ts";
import { failStore, type Store, type StoreClient, watchStore } from "./store.ts";
import {
  type FromWorker,
  NUMBERS_KEPT,
  ORDER_KEPT,
  pack,
  type RunKeys,
  runKeys,
  runsKey,
  type TrainingOrder,
  unpack,
  workerKey,
} from "./training-order.ts";

export interface TrainingRules {
  /** The queue's name. */
  readonly name: string;
  readonly version: string;
  readonly config: RunConfig;
  /** Of the run. */
  readonly folder: string;
  /** What is trained on. */
  readonly data: Dataset;
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
}

/** Times that a shard may fail before the run ends. */
const ATTEMPTS = 3;
/** Seconds between two looks at workers and tasks. */
const LOOK = 1;
/** Milliseconds after which a task that is in no list and with no worker was lost on the way. */
const LOST = 3000;
/** A worker that lives has at least so many milliseconds for a shard, and so many times what the slowest took. */
const PATIENCE = 60_000;
const SLACK = 10;
/** Milliseconds without a worker until the user is told, or those that were refused are. */
const ALONE = 3000;

type Commands = ReturnType<StoreClient["multi"]>;

/** A shard that is not back yet. Milliseconds. */
interface Out {
  given: number;
  taken?: { readonly by: string; readonly at: number } | undefined;
  failed: number;
}

/** Waits for a first worker; before, nothing of the run is written. */
export async function leadTraining(store: Store, shard: number, rules: TrainingRules): Promise<Shards> {
  const { config, folder, data, version, note } = rules;
  note(`looking at ${counted(data.length, "image")}, so that workers can tell whether theirs are the same`);
  const order: TrainingOrder = {
    ...{ version, config, shard, folder: resolve(folder) },
    data: await dataFingerprint(data),
  };
  const leader = new TrainingLeader(store, order, rules);
  try {
    const lanes = await leader.firstWorker();
    return {
      lanes,
      sums: ({ step }, weights) => leader.sums(step!, weights),
      close: () => leader.close(),
    };
  } catch (error) {
    await leader.close();
    throw error;
  }
}

class TrainingLeader {
  readonly #run = randomUUID().slice(0, 8);
  readonly #keys: RunKeys;
  readonly #rules: TrainingRules;
  readonly #store: Store;
  readonly #order: TrainingOrder;
  readonly #parameters: number;
  /** For commands, and for the one that waits. */
  readonly #ask: StoreClient;
  readonly #hear: StoreClient;
  readonly #answers: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #lanes = new Map<string, number>();
  readonly #opening = new Set<string>();
  readonly #refused = new Map<string, string>();
  #slowest = 0;
  /** The connection was made anew: what was said meanwhile may be lost. */
  #wasAway = false;
  #isAlone = false;

  constructor(store: Store, order: TrainingOrder, rules: TrainingRules) {
    this.#store = store;
    this.#order = order;
    this.#rules = rules;
    this.#keys = runKeys(rules.name, this.#run);
    this.#parameters = countOf(modelParameters(rules.config.model));
    this.#ask = store.connect();
    this.#hear = store.connect();
    this.#answers = watchStore(this.#ask, store.address, rules.note).answers;
    // Whoever waits says it for both.
    this.#hear.on("error", () => undefined);
    this.#hear.on("ready", () => {
      this.#wasAway = true;
    });
    const announce = (): void => void this.#announce().catch(() => undefined);
    this.#timer = setInterval(announce, (ORDER_KEPT * 1000) / 4);
  }

  /** Written again and again: what the store loses comes back. */
  async #announce(): Promise<void> {
    const order = JSON.stringify(this.#order);
    await this.#asked((all) =>
      all.set(this.#keys.order, order, "EX", ORDER_KEPT).sadd(runsKey(this.#rules.name), this.#run),
    );
  }

  /** Shards that the workers there are do side by side. */
  firstWorker(): Promise<number> {
    return this.#guarded(async () => {
      await this.#announce();
      const began = performance.now();
      while (this.#lanes.size === 0) {
        await this.#listen();
        if (this.#lanes.size === 0 && performance.now() - began > ALONE) this.#tellAlone();
      }
      this.#wasAway = false;
      return this.#lanesThere();
    });
  }

  #lanesThere(): number {
    return [...this.#lanes.values()].reduce((a, b) => a + b, 0);
  }

  #tellAlone(): void {
    const { name, note } = this.#rules;
    // One that opens large data takes its time.
    if (this.#opening.size > 0) return;
    if (this.#refused.size > 0)
      fail(
        "io",
        `no worker of the queue ${name} can take part in this run:\n` +
          [...this.#refused].map(([worker, reason]) => `${worker}: ${reason}`).join("\n"),
      );
    if (!this.#isAlone)
      note(`no worker is at the queue ${name}: start \`pixelcnn worker --train --queue ... --folder ...\``);
    this.#isAlone = true;
  }

  /** The sums of all shards of a step, in their order. */
  sums(step: number, weights: Float32Array): Promise<ShardSums[]> {
    return this.#guarded(async () => {
      const count = this.#rules.config.train.batch / this.#order.shard;
      const done = new Array<ShardSums>(count);
      const open = new Map(Array.from({ length: count }, (_, i): [number, Out] => [i, { given: 0, failed: 0 }]));
      await this.#give(step, weights, open, [...open.keys()]);
      let looked = performance.now();
      while (open.size > 0) {
        const heard = await this.#listen();
        if (heard) this.#take(heard, step, open, done);
        const again = [...open].filter(([, out]) => out.given === 0).map(([shard]) => shard);
        if (again.length > 0) await this.#give(step, null, open, again);
        if (performance.now() - looked < LOOK * 1000) continue;
        await this.#look(step, weights, open);
        looked = performance.now();
      }
      return done;
    });
  }

  /** Puts tasks into their list, and the weights that they want where these are new. */
  async #give(step: number, weights: Float32Array | null, open: Map<number, Out>, shards: number[]): Promise<void> {
    const { weights: key, tasks } = this.#keys;
    const count = this.#rules.config.train.batch / this.#order.shard;
    const ahead = count >= 2 * this.#lanesThere();
    const given = shards.map((shard) => JSON.stringify({ step, shard, ahead }));
    await this.#asked((all) => {
      if (weights) all.set(key, pack({ step }, weights), "EX", NUMBERS_KEPT);
      return all.rpush(tasks, ...given).expire(tasks, NUMBERS_KEPT);
    });
    for (const shard of shards) Object.assign(open.get(shard)!, { given: performance.now(), taken: undefined });
  }

  /** What a worker says next; null when none says anything for a second. */
  async #listen(): Promise<{ readonly head: FromWorker; readonly numbers: Float32Array } | null> {
    const { note, signal } = this.#rules;
    if (signal.aborted) throw interrupted(signal);
    const got = await this.#hear.blpopBuffer(this.#keys.said, LOOK);
    this.#answers();
    const heard = got && unpack(got[1]);
    if (!heard) return null;
    const head = heard.head as unknown as FromWorker;
    const { worker } = head;
    if (!/^[\w.-]{1,200}$/.test(worker)) return null;
    if (head.type === "opens") this.#opening.add(worker);
    else this.#opening.delete(worker);
    if (head.type === "joined") {
      if (!this.#lanes.has(worker)) note(`worker ${worker} joined, ${counted(head.lanes, "shard")} at a time`);
      this.#lanes.set(worker, head.lanes);
      this.#isAlone = false;
    } else if (head.type === "refused") {
      this.#refused.set(worker, printable(head.reason));
      note(`worker ${worker} cannot take part: ${printable(head.reason)}`);
    } else if (head.type === "left") {
      this.#lanes.delete(worker);
      note(`worker ${worker} left`);
    } else if (head.type !== "opens" && !this.#lanes.has(worker)) {
      // The store had lost it, or it was too busy to be heard of.
      this.#lanes.set(worker, 1);
      this.#isAlone = false;
    }
    return { head, numbers: heard.numbers };
  }

  #take(
    { head, numbers }: { readonly head: FromWorker; readonly numbers: Float32Array },
    step: number,
    open: Map<number, Out>,
    done: ShardSums[],
  ): void {
    // A shard that was given out twice comes back twice, the second time perhaps in a later step.
    const out = "step" in head && head.step === step ? open.get(head.shard) : undefined;
    if (!out || !("step" in head)) return;
    const { shard } = head;
    if (head.type === "taken") out.taken = { by: head.worker, at: performance.now() };
    else if (head.type === "missed") out.taken = undefined;
    else if (head.type === "sums" && numbers.length === this.#parameters && typeof head.loss === "number") {
      if (out.taken?.by === head.worker) this.#slowest = Math.max(this.#slowest, performance.now() - out.taken.at);
      done[shard] = { loss: head.loss, gradient: numbers };
      open.delete(shard);
    } else {
      const reason =
        head.type === "failed"
          ? printable(head.reason)
          : `expected ${this.#parameters} numbers of worker ${head.worker} but received ${numbers.length}`;
      this.#rules.note(`shard ${shard + 1}/${done.length} of step ${step + 1} failed: ${reason}`);
      if (++out.failed === ATTEMPTS)
        fail(
          "io",
          `shard ${shard + 1} of ${done.length} of step ${step + 1} failed ${ATTEMPTS} times, the last time: ${reason}`,
        );
      Object.assign(out, { given: 0, taken: undefined });
    }
  }

  /** Gives out again what was lost: with its worker, on its way, or with the store. */
  async #look(step: number, weights: Float32Array, open: Map<number, Out>): Promise<void> {
    const { name, note } = this.#rules;
    const known = [...new Set([...this.#lanes.keys(), ...[...open.values()].flatMap(({ taken }) => taken?.by ?? [])])];
    const [hasOrder, hasWeights, waiting, ...alive] = await this.#asked((all) =>
      known.reduce(
        (more, worker) => more.exists(workerKey(name, worker)),
        all.exists(this.#keys.order).exists(this.#keys.weights).llen(this.#keys.tasks),
      ),
    );
    const now = performance.now();
    const gone = new Set(known.filter((_, i) => alive[i] === 0));
    for (const worker of gone) if (this.#lanes.delete(worker)) note(`worker ${worker} is not heard of any more`);
    const longest = Math.max(PATIENCE, SLACK * this.#slowest);
    const isNew = hasOrder === 0 || hasWeights === 0 || this.#wasAway;
    this.#wasAway = false;
    const lost = [...open].filter(([, { given, taken }]) =>
      isNew ? true : taken ? gone.has(taken.by) || now - taken.at > longest : waiting === 0 && now - given > LOST,
    );
    if (lost.length > 0) note(`step ${step + 1}: ${counted(lost.length, "shard")} of ${open.size} given out again`);
    if (isNew) await this.#announce();
    const again = lost.map(([shard]) => shard);
    if (again.length > 0) await this.#give(step, isNew ? weights : null, open, again);
    if (this.#lanes.size === 0 && !this.#isAlone) {
      note("every worker is gone: waiting for others");
      this.#isAlone = true;
    }
  }

  /** The answers of several commands, which may be given twice; the first error is thrown. */
  async #asked(commands: (all: Commands) => Commands): Promise<unknown[]> {
    for (;;) {
      const answers = await commands(this.#ask.multi())
        .exec()
        .catch((error) => {
          // Half of the answers had come when the store went away.
          if (/connection close/i.test(reasonOf(error))) return null;
          throw error;
        });
      if (answers)
        return answers.map(([error, answer]) => {
          if (error) throw error;
          return answer;
        });
    }
  }

  /** A store that is away is waited for, but not by a run that is told to stop. */
  async #guarded<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.#rules;
    let stop = (): void => undefined;
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(interrupted(signal));
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop);
    });
    try {
      return await Promise.race([work(), stopped]);
    } catch (error) {
      if (error instanceof PixelcnnError) throw error;
      return failStore(error, this.#store.address);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Takes the run out of the store, as far as the store answers. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const { order, weights, tasks, said } = this.#keys;
    const gone = this.#ask.multi().srem(runsKey(this.#rules.name), this.#run).del(order, weights, tasks, said).exec();
    await Promise.race([gone.catch(() => undefined), pause(2000, undefined, { ref: false })]);
    this.#ask.disconnect();
    this.#hear.disconnect();
  }
}
